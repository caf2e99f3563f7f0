"""Evaluation of language models: perplexity, beside simpler models, and what they write."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize import tasks
from anysize.core.errors import DataError, MissingExtraError
from anysize.core.highest import Highest
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import language_rendering, pages
from anysize.evaluation.continuations import NEW_TOKENS, beginning, samples
from anysize.evaluation.differences import marked
from anysize.evaluation.language_baselines import baselines
from anysize.evaluation.language_rendering import by_length
from anysize.evaluation.language_result import (
    LanguageEvaluation,
    Sample,
    SizeBin,
    Unlikely,
    main_of,
    perplexity,
)
from anysize.evaluation.lengths import ReceiptCounter
from anysize.modalities.texts.settings import TextSettings
from anysize.tasks.conversation_findings import is_conversation
from anysize.tasks.protocols import target_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.tasks.protocols import Task

__all__ = [
    "main_metrics", "measure", "metric_of_sums", "observed", "record_sums", "write_report",
]  # fmt: skip

PROVIDES = ("text-generation",)
WITH_NETWORK = True
OBSERVED = "tokens"
"""What perplexity is a mean of; see ``paired_sums.Observing``."""

_WORST = 12
_LEAST = 8  # tokens of a record that may be among the worst
_NAMED = 100

language_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult],
    *,
    card: Card,
    source: Source,
    network: Network,
    task: Task | None = None,
) -> LanguageEvaluation:
    """Adds up what the tokens of records cost.

    Args:
        results: one a record, in the order of ``source``.
        card: of the bundle.
        source: of the texts.
        network: of the bundle; it gives the baselines its tokens, and the continuations.
        task: with the options that the results were made with; None takes the usual ones.

    Raises:
        DataError: there is nothing to score.
    """
    task = task or tasks.of(card)
    run = _counted(results, source, task)
    simpler, why_none = baselines(task, card, network, source)
    worst = run.worst()
    written, left_out = samples(task, network, source, worst)
    window = network.reads(TextSettings).window
    return LanguageEvaluation(
        loss=run.loss,
        tokens=run.tokens,
        words=run.words,
        characters=run.characters,
        bytes=run.bytes,
        interval=run.interval(),
        stride=getattr(task, "options").stride or (window + 1) // 2,  # noqa: B009
        window=window,
        unknown=run.unknown,
        baselines=simpler,
        by_size=run.bins(),
        worst=worst,
        samples=written,
        conversations=is_conversation(source),
        receipts=run.receipts.summary(),
        notices=(*why_none, *left_out),
        failure_count=run.failure_count,
        failures=tuple(run.failures),
    )


def main_metrics(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source, task: Task | None = None
) -> dict[str, float]:
    """The metrics alone: no baselines, which read the training text, and no samples.

    Args and errors as of `measure`.
    """
    return _counted(results, source, task or tasks.of(card)).main()


def record_sums(result: Result, target: Any) -> NDArray[Any]:
    """What a record adds to perplexity: its loss, and its tokens; see ``paired_sums.Summing``."""
    return np.array([float(result.details["loss"]), int(result.details["tokens"])], np.float64)


def metric_of_sums(sums: NDArray[Any]) -> float:
    """The perplexity of summed records."""
    return perplexity(float(sums[0]), float(sums[1]))


def observed(sums: NDArray[Any]) -> int:
    """How many tokens there are in summed records."""
    return int(sums[1])


def write_report(
    evaluation: LanguageEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    notices = list(evaluation.notices)
    try:
        plot = by_length(evaluation.by_size, conversations=evaluation.conversations)
    except MissingExtraError as error:  # the table below it has the same numbers
        plot = None
        notices.append(f"There is no plot by length: {error}")
    pages.report(
        "evaluation/templates/language.html",
        evaluation,
        folder,
        card=card,
        source=source,
        own=f"{perplexity(evaluation.loss, evaluation.tokens):,.2f}",
        cards=_cards(evaluation),
        notices=notices,
        plot=plot,
        worst=[(each, beginning(source, each.index)) for each in evaluation.worst],
        most=NEW_TOKENS,
        answers=[_answer(each) for each in evaluation.samples if each.reference is not None],
    )


def _counted(results: Iterable[Result | ErrorResult], source: Source, task: Task) -> _Run:
    """What the tokens of the records cost.

    Raises:
        DataError: there is no token.
    """
    run = _Run()
    for index, result in enumerate(results):
        try:
            if isinstance(result, ErrorResult):
                run.fail(result)
            else:
                run.add(index, result, target_of(task, source[index]))
        except DataError as error:
            run.fail(ErrorResult(id=result.id, error=str(error)))
    if not run.tokens:
        raise DataError(
            source.name,
            f"there is no token to predict in it: {run.receipts.records} records could be read, "
            f"and {run.failure_count} could not"
            + (f"; the first: {run.failures[0].error}" if run.failures else ""),
        )
    return run


class _Run:
    """What is counted while results stream past."""

    def __init__(self) -> None:
        self.loss = 0.0
        self.tokens = self.words = self.characters = self.bytes = self.unknown = 0
        self.receipts = ReceiptCounter()
        self.failures: list[ErrorResult] = []
        self.failure_count = 0
        # Sums over records, for the interval: of squares, and of loss times tokens.
        self._squares = [0.0, 0.0, 0.0]
        self._bins: dict[int, list[float]] = {}
        self._worst = Highest[Unlikely](_WORST)

    def fail(self, result: ErrorResult) -> None:
        self.failure_count += 1
        if len(self.failures) < _NAMED:
            self.failures.append(result)

    def add(self, index: int, result: Result, counts: Any) -> None:
        loss, tokens = float(result.details["loss"]), int(result.details["tokens"])
        self.loss += loss
        self.tokens += tokens
        self.words += counts.words
        self.characters += counts.characters
        self.bytes += counts.bytes
        self.unknown += (result.receipt.counts or {}).get("unknown_tokens", 0)
        self.receipts.add(result.receipt)
        for place, value in enumerate((loss * loss, loss * tokens, tokens * tokens)):
            self._squares[place] += value
        held = self._bins.setdefault(max(tokens, 1).bit_length(), [0, 0, 0.0])
        for place, value in enumerate((1, tokens, loss)):
            held[place] += value
        if tokens >= _LEAST:
            found = perplexity(loss, tokens)
            one = Unlikely(index=index, id=result.id, tokens=tokens, perplexity=found)
            self._worst.add(found, index, one)

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return main_of(self.loss, self.tokens, self.words, self.characters, self.bytes)

    def interval(self) -> tuple[float, float] | None:
        """Of the perplexity, at 95 %: the mean loss is a ratio of two sums over records."""
        if self.receipts.records < 2:
            return None
        mean = self.loss / self.tokens
        own, both, size = self._squares
        records = self.receipts.records
        spread = max(own - 2 * mean * both + mean * mean * size, 0.0) * records / (records - 1)
        error = 1.96 * math.sqrt(spread) / self.tokens
        return perplexity(mean - error, 1), perplexity(mean + error, 1)

    def bins(self) -> tuple[SizeBin, ...]:
        return tuple(
            SizeBin(
                low=1 << (bits - 1),
                high=(1 << bits) - 1,
                records=int(records),
                tokens=int(tokens),
                loss=loss,
            )
            for bits, (records, tokens, loss) in sorted(self._bins.items())
        )

    def worst(self) -> tuple[Unlikely, ...]:
        return tuple(self._worst.entries())


def _answer(each: Sample) -> dict[str, Any]:
    """A sample of a conversation, with what differs between both answers marked."""
    own, reference = marked(each.continuation, each.reference or "")
    why = each.chosen or ""
    if each.perplexity is not None:
        why = f"{why}: {each.perplexity:,.2f}"
    return {
        "id": each.id,
        "note": why,
        "text": each.prompt,
        "prediction": [*own, *_ellipsis(each.cut)],
        "reference": [*reference, *_ellipsis(each.reference_cut)],
    }


def _ellipsis(cut: bool) -> list[tuple[bool, str]]:
    return [(False, " …")] if cut else []


def _cards(evaluation: LanguageEvaluation) -> list[tuple[str, str, str]]:
    main, receipts = evaluation.main(), evaluation.receipts
    between = ""
    if evaluation.interval is not None:
        low, high = evaluation.interval
        between = f"; {low:,.2f} … {high:,.2f}"
    return [
        ("perplexity", f"{main['perplexity']:,.2f}", f"of a token{between}"),
        ("of a word", f"{main['word_perplexity']:,.2f}", "a line end is a word"),
        ("bits per byte", f"{main['bits_per_byte']:.3f}", f"{evaluation.bytes:,} bytes"),
        ("tokens", f"{evaluation.tokens:,}", f"each once; {evaluation.unknown:,} unknown"),
        ("records", f"{receipts.records:,}", f"{receipts.windows:,} windows"),
    ]
