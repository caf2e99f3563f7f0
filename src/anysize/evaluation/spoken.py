"""Evaluation of text to speech by a round trip: what a recogniser hears of it against the text.

The error rates are those of recognition (``evaluation.transcripts``): they are as much of the
recogniser as of the voice, and compare voices that the same recogniser hears.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from anysize.core.excerpts import Excerpt
from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import transcripts
from anysize.evaluation.rendering import render
from anysize.evaluation.transcript_rendering import rendered
from anysize.evaluation.transcript_result import (
    RULE_OF_SPEECH,
    ShownTranscript,
    TranscriptEvaluation,
)
from anysize.evaluation.transcripts import OBSERVED, metric_of_sums, observed, record_sums
from anysize.modalities.sounds.excerpt import excerpt_of
from anysize.readers.audio.sound import Sound

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["OBSERVED", "measure", "metric_of_sums", "observed", "record_sums", "write_report"]

PROVIDES = ("text-to-speech",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenEvaluation(TranscriptEvaluation):
    """How well speech is understood.

    Attributes:
        recogniser: spec of the model that heard it.
        took: seconds that speaking took, without opening the voice and without hearing.
        digits: texts with digits that were not written out, which a recogniser may do.
        silent: texts of which there is no speech.
    """

    recogniser: str
    took: float
    digits: int
    silent: int

    @property
    def rule(self) -> str:
        """See ``TranscriptEvaluation``."""
        return RULE_OF_SPEECH

    @property
    def pace(self) -> float:
        """Seconds of speech a second."""
        return self.seconds / max(self.took, 1e-9)

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return {
            "wer": self.words.rate,
            "cer": self.characters.rate,
            "speech_seconds_a_second": round(self.pace, 3),
        }

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds."""
        return {
            **TranscriptEvaluation.to_json(self),
            "recogniser": self.recogniser,
            "seconds_of_speaking": round(self.took, 3),
            "texts_with_digits": self.digits,
            "texts_without_speech": self.silent,
        }

    def remarks(self) -> list[str]:
        """What a reader must know before believing the numbers, a sentence each."""
        lines = [
            f"Heard by {self.recogniser}: its own errors are among these, so that only numbers of "
            "the same recogniser can be compared. Numbers and abbreviations of English, and some "
            "of German, are compared as they are said."
        ]
        if self.digits:
            lines.append(
                f"{number_of(self.digits, 'text has', 'texts have')} digits; where the recogniser "
                "writes a number in words, or otherwise, that counts as errors."
            )
        if self.silent:
            lines.append(
                f"{number_of(self.silent, 'text has', 'texts have')} no words, and so no speech."
            )
        return lines


class _Noted:
    """Results on their way, with what is summed up of them."""

    def __init__(self, results: Iterable[Result | ErrorResult]) -> None:
        self._results = results
        self.recogniser, self.took = "", 0.0
        self.digits = self.silent = 0

    def __iter__(self) -> Iterator[Result | ErrorResult]:
        for result in self._results:
            if isinstance(result, Result):
                self.recogniser = str(result.details["recogniser"])
                self.took += float(result.details["took"])
                self.digits += any(each.isdigit() for each in str(result.target))
                self.silent += not result.details["speech"].count
            yield result


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> SpokenEvaluation:
    """Scores what was heard of each text.

    Args:
        results: in the order of ``source``: what was heard as ``prediction``, the text as
            ``target``, and in their details ``speech``, ``took`` and ``recogniser``.
        card: of the bundle.
        source: of the texts.

    Raises:
        DataError: there is nothing to score.
        MissingExtraError: jiwer is not installed.
    """
    noted = _Noted(results)
    found = transcripts.measure(noted, card=card, source=source)
    values = {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}
    return SpokenEvaluation(
        **values, recogniser=noted.recogniser, took=noted.took, digits=noted.digits,
        silent=noted.silent,
    )  # fmt: skip


def write_report(
    evaluation: SpokenEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    pace = f"{evaluation.seconds:,.1f} s of speech in {evaluation.took:,.1f} s"
    transcripts.write_pages(
        evaluation, folder, card=card, source=source, excerpt=_excerpt,
        cards=[("speech a second", f"{evaluation.pace:.2f} s", pace)],
        notices=evaluation.remarks(),
    )  # fmt: skip


def _excerpt(shown: ShownTranscript) -> Excerpt:
    speech = shown.speech
    if speech is None or not speech.count:
        return Excerpt(where="there is no speech")
    return excerpt_of(Sound(speech.samples(), shown.id, rate=speech.sample_rate), {})


def _evaluation(evaluation: SpokenEvaluation) -> RenderableType:
    pace = (
        f"{evaluation.seconds:,.1f} seconds of speech in {evaluation.took:,.1f} seconds: "
        f"{evaluation.pace:.2f} a second"
    )
    lines = [Text(line) for line in (pace, *evaluation.remarks())]
    return Group(rendered(evaluation), *lines)


render.register(SpokenEvaluation, _evaluation)
