"""Timelines measured by references: what is wrong where, references as data have them, reports."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.recordings import RATE, write

from anysize.core.errors import DataError
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import diarization, render
from anysize.evaluation.choice import checked, evaluator_of
from anysize.evaluation.diarization_result import DiarizationEvaluation
from anysize.readers.audio.sound import Sound
from anysize.recognition.diarization_error import Mistake, compared
from anysize.recognition.turns import Turn, rttm
from anysize.tasks import load
from anysize.tasks.speakers.options import SpeakerOptions
from anysize.tasks.speakers.references import reference_of

REFERENCE = [Turn(0, 4, "Ann"), Turn(4, 8, "Bob"), Turn(9, 10, "Ann")]
FOUND = [Turn(0, 5, "speaker 1"), Turn(5, 7, "speaker 2"), Turn(9, 10.5, "speaker 1")]


def test_each_mistake_has_its_time_and_its_people() -> None:
    found = compared(REFERENCE, FOUND, collar=0)
    assert found.matched == {"speaker 1": "Ann", "speaker 2": "Bob"}
    assert found.mistakes == (
        Mistake(4, 5, "confusion", ("Bob",), ("speaker 1",)),
        Mistake(7, 8, "missed", ("Bob",), ()),
        Mistake(10, 10.5, "false alarm", (), ("speaker 1",)),
    )
    error = found.error
    assert (error.confusion, error.missed, error.false_alarm, error.speech) == (1, 1, 0.5, 9)
    # The same seconds, added up over the mistakes of each kind.
    for each in found.mistakes:
        name = each.kind.replace(" ", "_")
        assert getattr(error, name) == pytest.approx(each.stop - each.start)
    near = compared(REFERENCE, FOUND, collar=0.5)
    assert [(each.start, each.stop) for each in near.mistakes] == [(4.5, 5), (7, 7.5)]


def test_pieces_of_one_mistake_are_joined_and_strangers_have_no_match() -> None:
    # A border of somebody right cuts nothing; nobody else is there to be taken for the third.
    reference = [Turn(0, 10, "a"), Turn(2, 4, "a")]
    found = compared(reference, [Turn(0, 4, "x"), Turn(6, 10, "x"), Turn(20, 21, "y")], collar=0)
    assert found.matched == {"x": "a"}
    assert found.mistakes == (
        Mistake(4, 6, "missed", ("a",), ()), Mistake(20, 21, "false alarm", (), ("y",)),
    )  # fmt: skip


def record(folder: Path, turns: Any = None, name: str = "call") -> Record:
    path = folder / f"{name}.wav"
    if not path.exists():
        tone = 0.1 * np.sin(2 * np.pi * 300 * np.arange(10 * RATE) / RATE)
        write(path, tone.astype(np.float32), RATE)
    values: Mapping[str, Any] = {} if turns is None else {"turns": turns}
    return Record(id=path.name, fields={"audio": Sound(path)}, values=values)


def as_rttm(name: str, turns: Sequence[Turn] = REFERENCE) -> str:
    return "\n".join(rttm(turns, name)) + "\n"


def test_references_are_found_as_data_have_them(tmp_path: Path) -> None:
    lines = [{"start": t.start, "end": t.stop, "speaker": t.speaker} for t in REFERENCE]
    milliseconds = [{**line, "start": 1000 * line["start"], "end": 1000 * line["end"]}
                    for line in lines]  # fmt: skip
    source = str(tmp_path / "calls.csv")
    assert reference_of(record(tmp_path), 10.0, source) is None
    for given in (lines, milliseconds):
        assert reference_of(record(tmp_path, json.dumps(given)), 10.0, source) == REFERENCE
        assert reference_of(record(tmp_path, given), 10.0, source) == REFERENCE
    (tmp_path / "call.rttm").write_text(as_rttm("call"), "utf-8")
    assert reference_of(record(tmp_path), 10.0, source) == REFERENCE
    (tmp_path / "refs").mkdir()
    several = as_rttm("other", [Turn(0, 1, "x")]) + as_rttm("call")
    (tmp_path / "refs" / "all.rttm").write_text(several, "utf-8")
    for given in ("refs/all.rttm", str(tmp_path / "refs" / "all.rttm")):
        assert reference_of(record(tmp_path, given), 10.0, source) == REFERENCE


@pytest.mark.parametrize(
    ("turns", "problem"),
    [
        ("missing.rttm", "is no file, and no list of turns"),
        ("[{", "its turns are no JSON"),
        ('[{"start": 1}]', "line 1"),
        ('[{"start": 5, "end": 4, "speaker": "a"}]', "begins at 5 and ends at 4"),
        ('[{"start": 0, "end": 99000, "speaker": "a"}]', "of another recording"),
        ("two.rttm", "has 2 recordings, and none is called call"),
    ],
)
def test_references_that_cannot_be_are_refused(turns: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "two.rttm").write_text(as_rttm("one") + as_rttm("two"), "utf-8")
    with pytest.raises(DataError, match=problem):
        reference_of(record(tmp_path, turns), 10.0, str(tmp_path / "calls.csv"))


class Calls:
    """A source of recordings with their references."""

    name = "calls.csv"

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        return self._records[index]

    def fingerprint(self) -> str:
        return "0"


def result(name: str, turns: Sequence[Turn]) -> Result:
    receipt = Receipt(
        extent=10 * RATE, unit="samples", windows=1, covered=1.0, dropped=0, merge="turns",
        fidelity="approximate", counts={"milliseconds": 10_000},
    )  # fmt: skip
    timeline = [turn.to_json() for turn in turns]
    return Result(
        id=name, prediction=2, score=None, receipt=receipt, details={"timeline": timeline}
    )


def measured(folder: Path, **options: Any) -> tuple[DiarizationEvaluation, Calls]:
    lines = json.dumps([{"start": t.start, "end": t.stop, "speaker": t.speaker} for t in REFERENCE])
    source = Calls(
        [
            record(folder, lines, "one"), record(folder, lines, "two"),
            record(folder, None, "three"), record(folder, "[]", "four"),
            record(folder, "nothing.rttm", "five"),
        ]
    )  # fmt: skip
    perfect = [Turn(t.start, t.stop, t.speaker.lower()) for t in REFERENCE]
    results = [
        result("one.wav", FOUND), result("two.wav", perfect), result("three.wav", FOUND),
        result("four.wav", [Turn(1, 2, "x")]), result("five.wav", FOUND),
    ]  # fmt: skip
    task = SimpleNamespace(matching=SpeakerOptions(timeline=True, **options))
    found = diarization.measure(
        results,
        card=None,
        source=source,
        network=None,
        task=task,  # type: ignore[arg-type]
    )
    return found, source


def test_seconds_are_added_up_over_the_recordings(tmp_path: Path) -> None:
    found, _ = measured(tmp_path, collar=0.0)
    assert found.main() == pytest.approx(
        {"der": 3.5 / 18, "missed": 1 / 18, "false_alarm": 1.5 / 18, "confusion": 1 / 18}
    )
    assert (found.scored, found.right_number, found.without_target) == (3, 2, 1)
    assert found.failure_count == 1
    assert "nothing.rttm" in found.failures[0].error
    assert found.interval is not None
    assert found.interval.low <= 3.5 / 18 <= found.interval.high
    entries = found.to_json()
    assert [each["der"] for each in entries["by_recording"]] == [pytest.approx(2.5 / 9), 0.0, None]
    assert entries["collar"] == 0.0
    usual, _ = measured(tmp_path)
    assert usual.error.collar == 0.25
    assert usual.main()["der"] < found.main()["der"]


def test_the_report_draws_timelines_and_plays_mistakes(tmp_path: Path) -> None:
    found, source = measured(tmp_path, collar=0.0)
    diarization.write_report(found, tmp_path / "report", card={"task": "x"}, source=source)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "confusion 0:04.0 to 0:05.0: Bob speaks, speaker 1 was found" in page
    assert page.count("<audio") == 4  # three mistakes of the first recording, one of the fourth
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["der"] == pytest.approx(3.5 / 18)
    text = io.StringIO()
    Console(file=text, width=160).print(render(found))
    assert "19.4 %" in text.getvalue()


def test_without_references_nothing_is_scored(tmp_path: Path) -> None:
    source = Calls([record(tmp_path)])
    task = SimpleNamespace(matching=SpeakerOptions(timeline=True))
    for results in ([result("call.wav", FOUND)], [ErrorResult(id="call.wav", error="broken")]):
        with pytest.raises(DataError, match=r"an RTTM file beside the recording|broken"):
            diarization.measure(
                results,
                card=None,
                source=source,
                network=None,
                task=task,  # type: ignore[arg-type]
            )


def test_what_has_no_reference_is_refused_before_anything_is_heard(tmp_path: Path) -> None:
    without = [record(tmp_path, None, "one"), record(tmp_path, None, "two")]
    evaluator: Any = diarization
    with pytest.raises(DataError, match=r"no record \(2 in all\) has a reference"):
        checked(evaluator, Calls(without))
    with pytest.raises(DataError, match=r"no record \(1 in all\) could be read: .* no file"):
        checked(evaluator, Calls([record(tmp_path, "nothing.rttm", "three")]))
    (tmp_path / "two.rttm").write_text(as_rttm("two"))
    checked(evaluator, Calls(without))  # one is enough


def test_timelines_are_measured_by_references_and_voices_by_pairs() -> None:
    task: Any = load("speaker-recognition")
    asked = task.predicting(SpeakerOptions(timeline=True))
    assert evaluator_of(asked).__name__.endswith("evaluation.diarization")  # type: ignore[attr-defined]
    assert evaluator_of(task).__name__.endswith("evaluation.verification")  # type: ignore[attr-defined]
