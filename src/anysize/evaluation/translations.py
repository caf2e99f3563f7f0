"""Evaluation of translation: BLEU and chrF by sacrebleu, beside copying the source.

Both are of the whole corpus: n-grams are summed over the records, which is also how their bootstrap
intervals are made (Koehn 2004). BLEU (Papineni et al. 2002) counts words by sacrebleu's ``13a``, of
Chinese references by ``zh``, of Japanese ones by characters.
"""

from __future__ import annotations

import difflib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import AnysizeError
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import pages, translation_rendering
from anysize.evaluation.intervals import Interval, percentiles
from anysize.evaluation.passing import Passed
from anysize.evaluation.translation_rendering import TITLES, bounds, by_length, counted_by
from anysize.evaluation.translation_result import (
    COPY,
    METRICS,
    MODEL,
    LengthScores,
    ShownTranslation,
    TranslationEvaluation,
)
from anysize.tasks.translation_meter import (
    bleu_counts,
    bleu_of,
    chrf_counts,
    chrf_of,
    tokenizer_for,
)

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "metric_of_sums", "record_sums", "write_report"]

PROVIDES = ("translation",)

_SHOWN, _SHOWN_BEST = 12, 4
_CHARACTERS = 1500
_REPLICATES, _SEED = 1000, 0
_COUNTS = {"bleu": bleu_counts, "chrf": chrf_counts}
_SCORES = {"bleu": bleu_of, "chrf": chrf_of}
_WORD = re.compile(r"\s+|[^\W_]+|[^\w\s]|_")

translation_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> TranslationEvaluation:
    """Scores a stream of results against the targets of their records.

    Args:
        results: one a record, in the order of ``source``.
        card: of the bundle.
        source: of the sources with their targets.

    Raises:
        DataError: there is nothing to score.
        MissingExtraError: sacrebleu is not installed.
    """
    run = _Run(source)
    for index, result, target, _ in run.passed.scored(results):
        run.add(index, result, str(target))
    if not run.extents:
        run.passed.refuse("a target to compare with; name its column with --columns target=NAME")
    return run.finish()


def record_sums(result: Result, target: Any) -> NDArray[Any]:
    """What a record adds to BLEU; see ``paired_sums.Summing``."""
    return bleu_counts(str(result.prediction), str(target))


def metric_of_sums(sums: NDArray[Any]) -> float:
    """BLEU of summed records."""
    return bleu_of(sums)


