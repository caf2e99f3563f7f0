"""Evaluation of question answering: exact match and F1 as SQuAD 2 and CMRC 2018 count them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.core.highest import Highest
from anysize.core.records import Record, Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import answer_rendering, pages
from anysize.evaluation.answer_counts import Row, Rows
from anysize.evaluation.answer_excerpts import shown
from anysize.evaluation.answer_result import AnswerEvaluation, Shown
from anysize.evaluation.numbers import between, percent
from anysize.evaluation.passing import Passed
from anysize.tasks.answer_targets import Wanted
from anysize.tasks.protocols import target_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("question-answering",)

_WORST, _BEST = 16, 6

answer_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> AnswerEvaluation:
    """Scores a stream of results against the answers of their records.

    Args:
        results: one a record, in the order of ``source``.
        card: of the bundle.
        source: of the questions with their contexts and answers.

    Raises:
        DataError: there is nothing to score.
    """
    task = tasks.of(card)
    run = _Run(source)

    def read(record: Record) -> tuple[Record, Wanted] | None:
        target = target_of(task, record)
        return None if target is None else (record, target)

    for index, result, (record, target), _ in run.passed.scored(results, read):
        run.add(index, result, target, run.rows.add(record, result, target))
    if not run.rows.rows:
        run.passed.refuse("an answer to compare with; name its column with --columns answer=NAME")
    return run.finish()


def write_report(
    evaluation: AnswerEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    pages.report(
        "evaluation/templates/answers.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=_cards(evaluation),
        notices=_notices(evaluation),
        worst=[shown(each, source) for each in evaluation.worst],
        best=[shown(each, source) for each in evaluation.best],
    )


class _Run:
    """What is counted while results stream past."""

    def __init__(self, source: Source) -> None:
        self.passed = Passed(source)
        self.rows = Rows()
        self._answered = 0
        self._worst = Highest[Shown](_WORST)
        self._best: list[Shown] = []

    def add(self, index: int, result: Result, target: Wanted, row: Row) -> None:
        self._answered += result.prediction is not None
        start, stop = result.details["start"], result.details["end"]
        each = Shown(
            index=index,
            id=result.id,
            right=tuple(dict.fromkeys(target.texts)),
            answer=result.prediction,
            place=None if start is None else (start, stop),
            score=float(result.score or 0.0),
            f1=row.model.f1,
        )
        if row.model.f1 == 1.0:
            if result.prediction is not None and len(self._best) < _BEST:
                self._best.append(each)
            return
        # The surer the model was of what is wrong, the worse.
        self._worst.add((-each.f1, each.score), index, each)

    def finish(self) -> AnswerEvaluation:
        rows = self.rows
        return AnswerEvaluation(
            metrics=rows.metrics(),
            intervals=rows.intervals(),
            questions=len(rows.rows),
            answerable=sum(row.answerable for row in rows.rows),
            contexts=rows.contexts,
            answered=self._answered,
            baselines=rows.baselines(),
            by_length=rows.by_length(),
            by_depth=rows.by_depth(),
            worst=tuple(self._worst.entries()),
            best=tuple(self._best),
            **self.passed.account(),
        )


def _cards(evaluation: AnswerEvaluation) -> list[tuple[str, str, str]]:
    metrics, receipts = evaluation.metrics, evaluation.receipts
    found = [
        ("F1", percent(metrics["f1"]), between(evaluation.intervals["f1"])),
        ("exact match", percent(metrics["exact_match"]),
         between(evaluation.intervals["exact_match"])),
    ]  # fmt: skip
    if "has_answer_f1" in metrics:
        none = evaluation.questions - evaluation.answerable
        found += [
            ("F1, with an answer", percent(metrics["has_answer_f1"]),
             f"{evaluation.answerable:,} questions"),
            ("right without one", percent(metrics["no_answer_f1"]), f"{none:,} questions"),
            ("best F1", percent(metrics["best_f1"]),
             f"at a threshold of {metrics['best_f1_threshold']:.2f}, chosen on these data"),
        ]  # fmt: skip
    return [
        *found,
        ("questions", f"{evaluation.questions:,}", f"about {evaluation.contexts:,} contexts"),
        ("windows", f"{receipts.windows:,}",
         f"{receipts.fully_covered:,} contexts read completely"),
    ]  # fmt: skip


def _notices(evaluation: AnswerEvaluation) -> list[str]:
    lines = []
    if evaluation.answerable < evaluation.questions == evaluation.answered:
        lines.append(
            "An answer was given to every question, also where there is none. Give "
            "--no-answer-threshold, or train on data that have questions without an answer."
        )
    return [*lines, *evaluation.notices("answer")]
