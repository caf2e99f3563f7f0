"""Text to speech by round trip: what a recogniser hears is scored against the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.voices import write_voice

import anysize
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import spoken
from anysize.synthesis.speech import SpeechWriter
from anysize.tasks.transcripts.numerals import in_words


class Texts:
    """A source without content: targets come with the results."""

    name = "texts.csv"

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Record:
        return Record(id=f"r{index}", fields={})

    def fingerprint(self) -> str:
        return "0"


def heard(place: int, said: str, text: str, seconds: float, took: float) -> Result:
    writer = SpeechWriter(8000)
    writer.add(np.full(int(8000 * seconds), 0.1, np.float32))
    receipt = Receipt(
        extent=len(text), unit="characters", windows=1, covered=1.0, dropped=0, merge="speech",
        fidelity="exact", counts={"milliseconds": round(1000 * seconds)},
    )  # fmt: skip
    details = {"speech": writer.finish(), "took": took, "recogniser": "ears"}
    return Result(
        id=f"r{place}", prediction=said, score=None, receipt=receipt, details=details, target=text
    )


@pytest.fixture(scope="module")
def evaluation() -> spoken.SpokenEvaluation:
    results = [
        heard(0, "a cat sat", "A cat sat.", 1, 1),
        ErrorResult(id="r1", error="r1: broken"),
        heard(2, "a dog stood", "A dog sat in 1999", 3, 1),
        heard(3, "", "★", 0, 0),
    ]
    card: Any = None
    source: Any = Texts()
    return spoken.measure(results, card=card, source=source)


def test_errors_and_pace(evaluation: spoken.SpokenEvaluation) -> None:
    main = evaluation.main()
    assert main["wer"] == pytest.approx(3 / 8)
    assert main["speech_seconds_a_second"] == 2.0
    assert (evaluation.failure_count, evaluation.digits, evaluation.silent) == (1, 1, 1)
    assert "Heard by ears" in evaluation.remarks()[0]
    entries = evaluation.to_json()
    assert (entries["recogniser"], entries["seconds"]) == ("ears", 4.0)


def test_the_report_can_be_listened_to(evaluation: spoken.SpokenEvaluation, tmp_path: Path) -> None:
    source: Any = Texts()
    spoken.write_report(evaluation, tmp_path, card={"task": "text-to-speech"}, source=source)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("<audio") == 1 and "<mark>" in page and "2.00 s" in page
    assert "1 text has no words, and so no speech." in page
    assert "numbers and abbreviations are not spelled out" not in page  # they are
    assert json.loads((tmp_path / "metrics.json").read_text())["wer"] == pytest.approx(3 / 8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12", "twelve"), ("3 dogs.", "three dogs."), ("21", "twenty one"),
        ("1,234,567", "one million two hundred thirty four thousand five hundred sixty seven"),
        ("0.05", "zero point zero five"), ("100", "one hundred"), ("3rd", "3rd"), ("b2b", "b2b"),
        ("1.2.3", "1.2.3"), ("at 5.", "at five."), ("90,", "ninety,"),
    ],
)  # fmt: skip
def test_numbers_are_words(text: str, words: str) -> None:
    assert in_words(text) == words


def test_who_hears_must_be_named_and_must_recognise(tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("text\nHello there.\n", encoding="utf-8")
    other = anysize.load(write_voice(tmp_path / "fi", espeak={"voice": "fi"}))
    with pytest.raises(anysize.ConfigurationError, match="of the language fi: name a model"):
        other.evaluate(table)
    voice = anysize.load(write_voice(tmp_path / "en"))
    with pytest.raises(anysize.ConfigurationError, match="must name a model for automatic-speech"):
        voice.evaluate(table, recogniser=str(tmp_path / "en" / "voice.onnx"))
    with pytest.raises(anysize.ConfigurationError, match="does nothing in predict"):
        voice.predict_one("Hello.", recogniser="whisper-tiny.en")
    assert isinstance(voice.predict_one("Hello."), anysize.Result)
