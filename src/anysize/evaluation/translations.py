"""Evaluation of translation: BLEU and chrF by sacrebleu, beside copying the source.

Both are of the whole corpus: n-grams are summed over the records, which is also how their bootstrap
intervals are made (Koehn 2004). BLEU (Papineni et al. 2002) counts words by sacrebleu's ``13a``, of
Chinese references by ``zh``, of Japanese ones by characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import AnysizeError
from anysize.core.highest import Highest
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import pages, translation_rendering
from anysize.evaluation.differences import marked
from anysize.evaluation.intervals import Interval, percentiles, resamples
from anysize.evaluation.lengths import doubling
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
_COUNTS = {"bleu": bleu_counts, "chrf": chrf_counts}
_SCORES = {"bleu": bleu_of, "chrf": chrf_of}

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
    pages.report(
        "evaluation/templates/translations.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=_cards(evaluation),
        notices=_notices(evaluation),
        plot=by_length(evaluation.lengths),
        groups=[
            ("Lowest chrF", [_shown(each, source) for each in evaluation.worst]),
            ("Highest chrF", [_shown(each, source) for each in evaluation.best]),
        ],
    )


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
        self._worst = Highest[ShownTranslation](_SHOWN)
        self._best = Highest[ShownTranslation](_SHOWN_BEST)

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
        self._worst.add(-score, index, shown)
        self._best.add(score, index, shown)

    def finish(self) -> TranslationEvaluation:
        arrays = {
            system: {name: np.stack(rows) for name, rows in found.items()}
            for system, found in self.counts.items()
        }
        worst = self._worst.entries()
        chosen = {each.index for each in worst}
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
            best=tuple(each for each in self._best.entries() if each.index not in chosen),
            **self.passed.account(),
        )


def _interval(name: str, rows: NDArray[np.int64]) -> Interval:
    """The percentile interval of a metric over resampled records."""
    return percentiles([_SCORES[name](times @ rows) for times in resamples(len(rows))])


def _lengths(
    extents: NDArray[np.int64], arrays: Mapping[str, NDArray[np.int64]]
) -> tuple[LengthScores, ...]:
    """In bins of doubling length."""
    return tuple(
        LengthScores(
            low=low,
            high=high,
            records=int(inside.sum()),
            bleu=bleu_of(arrays["bleu"][inside].sum(0)),
            chrf=chrf_of(arrays["chrf"][inside].sum(0)),
        )
        for low, high, inside in doubling(extents)
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
    prediction, reference = marked(each.prediction, each.reference)
    return {
        "id": each.id,
        "note": f"chrF {each.chrf:.1f}",
        "text": text,
        "prediction": prediction,
        "reference": reference,
    }
