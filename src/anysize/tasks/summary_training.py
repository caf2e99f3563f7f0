"""Training of models that write summaries: a document and its summary as one example."""

from __future__ import annotations

import dataclasses
import logging

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.findings import Findings
from anysize.core.progress import counted
from anysize.core.records import Record, Source, TextField
from anysize.core.windows import Span, Window
from anysize.mergers.extracts import joined
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.models.positions import position_count
from anysize.tasks.extraction import nothing_to_summarise
from anysize.tasks.references import references
from anysize.tasks.summary_options import SummaryOptions
from anysize.tasks.summary_oracle import Oracle
from anysize.tasks.summary_prompts import NEW_TOKENS, Prompt
from anysize.windows.passages import Passages

_log = logging.getLogger("anysize")
_NAMED = 5
# Characters for each token that fits: a longer text is taken for too long without being measured.
_CHARACTERS = 64
# Summaries that are much longer than what is written are no examples of it.
_TIMES = 4
# Tokens of the shortest window; the prompt says what is too short.
_LEAST = 8


def longest_summary(options: SummaryOptions) -> int:
    """Tokens of a summary that is learned from, at most."""
    return _TIMES * (options.max_new_tokens or NEW_TOKENS)


def fit_window(network: Network, options: SummaryOptions) -> None:
    """Makes the windows of a decoder shorter where it has no positions for a summary behind them.

    An encoder-decoder has positions of their own for what it writes.

    Args:
        network: to be trained; changed.
        options: of prediction.
    """
    config = network.module.config
    positions = position_count(config)
    if positions is None or getattr(config, "is_encoder_decoder", False):
        return
    settings, longest = network.reads(TextSettings), longest_summary(options)
    window = max(positions - longest, _LEAST)
    if settings.window <= window:
        return
    _log.warning(
        "%s reads %s tokens, of which up to %s are for the summary that follows a document: "
        "windows have %s tokens instead of %s; a lower --max-new-tokens leaves more",
        network.spec, f"{positions:,}", f"{longest:,}", f"{window:,}", f"{settings.window:,}",
    )  # fmt: skip
    network.settings = dataclasses.replace(
        settings, window=window, overlap=min(settings.overlap, window - 3)
    )


class Pairs:
    """Documents with their summaries as examples; see ``summary_oracle`` for long ones.

    Args:
        prompt: how the model reads a document.
        options: of prediction, whose length a summary has.
    """

    def __init__(self, prompt: Prompt, options: SummaryOptions) -> None:
        self._prompt, self._longest = prompt, longest_summary(options)
        self._whole = Passages(most=prompt.most, size=prompt.size)
        self._alone = Passages(most=prompt.most, size=prompt.size, sentences=1)

    def example(self, ordinal: int, record: Record, draw: int) -> Example:
        """One example of a record.

        Args:
            ordinal: of the record.
            record: with its summaries; of several, each draw takes the next.
            draw: how often the record has been drawn before.

        Raises:
            DataError: there is no text or no summary, or the summary is too long.
        """
        every = references(record.target, record.id)
        summary = plain(every[draw % len(every)])
        labels = self._prompt.labels(summary)
        if len(labels) > self._longest:
            raise DataError(
                record.id,
                f"its summary has {len(labels)} tokens, and at most {self._longest} are learned "
                f"from ({_TIMES} times --max-new-tokens): raise --max-new-tokens",
            )
        arrays = self._prompt.arrays(self.shown(record.text("text"), summary))
        read = len(arrays["input_ids"])
        # A decoder reads what it has written behind the document, an encoder-decoder apart.
        cost = max(read, len(labels)) if self._prompt.frame is not None else read + len(labels)
        span = Span(0, read)
        window = Window(record=record.id, index=0, region=span, core=span, last=True)
        return Example(
            ordinal=ordinal, window=window, arrays={**arrays, "labels": labels}, cost=cost,
        )  # fmt: skip

    def shown(self, text: TextField, summary: str) -> str:
        """What the model is shown of a document: all of it, or what the summary is about.

        Raises:
            DataError: there is nothing.
        """
        first = next(self._whole.stream(text))
        if not first.sentences:
            if first.last:
                raise DataError(text.origin, nothing_to_summarise(first))
        elif first.last:
            return first.text
        oracle = Oracle(summary)
        places: list[tuple[int, int]] = []
        candidates = []
        for passage in self._alone.stream(text):
            for each in passage.sentences:
                places.append((each.start, each.stop))
                # A token more for what a sentence may need beside others.
                size = self._prompt.size(each.text + each.space) + 1
                candidates.append(oracle.candidate(each.text, size))
        chosen = oracle.chosen(candidates, self._prompt.most)
        return joined([text.read(*places[place]) for place in chosen])


def plain(text: str) -> str:
    """A summary as it is learned: one space where there is white space."""
    return " ".join(text.split())


def note_lengths(
    source: Source, prompt: Prompt, options: SummaryOptions, most: int, findings: Findings
) -> None:
    """Says which documents are not shown whole, and which summaries are long.

    Args:
        source: the training data; what cannot be read is left to those who read it later.
        prompt: how the model reads a document.
        options: of prediction.
        most: tokens that the model will write, at most.
        findings: takes it.
    """
    limit = longest_summary(options)
    long, cut, out = (_Noted() for _ in range(3))
    name = f"measuring documents and summaries of {source.name}"
    for index in counted(range(len(source)), name, len(source)):
        try:
            record = source[index]
            sizes = [len(prompt.labels(plain(one))) for one in references(record.target, record.id)]
            long.add(record.id, not _fits(record.text("text"), prompt))
        except DataError:
            continue
        out.add(record.id, max(sizes) > limit)
        cut.add(record.id, most < max(sizes) <= limit)
    long.tell(
        findings, "documents-extracted",
        f"documents are longer than the {prompt.most} tokens that the model reads at once; it "
        "learns from the sentences most like the summary (chosen greedily by ROUGE) and those "
        "around them",
        "raise --window, if the model has positions for more",
    )  # fmt: skip
    cut.tell(
        findings, "summaries-longer-than-written",
        f"summaries are longer than the {most} tokens that the model writes at most",
        "raise --max-new-tokens",
    )  # fmt: skip
    out.tell(
        findings, "summaries-too-long",
        f"summaries have more than {limit} tokens; they are left out",
        "raise --max-new-tokens",
    )  # fmt: skip


class _Noted:
    """Records that something is true of."""

    def __init__(self) -> None:
        self._count = 0
        self._named: list[str] = []

    def add(self, record: str, true: bool) -> None:
        if true:
            self._count += 1
            self._named = [*self._named, record][:_NAMED]

    def tell(self, findings: Findings, code: str, message: str, remedy: str) -> None:
        if self._count:
            findings.add(
                code, message, count=self._count, unit="records", examples=self._named,
                remedy=remedy,
            )  # fmt: skip


def _fits(text: TextField, prompt: Prompt) -> bool:
    """Whether a document has no more tokens than the model reads at once."""
    held = ""
    for chunk in text.chunks():
        held += chunk
        if len(held) > _CHARACTERS * prompt.most:
            return False
    # No token is shorter than a byte.
    return len(held.encode("utf-8", "replace")) <= prompt.most or prompt.size(held) <= prompt.most
