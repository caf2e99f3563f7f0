"""Turns: lines of RTTM, speakers of segments, clustering of windows, the timeline's merger."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.results import Result
from anysize.core.transcripts import Segment
from anysize.core.windows import Span, Window
from anysize.mergers.turns import TurnRules, TurnsMerger
from anysize.recognition.clustering import VoiceClusters
from anysize.recognition.gallery import Gallery
from anysize.recognition.matching import Matcher
from anysize.recognition.naming import named
from anysize.recognition.turns import Turn, read_rttm, rttm, said_by, speakers_of, turns_of

WIDTH = 16


def test_rttm_is_read_as_it_was_written() -> None:
    turns = [Turn(0.5, 2.25, "speaker 1"), Turn(2.25, 4.0, "Ann")]
    lines = list(rttm(turns, "a meeting.wav"))
    assert lines[0] == "SPEAKER a_meeting.wav 1 0.500 1.750 <NA> <NA> speaker_1 <NA> <NA>"
    found = read_rttm([";; a comment", "SPKR-INFO x 1 <NA>", "", *lines])
    assert found == {"a_meeting.wav": [Turn(0.5, 2.25, "speaker_1"), Turn(2.25, 4.0, "Ann")]}


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER m 1 0.0 1.0 <NA>",
        "SPEAKER m 1 zero 1.0 <NA> <NA> a <NA> <NA>",
        "SPEAKER m 1 0.0 -1.0 <NA> <NA> a <NA> <NA>",
        "SPEAKER m 1 nan 1.0 <NA> <NA> a <NA> <NA>",
    ],
)
def test_a_damaged_line_of_rttm_is_named(line: str) -> None:
    with pytest.raises(DataError, match="line 2"):
        read_rttm(["", line], "x.rttm")


def test_turns_go_through_json() -> None:
    turns = [Turn(0.1234, 2.0, "a"), Turn(2.0, 3.0, "b", overlap=True)]
    lines = [turn.to_json() for turn in turns]
    assert lines == [
        {"start": 123, "end": 2000, "speaker": "a"},
        {"start": 2000, "end": 3000, "speaker": "b", "overlap": True},
    ]
    assert turns_of(lines)[1] == turns[1]
    with pytest.raises(DataError, match="line 1"):
        turns_of([{"start": 1}])


def test_a_segment_is_of_whom_it_has_most_of() -> None:
    turns = [Turn(0, 4, "a"), Turn(4, 5, "b"), Turn(5, 9, "a"), Turn(20, 21, "c")]
    segments = [(3.0, 5.0), (0.0, 9.0), (10.0, 12.0), (19.0, 40.0), (4.1, 4.9)]
    assert speakers_of(segments, turns) == [("a", "b"), ("a",), (), ("c",), ("b",)]
    assert speakers_of([], turns) == [] and speakers_of([(0, 1)], []) == [()]
    # The order of both lists does not matter.
    assert speakers_of(segments[::-1], turns[::-1]) == speakers_of(segments, turns)[::-1]


def test_segments_of_a_transcript_are_given_speakers() -> None:
    segments = [Segment(start=100, end=1900, text="yes"), Segment(start=5000, end=6000, text="no")]
    one, other = said_by(segments, [Turn(0, 1, "Ann"), Turn(1, 3, "Bob")])
    assert (one.speaker, other.speaker) == ("Ann", None)
    assert one.to_json() == {"start": 100, "end": 1900, "text": "yes", "speaker": "Ann"}


def voices(speakers: int, each: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around directions that are at right angles, and whose they are, in random order."""
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.standard_normal((WIDTH, WIDTH)))[0][:speakers]
    labels = random.permutation(np.repeat(np.arange(speakers), each))
    return centres[labels] + noise * random.standard_normal((len(labels), WIDTH)), labels


