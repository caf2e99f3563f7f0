"""Evaluation of language models: perplexity, beside unigrams and a Kneser-Ney 5-gram.

The baselines are made from the training text where it is still where the model learned from it, in
the model's own tokens.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.core.errors import AnysizeError, DataError
from anysize.core.progress import counted
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import language_rendering, pages
from anysize.evaluation.kneser_ney import KneserNey, Stretch, stretches_of
from anysize.evaluation.language_result import (
    Baseline,
    LanguageEvaluation,
    Sample,
    SizeBin,
    Unlikely,
    perplexity,
)
from anysize.evaluation.lengths import ReceiptCounter
from anysize.modalities.texts.settings import TextSettings
from anysize.sources.splits import open_splits
from anysize.tasks.conversation_findings import is_conversation
from anysize.tasks.inputs import columns_of
from anysize.tasks.protocols import answering, step_of, target_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.tasks.protocols import Task

__all__ = ["measure", "write_report"]

PROVIDES = ("text-generation",)
WITH_NETWORK = True

_WORST = 12
_LEAST = 8  # tokens of a record that may be among the worst
_NAMED = 100
_SAMPLES = 4
_PROMPT = 80  # characters
_NEW_TOKENS = 40
_MOST = 2_000_000

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
    baselines, notices = _baselines(task, card, network, source)
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
        baselines=baselines,
        by_size=run.bins(),
        worst=run.worst(),
        samples=_samples(task, network, source),
        receipts=run.receipts.summary(),
        notices=notices,
        failure_count=run.failure_count,
        failures=tuple(run.failures),
    )


def write_report(
    evaluation: LanguageEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    provenance = pages.facts_of(card, source)
    text = pages.page(
        "evaluation/templates/language.html",
        **pages.headings(card, source),
        evaluation=evaluation,
        own=f"{perplexity(evaluation.loss, evaluation.tokens):,.2f}",
        cards=_cards(evaluation),
        notices=list(evaluation.notices),
        worst=[(each, _beginning(source, each.index)) for each in evaluation.worst],
        findings=evaluation.findings,
        provenance=provenance,
    )
    pages.write(folder, {**evaluation.to_json(), "provenance": provenance}, text)


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
        self._worst: list[tuple[float, int, Unlikely]] = []

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
            heapq.heappush(self._worst, (found, -index, one))
            if len(self._worst) > _WORST:
                heapq.heappop(self._worst)

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
        return tuple(one for _, _, one in sorted(self._worst, key=lambda each: each[:2])[::-1])


def _baselines(
    task: Task, card: Card, network: Network, source: Source
) -> tuple[tuple[Baseline, ...], tuple[str, ...]]:
    """The baselines, or why there are none."""
    if is_conversation(source):
        return (), ("no baselines: they are of running text, and answers alone are measured",)
    try:
        training = _training(task, card)
    except AnysizeError as error:
        training, why = None, str(error)
    else:
        why = "the model does not say what it was trained on"
    if training is None:
        return (), (f"no baselines, because the training text is not at hand: {why}",)
    vocabulary = int(network.module.config.vocab_size)
    preprocess = task.preprocess(network)
    try:
        model = KneserNey(_stretches(preprocess, training), vocabulary, most=_MOST)
    except ValueError as error:
        return (), (f"no baselines: {error}",)
    unigram, smoothed, tokens = 0.0, 0.0, 0
    for stretch in _stretches(preprocess, source):
        unigram += float(model.unigram_losses(stretch).sum())
        smoothed += float(model.losses(stretch).sum())
        tokens += len(stretch.tokens) - stretch.first
    common: dict[str, Any] = {"tokens": tokens, "learned": model.tokens, "complete": model.complete}
    return (
        Baseline(name="unigram", description="how often a token is", loss=unigram, **common),
        Baseline(
            name="kneser_ney_5",
            description="5-grams with modified Kneser-Ney smoothing",
            loss=smoothed,
            **common,
        ),
    ), ()


def _training(task: Task, card: Card) -> Source | None:
    """What the model learned from; None where nothing says it."""
    recipe = card.provenance.get("recipe") or {}
    data = recipe.get("data")
    if not data:
        return None
    validation, test = card.shares()
    return open_splits(
        data,
        columns=columns_of(task, card),
        rename=recipe.get("columns") or {},
        encoding=recipe.get("encoding") or "utf-8",
        validation=validation,
        test=test,
    ).train


def _stretches(preprocess: Any, source: Source) -> Iterator[Stretch]:
    def windows() -> Iterator[tuple[Any, Any]]:
        for index in counted(range(len(source)), f"counting {source.name}", len(source)):
            try:
                for example in preprocess(index, source[index], None):
                    yield example.arrays["input_ids"], example.arrays["labels"]
            except DataError:
                continue  # counted where the model reads it

    return stretches_of(windows())


def _samples(task: Task, network: Network, source: Source) -> tuple[Sample, ...]:
    """Continuations of the beginnings of a few records, evenly chosen."""
    import torch

    from anysize.core.records import Record
    from anysize.readers.text import Text
    from anysize.runtimes.torch_generation import TorchGenerator, can_generate

    if not can_generate(network.module):
        return ()
    asked: Any = answering(task)
    # The report shows how texts go on, whatever the model does with prompts.
    asked = asked.predicting(dataclasses.replace(asked.options, chat=False))
    preprocess = asked.preprocess(network)
    step: Any = step_of(asked, network)
    device = next(network.module.parameters()).device
    generator = TorchGenerator(network, "float32", torch.device(device))
    found: list[Sample] = []
    if is_conversation(source):
        return ()
    for index in range(0, len(source), max(len(source) // _SAMPLES, 1)):
        prompt = _beginning(source, index)
        if not prompt.strip() or len(found) == _SAMPLES:
            continue
        record = Record(id=str(index), fields={"text": Text(prompt)})
        examples = list(preprocess(0, record, None))
        limits = [_NEW_TOKENS]
        for growth in generator.generate(examples, step.options, limits=limits):
            if growth.problem is None:
                text = step.decode(growth.tokens)
                found.append(Sample(id=_id(source, index), prompt=prompt, continuation=text))
    return tuple(found)


def _id(source: Source, index: int) -> str:
    try:
        return source[index].id
    except DataError:
        return str(index)


def _beginning(source: Source, index: int) -> str:
    try:
        text = source[index].text("text").read(0, _PROMPT)
    except AnysizeError:
        return ""
    # Not in the middle of a word, where there are blanks.
    return text.rsplit(" ", 1)[0] if len(text) == _PROMPT and " " in text else text


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