def write_report(
    evaluation: TranslationEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    provenance = pages.facts_of(card, source)
    text = pages.page(
        "evaluation/templates/translations.html",
        **pages.headings(card, source),
        evaluation=evaluation,
        cards=_cards(evaluation),
        notices=_notices(evaluation),
        plot=by_length(evaluation.lengths),
        groups=[
            ("Lowest chrF", [_shown(each, source) for each in evaluation.worst]),
            ("Highest chrF", [_shown(each, source) for each in evaluation.best]),
        ],
        findings=evaluation.findings,
        provenance=provenance,
    )
    pages.write(folder, {**evaluation.to_json(), "provenance": provenance}, text)


class _Run:
    """What is kept while results stream past: a few numbers of each, and some records."""

    def __init__(self, source: Source) -> None:
        self.passed = Passed(source)
        self.counts: dict[str, dict[str, list[NDArray[np.int64]]]] = {
            system: {name: [] for name in METRICS} for system in (MODEL, COPY)
        }
        self.extents: list[int] = []
        self.tokenizers: Counter[str] = Counter()
        self.segments: Counter[str] = Counter()
        self.characters = [0, 0]
        self._worst: list[tuple[float, int, ShownTranslation]] = []
        self._best: list[tuple[float, int, ShownTranslation]] = []

    def add(self, index: int, result: Result, target: str) -> None:
        prediction = str(result.prediction)
        copied = "".join(self.passed.source[index].text("source").chunks())
        for system, text in ((MODEL, prediction), (COPY, copied)):
            for name in METRICS:
                self.counts[system][name].append(_COUNTS[name](text, target))
        self.extents.append(result.receipt.extent)
        self.tokenizers[tokenizer_for(target)] += 1
        self.segments.update(result.receipt.counts or {})
        self.characters[0] += len(prediction)
        self.characters[1] += len(target)
        score = chrf_of(self.counts[MODEL]["chrf"][-1])
        shown = ShownTranslation(
            index=index,
            id=result.id,
            chrf=score,
            prediction=prediction[:_CHARACTERS],
            reference=target[:_CHARACTERS],
        )
        # Of equally good ones the first records are kept.
        for kept, rank, most in (
            (self._worst, -score, _SHOWN),
            (self._best, score, _SHOWN_BEST),
        ):
            heapq.heappush(kept, (rank, -index, shown))
            if len(kept) > most:
                heapq.heappop(kept)

    def finish(self) -> TranslationEvaluation:
        arrays = {
            system: {name: np.stack(rows) for name, rows in found.items()}
            for system, found in self.counts.items()
        }
        worst = [each for _, _, each in sorted(self._worst, key=_rank)[::-1]]
        chosen = {each.index for each in worst}
        best = [each for _, _, each in sorted(self._best, key=_rank)[::-1]]
        return TranslationEvaluation(
            systems={
                system: {name: _SCORES[name](rows.sum(0)) for name, rows in found.items()}
                for system, found in arrays.items()
            },
            intervals={name: _interval(name, rows) for name, rows in arrays[MODEL].items()},
            tokenizers=dict(self.tokenizers),
            ratio=self.characters[0] / max(self.characters[1], 1),
            lengths=_lengths(np.array(self.extents), arrays[MODEL]),
            segments=dict(self.segments),
            worst=tuple(worst),
            best=tuple(each for each in best if each.index not in chosen),
            **self.passed.account(),
        )


def _rank(entry: tuple[float, int, ShownTranslation]) -> tuple[float, int]:
    return entry[0], entry[1]


def _interval(name: str, rows: NDArray[np.int64]) -> Interval:
    """The percentile interval of a metric over resampled records."""
    random = np.random.default_rng(_SEED)
    count = len(rows)
    found = []
    for _ in range(_REPLICATES):
        times = np.bincount(random.integers(count, size=count), minlength=count)
        found.append(_SCORES[name](times @ rows))
    return percentiles(found)


def _lengths(
    extents: NDArray[np.int64], arrays: Mapping[str, NDArray[np.int64]]
) -> tuple[LengthScores, ...]:
    """In bins of doubling length."""
    keys = np.ceil(np.log2(np.maximum(extents, 1))).astype(int)
    return tuple(
        LengthScores(
            low=(1 << (key - 1)) + 1 if key else 1,
            high=1 << key,
            records=int((keys == key).sum()),
            bleu=bleu_of(arrays["bleu"][keys == key].sum(0)),
            chrf=chrf_of(arrays["chrf"][keys == key].sum(0)),
        )
        for key in np.unique(keys).tolist()
    )


def _cards(evaluation: TranslationEvaluation) -> list[tuple[str, str, str]]:
    model, copied = evaluation.systems[MODEL], evaluation.systems[COPY]
    counts = evaluation.segments
    return [
        *(
            (
                TITLES[name],
                f"{model[name]:.2f}",
                f"{bounds(evaluation.intervals[name])}; copying the source {copied[name]:.2f}",
            )
            for name in METRICS
        ),
        ("length", f"{evaluation.ratio:.2f}", "characters for each of the references"),
        ("segments", f"{counts.get('segments', 0):,}",
         f"{counts.get('tried_again', 0):,} tried again, {counts.get('doubtful', 0):,} doubtful"),
        ("records", f"{evaluation.receipts.records:,}",
         f"words by sacrebleu's {counted_by(evaluation)}"),
    ]  # fmt: skip


def _notices(evaluation: TranslationEvaluation) -> list[str]:
    lines = evaluation.notices("target")
    if len(evaluation.tokenizers) > 1:
        lines.append(
            "The references are in several scripts, whose words BLEU counts in different ways "
            f"({counted_by(evaluation)})."
        )
    return lines


def _shown(each: ShownTranslation, source: Source) -> dict[str, Any]:
    """A record with what differs between its translation and the reference marked."""
    try:
        text = source[each.index].text("source").read(0, _CHARACTERS)
    except AnysizeError as error:
        text = str(error)
    own, wanted = _WORD.findall(each.prediction), _WORD.findall(each.reference)
    blocks = difflib.SequenceMatcher(None, own, wanted, autojunk=False).get_opcodes()
    return {
        "id": each.id,
        "chrf": f"{each.chrf:.1f}",
        "source": text,
        "prediction": _marked(own, [(tag, first, last) for tag, first, last, _, _ in blocks]),
        "reference": _marked(wanted, [(tag, first, last) for tag, _, _, first, last in blocks]),
    }


def _marked(words: Sequence[str], blocks: Iterable[tuple[str, int, int]]) -> list[tuple[bool, str]]:
    """Parts of a text, each with whether it differs from the other side."""
    return [(tag != "equal", "".join(words[first:last])) for tag, first, last in blocks]
