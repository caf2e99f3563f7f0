"""Evaluation of timelines: the diarization error rate against references.

Seconds are summed over the recordings, which are resampled for the interval. What is wrong, and
where, is in ``recognition.diarization_error``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from anysize.core.errors import DataError
from anysize.core.highest import Highest
from anysize.core.plurals import number_of
from anysize.core.records import Record, Source, record_id
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import diarization_pages, pages
from anysize.evaluation.diarization_result import (
    DiarizationEvaluation,
    RecordError,
    ScoredTimeline,
)
from anysize.evaluation.intervals import Interval, percentiles, resamples
from anysize.evaluation.numbers import percent
from anysize.evaluation.passing import Passed
from anysize.evaluation.rendering import blank_table, render, unreadable, warning
from anysize.recognition.diarization_error import COLLAR, DiarizationError, compared
from anysize.recognition.turns import turns_of
from anysize.tasks.speakers.references import reference_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card

PROVIDES = ("diarization",)
WITH_NETWORK = True

_LACKING = (
    "a reference to compare with (an RTTM file beside the recording, or a column turns with its "
    "path or the turns as JSON: --columns turns=NAME)"
)
_WORST = 4
_LISTED = 500


def check(source: Source) -> None:
    """Refuses recordings before any is listened to, where none has a reference that can be used.

    Raises:
        DataError: there is nothing to compare with.
    """
    passed = Passed(source)
    for index in range(len(source)):
        try:
            record = source[index]
            if reference_of(record, 0.0, source.name) is not None:
                return
            passed.without_target += 1
        except DataError as error:
            passed.fail(ErrorResult(id=record_id(source, index), error=str(error)))
    passed.refuse(_LACKING)


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source, network: Any, task: Any
) -> DiarizationEvaluation:
    """Scores timelines against the references of their records.

    Args:
        results: one a record, in the order of ``source``, with ``details["timeline"]``.
        card: of the bundle.
        source: of the recordings; see ``tasks.speakers.references``.
        network: of the model.
        task: with the options.

    Raises:
        DataError: there is nothing to score.
    """
    collar = COLLAR if task.matching.collar is None else float(task.matching.collar)
    lengths: dict[str, float] = {}
    passed = Passed(source)

    def noted(stream: Iterable[Result | ErrorResult]) -> Iterable[Result | ErrorResult]:
        for result in stream:
            lengths.clear()
            if isinstance(result, Result):
                counts = result.receipt.counts or {}
                lengths[result.id] = int(counts.get("milliseconds", 0)) / 1000
            yield result

    def read(record: Record) -> Any:
        return reference_of(record, next(iter(lengths.values()), 0.0), source.name)

    errors: list[DiarizationError] = []
    named: list[RecordError] = []
    worst = Highest[ScoredTimeline](_WORST)
    seconds, right = 0.0, 0
    for index, result, reference, _ in passed.scored(noted(results), read):
        found = turns_of(result.details["timeline"], result.id)
        scored = ScoredTimeline(
            index=index,
            id=result.id,
            seconds=lengths[result.id],
            reference=reference,
            found=found,
            compared=compared(reference, found, collar=collar),
        )
        error = scored.compared.error
        errors.append(error)
        seconds += scored.seconds
        right += error.speakers[0] == error.speakers[1]
        if len(named) < _LISTED:
            named.append(RecordError(id=result.id, error=error))
        worst.add((scored.wrong, scored.wrong), index, scored)
    if not errors:
        passed.refuse(_LACKING)
    return DiarizationEvaluation(
        error=reduce(add, errors),
        interval=_interval(errors),
        right_number=right,
        records=tuple(named),
        worst=tuple(worst.entries()),
        seconds=seconds,
        scored=len(errors),
        **passed.account(),
    )


def write_report(
    evaluation: DiarizationEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    pages.report(
        "evaluation/templates/diarization.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=_cards(evaluation),
        notices=[*_notices(evaluation), *evaluation.notices("reference")],
        rows=[_row(each.id, each.error) for each in evaluation.records],
        left_out=evaluation.scored - len(evaluation.records),
        timelines=[
            diarization_pages.drawn(each, source[each.index].audio("audio"))
            for each in evaluation.worst
        ],
    )


def _interval(errors: list[DiarizationError]) -> Interval | None:
    """The percentile interval over resampled recordings; of a single one there is none."""
    if len(errors) < 2:
        return None
    rows = np.array(
        [[each.speech, each.missed + each.false_alarm + each.confusion] for each in errors]
    )
    sums = np.stack([times @ rows for times in resamples(len(rows))])
    return percentiles(sums[:, 1] / np.maximum(sums[:, 0], 1e-9))


def _cards(evaluation: DiarizationEvaluation) -> list[tuple[str, str, str]]:
    error, main = evaluation.error, evaluation.main()
    interval = evaluation.interval
    spread = "" if interval is None else f"{percent(interval.low)} … {percent(interval.high)}"
    return [
        ("DER", percent(main["der"]), spread),
        ("missed", percent(main["missed"]), f"{error.missed:,.1f} seconds"),
        ("false alarm", percent(main["false_alarm"]), f"{error.false_alarm:,.1f} seconds"),
        ("confusion", percent(main["confusion"]), f"{error.confusion:,.1f} seconds"),
        (
            "speakers",
            f"{error.speakers[1]} of {error.speakers[0]}",
            f"the right number in {evaluation.right_number} of {evaluation.scored}",
        ),
    ]


def _notices(evaluation: DiarizationEvaluation) -> list[str]:
    error = evaluation.error
    lines = [
        f"{error.speech:,.1f} seconds of speech in {evaluation.seconds / 60:,.1f} minutes; "
        f"{error.collar:g} seconds before and behind each border of a reference are not scored, "
        "overlapping speech is. The speakers of each recording are matched one to one, so that the "
        "errors are fewest."
    ]
    if evaluation.scored == 1:
        lines.append("One recording alone has no interval: a bootstrap draws recordings.")
    return lines


def _row(name: str, error: DiarizationError) -> tuple[str, ...]:
    return (
        name,
        percent(error.rate) if error.speech else "no speech",
        f"{error.missed:,.1f}",
        f"{error.false_alarm:,.1f}",
        f"{error.confusion:,.1f}",
        f"{error.speech:,.1f}",
        f"{error.speakers[1]} of {error.speakers[0]}",
    )


@render.register
def _table(evaluation: DiarizationEvaluation) -> RenderableType:
    shown = blank_table(
        "", "DER", "missed (s)", "false alarm (s)", "confusion (s)", "speech (s)", "speakers"
    )
    shown.add_row(*_row(number_of(evaluation.scored, "recording", "recordings"), evaluation.error))
    if len(evaluation.records) > 1:
        for each in evaluation.records[:10]:
            shown.add_row(*_row(each.id, each.error))
    notices = [warning(line) for line in evaluation.notices("reference")]
    failed = unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(shown, *map(Text, _notices(evaluation)), *notices, *failed)
