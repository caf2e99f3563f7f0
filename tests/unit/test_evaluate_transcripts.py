"""Evaluations of transcripts: error rates, intervals, errors near seams, and the report."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from anysize.core.errors import DataError
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import render, transcripts
from anysize.evaluation.differences import marked_as_compared
from anysize.evaluation.paired_sums import Summing
from anysize.evaluation.seams import SeamCounter, times_of
from anysize.evaluation.transcript_result import TranscriptEvaluation
from anysize.tasks.transcripts.normalizing import words
from anysize.tasks.transcripts.word_errors import alignment


class Said:
    """A source of transcripts alone."""

    name = "said.csv"

    def __init__(self, texts: Sequence[str | None]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> Record:
        return Record(id=f"r{index}", fields={}, target=self._texts[index])

    def fingerprint(self) -> str:
        return "0"


def _result(place: int, text: str, **details: Any) -> Result:
    receipt = Receipt(
        extent=16_000, unit="samples", windows=1, covered=1.0, dropped=0, merge="ctc",
        fidelity="exact", counts={"milliseconds": 1500},
    )  # fmt: skip
    return Result(id=f"r{place}", prediction=text, score=None, receipt=receipt, details=details)


def _measured(
    found: Sequence[str | ErrorResult], wanted: Sequence[str | None]
) -> TranscriptEvaluation:
    results = [
        each if isinstance(each, ErrorResult) else _result(place, each)
        for place, each in enumerate(found)
    ]
    card: Any = None
    return transcripts.measure(results, card=card, source=Said(wanted))


FOUND = ["the cat sat", "on a mat today", "北京换你", ErrorResult(id="r3", error="damaged"), "x"]
WANTED = ["The cat sat.", "on the mat", "北京欢迎你", "never read", None]


def test_errors_are_summed_over_the_records() -> None:
    found = _measured(FOUND, WANTED)
    assert found.main()["wer"] == 4 / 11
    assert (found.words.substitutions, found.words.deletions, found.words.insertions) == (2, 1, 1)
    assert found.main()["cer"] == 11 / 26
    assert found.main()["wer_as_written"] == 6 / 11
    assert (found.failure_count, found.without_target, found.unspaced) == (1, 1, 1)
    assert found.seconds == 4.5
    assert ("the", "a", 1) in found.substituted
    assert found.inserted == (("today", 1),)
    assert [each.id for each in found.worst] == ["r1", "r2"]
    low, high = found.intervals["wer"].low, found.intervals["wer"].high
    assert low <= 4 / 11 <= high


def test_one_recording_has_no_interval() -> None:
    found = _measured(["a b"], ["a c"])
    assert found.intervals == {}
    assert found.main()["wer"] == 0.5


def test_without_transcripts_there_is_nothing_to_score() -> None:
    with pytest.raises(DataError, match="--columns text=NAME"):
        _measured(["a"], [None])


def test_the_judge_of_compressed_models_gets_the_same_rate() -> None:
    assert isinstance(transcripts, Summing)
    pairs = list(zip(FOUND[:3], WANTED[:3], strict=True))
    sums = np.sum(
        [transcripts.record_sums(_result(0, str(one)), two) for one, two in pairs], axis=0
    )
    assert transcripts.metric_of_sums(sums) == _measured(FOUND, WANTED).main()["wer"]


def test_errors_near_a_seam_are_told_from_others() -> None:
    said = [f"w{place}" for place in range(40)]  # one word a second, seams at 10, 20 and 30
    seams = [10.0, 20.0, 30.0]
    heard = [word for word in said if word not in ("w9", "w20")]
    heard[2] = "other"
    starts = [2 if word == "other" else said.index(word) for word in heard]
    words = [
        {"text": word, "start": 1000 * start, "end": 1000 * (start + 1)}
        for word, start in zip(heard, starts, strict=True)
    ]
    timed = times_of({"segments": [{"words": words[:5]}, {"words": words[5:]}]})
    assert timed is not None
    counter = SeamCounter()
    counter.add(alignment(timed[0], said), timed[1], seams)
    bins = {(each.low, each.high): each for each in counter.bins()}
    assert sum(each.reference for each in bins.values()) == len(said)
    # Both missing words lie half a second from a seam; the wrong one is 7.5 seconds from it.
    assert sum(each.deletions for each in bins.values()) == 2
    assert all(each.deletions == 0 for (low, _), each in bins.items() if low >= 1.0)
    assert bins[5.0, 10.0].substitutions == 1
    assert bins[5.0, 10.0].rate == 1 / bins[5.0, 10.0].reference


def test_seams_reach_the_evaluation() -> None:
    words = [{"text": "The", "start": 0, "end": 1000}, {"text": "cat", "start": 1200, "end": 2000}]
    result = _result(0, "the cat", segments=[{"words": words}], seams=[1100])
    untimed = _result(1, "the cat", seams=[1100])
    card: Any = None
    source = Said(["the cat sat", "the cat"])
    found = transcripts.measure([result, untimed], card=card, source=source)
    assert found.untimed == 1
    assert [(each.low, each.reference, each.deletions) for each in found.seams] == [(0.5, 3, 1)]


@pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)
def test_the_report_marks_differences_and_escapes(tmp_path: Path) -> None:
    segments = [{"words": [{"text": "x", "start": 0, "end": 1000}]}]
    results = [
        _result(0, "<b>bold</b> claim", segments=segments, seams=[200]),
        _result(1, "same", segments=segments, seams=[200]),
    ]
    source = Said(["bold claims", "same"])
    card: Any = {"task": "automatic-speech-recognition", "model": "m", "labels": []}
    found = transcripts.measure(results, card=card, source=source)
    transcripts.write_report(found, tmp_path, card=card, source=source)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;" in page
    assert "<b>bold</b>" not in page
    assert "<mark>claims</mark>" in page
    assert "By distance from a seam" in page
    kept = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert kept["wer"] == found.main()["wer"]
    assert kept["by_seam_distance"]
    console = Console(file=io.StringIO(), width=120)
    console.print(render(found))
    assert "WER" in console.file.getvalue()  # type: ignore[attr-defined]


def test_differences_are_marked_as_they_are_counted() -> None:
    found, wanted = marked_as_compared(
        "There's iron, they say: shock-dah.", "THERE’S IRON THEY SAY SHOCKED I", words
    )
    assert [text for mark, text in found if mark] == ["shock", "dah"]
    assert [text for mark, text in wanted if mark] == ["SHOCKED", "I"]
    assert "".join(text for _, text in found) == "There's iron, they say: shock-dah."
    chinese, other = marked_as_compared("你好，世界。", "你好世人", words)
    assert [text for mark, text in chinese if mark] == ["界"]
    assert [text for mark, text in other if mark] == ["人"]
