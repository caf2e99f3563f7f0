"""Recordings without an end: what settles is given and let go, and is what a file gives."""

from __future__ import annotations

import gc
import io
import json
import os
import threading
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.detectors import Loud

from anysize import mergers
from anysize.core.batches import BatchPlan
from anysize.core.ctc import BestPath, Steps
from anysize.core.ctc_words import Reading
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.predict import predict_stream
from anysize.core.protocols import Settling
from anysize.core.records import Record
from anysize.core.results import Result, SettledResult
from anysize.core.steps import Answer
from anysize.core.transcripts import Segment
from anysize.core.windows import Span, Window
from anysize.heads.single_label_classification import SingleLabel
from anysize.mergers.ctc import CTCMerger
from anysize.mergers.timeline import RATE as RATE_OF
from anysize.mergers.timeline import TimelineMerger
from anysize.mergers.transcript import TranscriptMerger
from anysize.readers.audio.live import live_sound
from anysize.readers.audio.pcm import LiveOptions
from anysize.readers.audio.sound import Sound
from anysize.readers.spectra.front import Waveform
from anysize.sources.pipe import Pipe
from anysize.sources.stream import StreamSource, single
from anysize.tasks.speech.files import PlainText, Subtitles, WebSubtitles, plain, subrip, webvtt
from anysize.tasks.speech.options import LiveSpeechOptions
from anysize.windows.sound import SoundWindows
from anysize.windows.spoken import SpokenWindows

RATE, STEP, SIZE = 1000, 32, 3000
LABELS = ("dog", "rain")


def loud() -> Loud:
    return Loud(STEP)


class Spoken:
    """Windows of what is not silent."""

    def __init__(self, delay: int = 0) -> None:
        self._windows = SpokenWindows(
            Waveform(rate=RATE), size=SIZE, detector=loud, step=STEP, delay=delay
        )

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        for index, each in enumerate(self._windows.stream(record.audio("audio"))):
            yield Example(
                ordinal=ordinal,
                window=Window(
                    record=record.id, index=index, region=each.region, core=each.core,
                    last=each.last,
                ),
                arrays={"frames": each.frames},
                cost=1,
            )  # fmt: skip