def agreement(found: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the vectors in the right group, the groups being matched by their majority."""
    return sum(int(np.bincount(wanted[found == each]).max()) for each in np.unique(found)) / len(
        wanted
    )


@pytest.mark.parametrize("most", [600, 24])
@pytest.mark.parametrize("number", [None, 4])
def test_groups_are_found_whether_or_not_all_are_held(most: int, number: int | None) -> None:
    vectors, labels = voices(4, 60, 0.12)
    clusters = VoiceClusters(most)
    for vector in vectors:
        clusters.add(3 * vector)
    found = clusters.speakers(number, 0.4)
    assert len(found.centres) == 4 and len(clusters) == 240
    assert agreement(found.labels, labels) > 0.99
    assert (np.diff(np.bincount(found.labels)) <= 0).all()
    assert (found.ambiguity <= found.nearness + 1e-6).all()
    assert (found.second != found.labels).all()


def test_one_speaker_is_one_and_a_given_number_is_kept() -> None:
    vectors, _ = voices(1, 50, 0.1)
    clusters = VoiceClusters()
    for vector in vectors:
        clusters.add(vector)
    found = clusters.speakers(None, 0.4)
    assert len(found.centres) == 1 and (found.ambiguity == -1).all()
    assert len(clusters.speakers(1, 0.4).centres) == 1
    few = VoiceClusters()
    few.add(vectors[0])
    assert len(few.speakers(3, 0.4).centres) == 1  # there are no more than vectors


def test_a_splinter_goes_to_the_nearest() -> None:
    vectors, _ = voices(3, 40, 0.05)
    clusters = VoiceClusters()
    for vector in vectors:
        clusters.add(vector)
    odd = np.linalg.qr(np.random.default_rng(0).standard_normal((WIDTH, WIDTH)))[0][9]
    clusters.add(odd)
    assert len(clusters.speakers(None, 0.4, least=0.02).centres) == 3
    again = VoiceClusters()
    for vector in [*vectors, odd]:
        again.add(vector)
    assert len(again.speakers(None, 0.4).centres) == 4


def test_clusters_refuse_what_they_cannot_do() -> None:
    with pytest.raises(ConfigurationError):
        VoiceClusters(1)
    with pytest.raises(ConfigurationError, match="no vectors"):
        VoiceClusters().speakers(None, 0.5)


def timeline(
    plan: list[tuple[float, float, int, bool]], rules: TurnRules, noise: float = 0.05
) -> Result:
    """What the merger makes of windows ``(start, stop, speaker, joined)``."""
    random = np.random.default_rng(3)
    centres = np.linalg.qr(random.standard_normal((WIDTH, WIDTH)))[0]
    merger = TurnsMerger("r", "samples", rules)
    for index, (start, stop, speaker, joined) in enumerate(plan):
        span = Span(100 * index, 100 * index + 100)
        window = Window("r", index, span, span, index == len(plan) - 1)
        vector = centres[speaker] if speaker >= 0 else centres[0] + centres[1]
        output: dict[str, Any] = {
            "embeddings": vector + noise * random.standard_normal(WIDTH),
            "speech": np.array([start, stop, float(joined)]),
        }
        merger.add(window, output)
    return merger.finish()


def stretch(start: float, speakers: list[int]) -> list[tuple[float, float, int, bool]]:
    """Windows of half a second, one after the other, in one stretch."""
    return [
        (start + 0.5 * place, start + 0.5 * place + 0.5, speaker, place > 0)
        for place, speaker in enumerate(speakers)
    ]


def test_windows_become_turns() -> None:
    plan = [*stretch(1.0, [0] * 8), *stretch(5.5, [0] * 6), *stretch(12.0, [1] * 10 + [2] * 6)]
    found = timeline(plan, TurnRules())
    assert found.details["timeline"] == [
        {"start": 1000, "end": 8500, "speaker": "speaker 1"},  # half a second is bridged
        {"start": 12_000, "end": 17_000, "speaker": "speaker 2"},
        {"start": 17_000, "end": 20_000, "speaker": "speaker 3"},
    ]
    assert found.prediction == 3 and 0.9 < found.score <= 1
    seconds = {each["speaker"]: each["seconds"] for each in found.details["found"]}
    assert seconds == {"speaker 1": 7.0, "speaker 2": 5.0, "speaker 3": 3.0}
    assert (found.receipt.covered, found.receipt.windows, found.receipt.merge) == (1.0, 30, "turns")
    unbridged = timeline(plan, TurnRules(bridge=0.2)).details["timeline"]
    assert [(line["start"], line["end"]) for line in unbridged][:2] == [
        (1000, 5000), (5500, 8500)
    ]  # fmt: skip


def test_the_number_of_speakers_can_be_given() -> None:
    plan = [*stretch(0, [0] * 8), *stretch(5, [1] * 8), *stretch(10, [2] * 8)]
    assert timeline(plan, TurnRules(number=2)).prediction == 2
    assert timeline(plan, TurnRules(number=3)).prediction == 3


def test_one_odd_window_inside_a_stretch_is_no_turn() -> None:
    plan = [*stretch(0, [0] * 6 + [1] + [0] * 6), *stretch(10, [1] * 8)]
    lines = timeline(plan, TurnRules()).details["timeline"]
    assert [(line["start"], line["end"]) for line in lines] == [(0, 6500), (10_000, 14_000)]


def test_two_at_a_time_are_marked_where_it_lasts() -> None:
    # -1 lies half way between two speakers.
    plan = stretch(0, [0] * 10 + [-1] * 6 + [1] * 10)
    lines = timeline(plan, TurnRules(), noise=0.01).details["timeline"]
    both = [line for line in lines if line.get("overlap")]
    assert {line["speaker"] for line in both} == {"speaker 1", "speaker 2"}
    assert all((line["start"], line["end"]) == (5000, 8000) for line in both)
    # A change of speakers is mixed for as long as a window, and nobody speaks beside the other.
    plan = stretch(0, [0] * 10 + [-1] * 2 + [1] * 10)
    lines = timeline(plan, TurnRules(), noise=0.01).details["timeline"]
    assert not any(line.get("overlap") for line in lines)
    assert all(one["end"] <= other["start"] for one, other in pairwise(lines))


def test_silence_has_no_turns() -> None:
    found = timeline([(0.0, 0.0, 0, False)], TurnRules())
    assert (found.prediction, found.score) == (0, 0.0)
    assert found.details == {"timeline": [], "found": []}


def test_speakers_of_a_gallery_are_called_by_name() -> None:
    plan = [*stretch(0, [0] * 8), *stretch(5, [1] * 8)]
    found = timeline(plan, TurnRules())
    known = {entry["speaker"]: entry["embedding"] for entry in found.details["found"]}
    gallery = Gallery(embedder="e").added({"Ann": np.array([known["speaker 2"]])})
    (result,) = named([found], Matcher(gallery, 0.9))
    assert isinstance(result, Result)
    assert [line["speaker"] for line in result.details["timeline"]] == ["speaker 1", "Ann"]
    assert result.prediction == 2
    assert {entry["name"] for entry in result.details["found"]} == {"unknown", "Ann"}
    assert "embedding" not in result.details["found"][0]


def test_a_long_timeline_is_finished_in_little_memory() -> None:
    """Not even the embeddings of all windows in float32 are held beside what was kept."""
    count, width = 6000, 256
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, width))
    merger = TurnsMerger("long.wav", "samples", TurnRules(strangers=0.5))
    for index in range(count):
        core = Span(1000 * index, 1000 * (index + 1))
        window = Window("long.wav", index, core, core, index == count - 1)
        vector = centres[index // 20 % 4] + 0.3 * random.normal(size=width)
        speech = [index * 0.4, index * 0.4 + 0.4, 1.0]
        merger.add(window, {"speech": speech, "embeddings": vector})
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    result = merger.finish()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert result.prediction == 4
    assert peak < 4 * width * count, f"{peak >> 10} KiB"
