"""Transcripts whose lines say who speaks: a second model's timeline of the same recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import ConfigurationError
from anysize.core.receipts import Facts
from anysize.core.results import ErrorResult, Result
from anysize.tasks.abilities import Attributed

if TYPE_CHECKING:
    from anysize.core.records import Source
    from anysize.planning.options import PredictOptions

_MILLI = 1000


def attributed(
    results: Iterator[Result | ErrorResult], source: Source, options: PredictOptions, task: object
) -> Iterator[Result | ErrorResult]:
    """The results with a speaker for each line, where the task was asked for them.

    Args:
        results: of the records, in the order of the source.
        source: the records; each recording is read once more, by the other model.
        options: of the prediction; the other model is held to the same memory.
        task: with its options.

    Raises:
        ConfigurationError: what was named is no model for speakers.
    """
    if not isinstance(task, Attributed) or task.voices is None:
        return results
    from anysize.api.loading import load

    model = load(task.voices, memory=options.budget)
    if model.card.task != "speaker-recognition":
        raise ConfigurationError(
            f"--speakers must name a model for speaker-recognition, and {task.voices} is for "
            f"{model.card.task}"
        )
    gallery = None if task.known is None else Path(task.known)
    turns = model.predict(
        source, memory=options.memory, loaders=options.loaders, timeline=True, gallery=gallery
    )
    return (_joined(result, other) for result, other in zip(results, turns, strict=True))


def _joined(result: Result | ErrorResult, other: Result | ErrorResult) -> Result | ErrorResult:
    """A transcript with its speakers; as it was, with a note, where they are not known."""
    from anysize.recognition.turns import speakers_of, turns_of

    if isinstance(result, ErrorResult):
        return result
    if isinstance(other, ErrorResult):
        unknown = Facts(notes=(f"it is not known who speaks in its lines: {other.error}",))
        return dataclasses.replace(result, receipt=result.receipt.with_facts(unknown))
    lines: list[dict[str, Any]] = list(result.details.get("segments", ()))
    times = [(line["start"] / _MILLI, line["end"] / _MILLI) for line in lines]
    turns = turns_of(other.details["timeline"], result.id)
    said = [
        {**line, "speaker": names[0]} if names else line
        for line, names in zip(lines, speakers_of(times, turns), strict=True)
    ]
    notes: tuple[str, ...] = ()
    if without := len(lines) - sum("speaker" in line for line in said):
        notes = (f"no speaker was found for {without:,} of its {len(lines):,} lines",)
    receipt = result.receipt.with_facts(
        Facts(notes=notes, counts={"speakers": int(other.prediction or 0)})
    )
    return dataclasses.replace(
        result, receipt=receipt, details={**result.details, "segments": said}
    )