class Saying:
    """A segment for each window, which says how loud it is."""

    needs: ClassVar[Any] = "run"

    def cost(self, own: int) -> int:
        return own

    def rehearse(self, runtime: Any, examples: Sequence[Example]) -> float | None:
        return None

    def answers(
        self, runtime: Any, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        for each in examples:
            region, frames = each.window.region, each.arrays["frames"]
            assert isinstance(region, Span)
            text = f"{float(np.abs(frames).sum()):.3f}"
            own = Segment(start=region.start, end=region.stop, text=text, score=0.5)
            yield Answer(each, {"segments": (own,) if len(frames) else (), "seam": region.stop})


def speech(seconds: float, seed: int = 0) -> NDArray[np.int16]:
    """Noise for one second and silence for a half, again and again."""
    random = np.random.default_rng(seed)
    found = random.integers(-9000, 9000, int(seconds * RATE)).astype(np.int16)
    found[np.arange(len(found)) % 1500 >= 1000] = 0
    return found


def results(field: Any, *, live: bool, delay: int = 0) -> Iterator[Any]:
    source = StreamSource([single("audio", "live", field)])
    return predict_stream(
        source, source.positions(), Spoken(delay), None, TranscriptMerger, BatchPlan(budget=1),
        step=Saying(), partial=False, live=live, at_once=source.slow, strict=True,
    )  # fmt: skip


@pytest.mark.parametrize("delay", [0, 1800])
@pytest.mark.parametrize("size", [17, 3000, 100_000])
def test_segments_are_those_of_a_file_and_come_as_they_settle(delay: int, size: int) -> None:
    samples = speech(20)
    (whole,) = results(Sound(samples, "file", rate=RATE), live=False, delay=delay)
    drawn = 0

    def chunks() -> Iterator[bytes]:
        nonlocal drawn
        for start in range(0, len(samples), size):
            drawn = start
            yield samples[start : start + size].tobytes()

    sound = live_sound(chunks(), "live", LiveOptions(pcm_rate=RATE))
    *parts, last = [(item, drawn) for item in results(sound, live=True, delay=delay)]
    found = [each for item, _ in (*parts, last) for each in item.details["segments"]]
    assert found == whole.details["segments"]
    assert all(isinstance(item, SettledResult) for item, _ in parts)
    assert [item.part for item, _ in parts] == list(range(len(parts)))
    result = last[0]
    assert isinstance(result, Result) and result.details["parts"] == len(parts) > 5
    assert (result.receipt.extent, result.receipt.covered) == (len(samples), 1.0)
    assert result.score == whole.score
    if size == 17:  # the first window is not held until the second one is known
        first = parts[0][0].details["segments"][0]
        assert parts[0][1] < first["end"] + 2500


def test_what_waits_is_bounded_by_the_delay() -> None:
    """A short utterance in front of a long silence."""
    samples = np.concatenate([speech(1), np.zeros(60 * RATE, np.int16), speech(1)])
    for delay, latest in ((0, len(samples)), (2000, 4000)):
        drawn = 0

        def chunks() -> Iterator[bytes]:
            nonlocal drawn
            for start in range(0, len(samples), 100):
                drawn = start
                yield samples[start : start + 100].tobytes()

        sound = live_sound(chunks(), "live", LiveOptions(pcm_rate=RATE))
        next(results(sound, live=True, delay=delay))
        assert drawn <= latest
        assert (drawn > 60_000) == (delay == 0)


@pytest.mark.parametrize("quiet", [False, True])
def test_nothing_grows_in_40_minutes(quiet: bool) -> None:
    """What is kept at the end of a stream through a bounded pipe is what was kept after a while."""
    reading, writing = os.pipe()
    pipe = Pipe(reading, most=1 << 14)
    block = speech(60)
    if quiet:
        block[1000:] = 0

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            for _ in range(40):
                file.write(block.tobytes())

    writer = threading.Thread(target=write)
    writer.start()
    sound = live_sound(pipe, "live", LiveOptions(pcm_rate=RATE))
    kept: list[int] = []
    gc.collect()
    gc.freeze()  # what other tests keep is not looked through at each sample
    tracemalloc.start()
    try:
        for count, item in enumerate(results(sound, live=True)):
            if count % (1 if quiet else 40) == 0:
                gc.collect()
                kept.append(tracemalloc.get_traced_memory()[0])
            last = item
    finally:
        tracemalloc.stop()
    writer.join()
    os.close(reading)
    assert last.receipt.extent == 40 * 60 * RATE
    early, late = kept[len(kept) // 4 : len(kept) // 2], kept[-len(kept) // 4 :]
    assert len(early) >= 5
    # Of a stream of 5 MB; what waits in the pipe is more or less at times.
    assert np.median(late) < np.median(early) + 40_000


def test_merge_rules_that_settle() -> None:
    for merger in (TranscriptMerger("r"), CTCMerger("r")):
        assert isinstance(merger, Settling)
    for rule in ("mean", "grid"):
        assert not isinstance(mergers.make("r", LABELS, rule, "samples"), Settling)


@given(st.lists(st.floats(0.02, 0.98), min_size=1, max_size=30))
def test_events_are_those_of_the_whole(likely: list[float]) -> None:
    def added(*, live: bool) -> tuple[list[Any], Result]:
        merger = TimelineMerger("r", lambda row: SingleLabel().decide(row, LABELS), "samples")
        given_out: list[Any] = []
        for place, p in enumerate(likely):
            span = Span(500 * place, 500 * place + 500)
            window = Window(
                record="r", index=place, region=span, core=span, last=place == len(likely) - 1
            )
            merger.add(window, {"logits": np.log([p, 1 - p]), RATE_OF: np.array([1000])})
            if live and (found := merger.settled()) is not None:
                given_out += found[1]["events"]
        result = merger.finish()
        return [*given_out, *result.details["events"]], result

    (whole, one), (parts, other) = added(live=False), added(live=True)
    assert sorted(parts, key=lambda each: (each["start"], each["end"], each["label"])) == whole
    assert (one.prediction, one.score) == (other.prediction, other.score)
    assert one.receipt == other.receipt


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 9))
def test_segments_of_steps_are_those_of_the_whole(path: list[int], size: int) -> None:
    reading = Reading(pieces=("", "a", "b", " c"), step=400)

    def outputs() -> Iterator[tuple[Window, Mapping[str, Any]]]:
        for index, start in enumerate(range(0, max(len(path), 1), size)):
            own = path[start : start + size]
            logits = np.eye(4, dtype=np.float32)[own] * 5
            span = Span(start, start + len(own))
            last = start + size >= len(path)
            yield Window(record="r", index=index, region=span, core=span, last=last), {
                "steps": Steps.of(logits.reshape(-1, 4), 0), "search": lambda: BestPath(0),
                "reading": reading, "exact": True, "rate": 1000,
            }  # fmt: skip

    whole, live = CTCMerger("r"), CTCMerger("r")
    parts: list[Any] = []
    for window, output in outputs():
        whole.add(window, output)
        live.add(window, output)
        if (found := live.settled()) is not None:
            parts += found[1]["segments"]
    expected, rest = whole.finish(), live.finish()
    assert [*parts, *rest.details["segments"]] == expected.details["segments"]
    assert rest.score == expected.score


def test_text_and_subtitles_are_those_of_the_whole(tmp_path: Path) -> None:
    times = [(0, 900, "one"), (900, 950, "two"), (1000, 1010, "three"), (1100, 2000, "four & five")]
    segments = [{"start": a, "end": b, "text": text} for a, b, text in times]
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": "r", "prediction": "x", "segments": segments}) + "\n")
    parts: list[dict[str, Any]] = [
        {"id": "r", "part": at, "prediction": each["text"], "segments": [each]}
        for at, each in enumerate(segments)
    ]
    parts.append({"id": "r", "prediction": "", "segments": [], "parts": len(segments)})
    for whole, live in ((plain, PlainText), (subrip, Subtitles), (webvtt, WebSubtitles)):
        out = io.BytesIO()
        whole(rows, out)
        writer: Any = live()
        text = "".join([*map(writer.add, parts), writer.rest()])
        assert text == out.getvalue().decode() and "four" in text


def test_what_reads_twice_refuses_before_it_reads() -> None:
    sound = live_sound(iter([speech(1).tobytes()]), "live", LiveOptions(pcm_rate=RATE))
    windows = SoundWindows(Waveform(rate=RATE), size=100, normalizing="recording")
    with pytest.raises(DataError, match="normalization by the whole of it"):
        next(windows.stream(sound))


def test_a_delay_needs_pauses() -> None:
    with pytest.raises(ConfigurationError, match="delay needs the pauses"):
        LiveSpeechOptions(delay=5, voice=False)
    assert LiveSpeechOptions(delay=5, pcm_rate=8000).delay == 5
