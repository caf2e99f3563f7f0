"""Timelines: where events begin and end, whatever the order of the windows."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.heads.multi_label_classification import SeveralLabels
from anysize.heads.protocols import Head
from anysize.heads.single_label_classification import SingleLabel
from anysize.mergers.timeline import RATE, EventRule, TimelineMerger
from anysize.tasks import load
from anysize.tasks.abilities import row_writers
from anysize.tasks.event_options import EventOptions
from anysize.tasks.protocols import MergeOptions

LABELS = ("dog", "rain")


def timeline(
    likely: list[list[float]],
    head: Head,
    rule: EventRule | None = None,
    order: list[int] | None = None,
    rate: int = 1000,
) -> Result:
    """Windows of 500 units with these probabilities of ``LABELS``, merged in an order."""
    merger = TimelineMerger("r", lambda row: head.decide(row, LABELS), "samples", rule)
    for place in order or range(len(likely)):
        span = Span(500 * place, 500 * place + 500)
        window = Window(
            record="r", index=place, region=span, core=span, last=place == len(likely) - 1
        )
        share = np.array(likely[place])
        logits = np.log(share) if isinstance(head, SingleLabel) else np.log(share / (1 - share))
        merger.add(window, {"logits": logits, RATE: np.array([rate])})
    return merger.finish()


def events(result: Result) -> list[tuple[str, int, int]]:
    return [(one["label"], one["start"], one["end"]) for one in result.details["events"]]


def test_neighbouring_windows_are_one_event_and_a_dip_does_not_cut_it() -> None:
    dog = [0.2, 0.6, 0.9, 0.3, 0.8, 0.2, 0.1]
    found = timeline([[p, 1 - p] for p in dog], SingleLabel())
    assert events(found) == [
        ("rain", 0, 1000), ("dog", 500, 2500), ("rain", 1500, 2000), ("rain", 2500, 3500)
    ]  # fmt: skip
    rain, one, *_ = found.details["events"]
    assert one["score"] == pytest.approx(np.mean(dog[1:5]), abs=1e-4)
    assert one["peak"] == pytest.approx(0.9)
    assert rain["score"] == pytest.approx((0.8 + 0.4) / 2)
    assert (found.prediction, found.receipt.extent, found.receipt.windows) == ("rain", 3500, 7)
    assert found.details["event_rule"] == {"begin": "auto", "hold": 0.25}


def test_several_labels_have_events_at_once_by_thresholds_of_their_own() -> None:
    head = SeveralLabels(thresholds=(0.3, 0.7))
    likely = [[0.35, 0.6], [0.2, 0.8], [0.26, 0.26], [0.1, 0.24], [0.4, 0.1]]
    found = timeline(likely, head)
    # From its threshold on, down to a quarter, which is half of a half.
    assert events(found) == [("dog", 0, 500), ("rain", 500, 1500), ("dog", 2000, 2500)]


def test_limits_can_be_given() -> None:
    likely = [[0.55, 0.45], [0.95, 0.05], [0.7, 0.3], [0.5, 0.5]]
    found = timeline(likely, SingleLabel(), EventRule(begin=0.9, hold=0.6))
    assert events(found) == [("dog", 500, 1500)]
    found = timeline(likely, SingleLabel(), EventRule(begin=0.99))
    assert (events(found), found.prediction, found.score) == ([], None, None)


@given(
    likely=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20),
    seed=st.integers(0, 99),
    begin=st.floats(0.3, 0.9),
)
def test_the_order_of_windows_does_not_matter_and_events_follow_the_definition(
    likely: list[float], seed: int, begin: float
) -> None:
    rows = [[p, 1 - p] for p in likely]
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    rule = EventRule(begin=begin)
    found = timeline(rows, SingleLabel(), rule, order)
    assert found == timeline(rows, SingleLabel(), rule)
    wanted, on = [], False
    for p in likely:
        on = round(p, 6) >= begin or (on and round(p, 6) >= begin / 2)
        wanted.append(on)
    told = np.zeros(len(rows), bool)
    for label, start, end in events(found):
        if label == "dog":
            assert not told[start // 500 : end // 500].any()
            told[start // 500 : end // 500] = True
    assert told.tolist() == wanted


def test_what_is_heard_now_is_shown_while_a_recording_goes_on() -> None:
    merger = TimelineMerger("r", lambda row: SingleLabel().decide(row, LABELS), "samples")
    window = Window(record="r", index=0, region=Span(0, 800), core=Span(0, 800), last=False)
    output: dict[str, Any] = {"logits": np.log([0.9, 0.1]), RATE: np.array([8000])}
    assert merger.partial(window, output) == {
        "start": 0, "end": 100, "labels": {"dog": 0.9}
    }  # fmt: skip
    assert merger.partial(window, {**output, "logits": np.log([0.4, 0.4])}) is not None


def test_the_task_passes_limits_on_and_refuses_what_has_no_effect() -> None:
    task: Any = load("audio-classification")
    asked = task.predicting(EventOptions(event_begin=0.8))
    merger = asked.new_merger(LABELS, MergeOptions(rule="timeline"))("r")
    assert merger.finish().details["event_rule"] == {"begin": 0.8, "hold": 0.4}
    with pytest.raises(ConfigurationError, match="for the merge rule timeline, not for mean"):
        asked.new_merger(LABELS)
    with pytest.raises(ConfigurationError, match="events have labels"):
        load("audio-regression").new_merger((), MergeOptions(rule="timeline"))
    with pytest.raises(ConfigurationError, match="pictures, which have no time"):
        load("image-classification").new_merger(LABELS, MergeOptions(rule="timeline"))("r")
    with pytest.raises(ConfigurationError, match=r"must not be above event_begin \(0.5\)"):
        EventOptions(event_begin=0.5, event_hold=0.6)


def test_events_become_label_tracks_and_subtitles(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    events = [
        {"label": "dog <b>", "start": 1500, "end": 2750},
        # Of a result of an earlier version, in samples.
        {
            "label": "雨", "start": 28_800_000, "end": 28_800_008, "start_ms": 3_600_000,
            "end_ms": 3_600_001,
        },
    ]  # fmt: skip
    rows.write_text(json.dumps({"id": "r", "events": events}) + "\n", encoding="utf-8")
    task: Any = load("audio-classification")
    written = {}
    for suffix, write in row_writers(task).items():
        buffer = io.BytesIO()
        write(rows, buffer)
        written[suffix] = buffer.getvalue().decode()
    assert written[".txt"] == "1.500\t2.750\tdog <b>\n3600.000\t3600.001\t雨\n"
    assert written[".vtt"] == (
        "WEBVTT\n\n00:00:01.500 --> 00:00:02.750\ndog &lt;b&gt;\n\n"
        "01:00:00.000 --> 01:00:00.001\n雨\n\n"
    )
    rows.write_text(json.dumps({"id": "r", "prediction": "dog"}) + "\n")
    with pytest.raises(ConfigurationError, match="predict with --merge timeline"):
        row_writers(task)[".txt"](rows, io.BytesIO())
