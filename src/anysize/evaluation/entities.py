"""Evaluation of token classification: precision, recall and F1 over entities.

An entity is right where its label and both of its ends are (CoNLL-2003; Tjong Kim Sang and De
Meulder 2003), which over words with tags is what conlleval and seqeval count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.core.entities import Entity, Tag
from anysize.core.errors import AnysizeError
from anysize.core.highest import Highest
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import entity_rendering, pages
from anysize.evaluation.entity_result import Counts, EntityEvaluation, WrongRecord
from anysize.evaluation.numbers import percent
from anysize.evaluation.passing import Passed
from anysize.tasks.protocols import target_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("token-classification",)

_WORST = 12
_NAMED = 100
_AROUND = 60
_MOST_SHOWN = 12

entity_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> EntityEvaluation:
    """Scores a stream of results against the entities of their records.

    Args:
        results: one a record, in the order of ``source``.
        card: of the bundle.
        source: of the texts with their entities.

    Raises:
        DataError: there is nothing to score.
    """
    task = tasks.load(card.task)
    run = _Run(source)
    scored = run.passed.scored(results, lambda record: target_of(task, record))
    for index, result, target, _ in scored:
        run.add(index, result, target)
    if not run.passed.receipts.records:
        run.passed.refuse("tags or entities; name their column with --columns tags=NAME")
    known = {Tag.of(label).label for label in card.labels} - {""}
    return run.finish(known)


def write_report(
    evaluation: EntityEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    pages.report(
        "evaluation/templates/entities.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=_cards(evaluation),
        notices=evaluation.notices("tags or entities"),
        worst=[_shown(each, source) for each in evaluation.worst],
    )


class _Run:
    """What is counted while results stream past."""

    def __init__(self, source: Source) -> None:
        self.passed = Passed(source)
        self.right: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.wanted: Counter[str] = Counter()
        self._worst = Highest[WrongRecord](_WORST)

    def add(self, index: int, result: Result, target: Iterable[Entity]) -> None:
        found = {Entity(each["start"], each["end"], each["label"]) for each in result.prediction}
        wanted = set(target)
        for counter, which in (
            (self.right, found & wanted),
            (self.found, found),
            (self.wanted, wanted),
        ):
            counter.update(each.label for each in which)
        missed, false = sorted(wanted - found), sorted(found - wanted)
        errors = len(missed) + len(false)
        if errors:
            wrong = WrongRecord(
                index=index,
                id=result.id,
                missed=tuple(missed[:_NAMED]),
                false=tuple(false[:_NAMED]),
            )
            self._worst.add(errors, index, wrong)

    def finish(self, known: set[str]) -> EntityEvaluation:
        labels = sorted({*known, *self.found, *self.wanted})
        return EntityEvaluation(
            total=Counts(
                right=self.right.total(), found=self.found.total(), wanted=self.wanted.total()
            ),
            labels={
                label: Counts(
                    right=self.right[label], found=self.found[label], wanted=self.wanted[label]
                )
                for label in labels
            },
            worst=tuple(self._worst.entries()),
            **self.passed.account(),
        )


def _cards(evaluation: EntityEvaluation) -> list[tuple[str, str, str]]:
    total, receipts = evaluation.total, evaluation.receipts
    return [
        ("F1", percent(total.f1), "label and both ends must agree"),
        ("precision", percent(total.precision), f"of {total.found:,} found"),
        ("recall", percent(total.recall), f"of {total.wanted:,} in the data"),
        ("macro F1", percent(evaluation.macro_f1), "mean over the labels"),
        ("records", f"{receipts.records:,}", ""),
        ("windows", f"{receipts.windows:,}",
         f"{receipts.longer_than_window:,} records longer than one"),
    ]  # fmt: skip


def _shown(wrong: WrongRecord, source: Source) -> dict[str, Any]:
    """A record's errors with the text around them; the reason where it cannot be read again."""
    errors = [("missed", each) for each in wrong.missed] + [("false", each) for each in wrong.false]
    errors.sort(key=lambda error: error[1])
    shown = []
    for kind, entity in errors[:_MOST_SHOWN]:
        try:
            before, inside, after = _around(source, wrong.index, entity)
        except AnysizeError as error:
            before, inside, after = str(error), "", ""
        shown.append((kind, entity.label, before, inside, after))
    return {"id": wrong.id, "errors": shown, "more": max(len(errors) - _MOST_SHOWN, 0)}


def _around(source: Source, index: int, entity: Entity) -> tuple[str, str, str]:
    text = source[index].text("text")
    begin = max(entity.start - _AROUND, 0)
    found = text.read(begin, entity.stop + _AROUND)
    start, stop = entity.start - begin, entity.stop - begin
    return found[:start], found[start:stop], found[stop:]
