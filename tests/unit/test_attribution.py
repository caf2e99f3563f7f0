"""Speakers for the lines of transcripts: a second model's turns of the same recordings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from anysize.api import loading
from anysize.api.attribution import attributed
from anysize.api.misplaced import refuse_attribution
from anysize.core.errors import ConfigurationError
from anysize.core.receipts import Receipt
from anysize.core.results import ErrorResult, Result
from anysize.planning.options import PredictOptions
from anysize.tasks.automatic_speech_recognition import SpeechRecognition
from anysize.tasks.speech.options import SpeechOptions

RECEIPT = Receipt(
    extent=10, unit="samples", windows=1, covered=1.0, dropped=0, merge="x", fidelity="exact"
)


def transcript(name: str, *times: tuple[int, int]) -> Result:
    lines = [{"start": start, "end": end, "text": "well"} for start, end in times]
    return Result(
        id=name, prediction="well", score=1.0, receipt=RECEIPT, details={"segments": lines}
    )


def timeline(name: str) -> Result:
    turns = [
        {"start": 0, "end": 2000, "speaker": "Ann"},
        {"start": 2000, "end": 9000, "speaker": "speaker 2"},
    ]
    return Result(
        id=name, prediction=2, score=1.0, receipt=RECEIPT, details={"timeline": turns, "found": []}
    )


class Voices:
    """In place of a model for speakers."""

    def __init__(self, task: str = "speaker-recognition") -> None:
        self.card = type("Card", (), {"task": task})
        self.asked: dict[str, Any] = {}

    def predict(self, source: Any, **settings: Any) -> Iterator[Result | ErrorResult]:
        self.asked = settings
        yield timeline("a")
        yield ErrorResult(id="b", error="is damaged")
        yield timeline("c")


def asked(**options: Any) -> SpeechRecognition:
    return SpeechRecognition(SpeechOptions(**options))


def given(monkeypatch: pytest.MonkeyPatch, voices: Voices) -> None:
    monkeypatch.setattr(loading, "load", lambda spec, memory: voices)


def test_lines_are_given_their_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    voices = Voices()
    given(monkeypatch, voices)
    results = [
        transcript("a", (100, 1500), (1500, 6000), (9500, 9900)),
        transcript("b", (0, 500)),
        ErrorResult(id="c", error="is no recording"),
    ]
    source: Any = None
    task = asked(speakers="resemblyzer", gallery="people")
    found = list(attributed(iter(results), source, PredictOptions(), task))
    first, second, third = found
    assert isinstance(first, Result) and isinstance(second, Result)
    lines = first.details["segments"]
    assert [line.get("speaker") for line in lines] == ["Ann", "speaker 2", None]
    assert first.receipt.counts == {"speakers": 2}
    assert "1 of its 3 lines" in first.receipt.notes[0]
    assert second.details == results[1].details  # type: ignore[union-attr]
    assert "is damaged" in second.receipt.notes[0]
    assert third is results[2]
    assert voices.asked["timeline"] is True and str(voices.asked["gallery"]) == "people"


def test_nobody_is_asked_without_the_option() -> None:
    results = iter([transcript("a", (0, 1))])
    source: Any = None
    assert attributed(results, source, PredictOptions(), asked()) is results
    assert attributed(results, source, PredictOptions(), object()) is results
    refuse_attribution(asked(), "evaluate")


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, Voices("face-recognition"))
    source: Any = None
    with pytest.raises(ConfigurationError, match="face-recognition"):
        attributed(iter([]), source, PredictOptions(), asked(speakers="faces"))
    with pytest.raises(ConfigurationError, match="--speakers"):
        refuse_attribution(asked(speakers="x"), "evaluate")
    with pytest.raises(ConfigurationError, match="add --speakers"):
        asked(gallery="people")
