"""Windows of speech: stretches from probabilities, packing, seams, nothing unread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.detectors import Loud

from anysize.core.errors import DataError
from anysize.core.windows import Span
from anysize.readers.audio.sound import Sound
from anysize.readers.spectra.front import whisper
from anysize.readers.spectra.stream import frames
from anysize.windows.packing import Packer, quietest, total
from anysize.windows.speech import SpeechFinder
from anysize.windows.spoken import SpokenWindow, SpokenWindows

STEP = 512
RATE = 16_000


def loud() -> Loud:
    return Loud(STEP)


def windows_of(
    samples: NDArray[np.float32], *, size: int = 300, detector: Callable[[], Loud] | None = loud
) -> list[SpokenWindow]:
    cut = SpokenWindows(whisper(), size=size, detector=detector, step=STEP)
    return list(cut.stream(Sound(samples, "made", rate=RATE)))


def spoken(*seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Noise and silence in turn, each so long, noise first."""
    random = np.random.default_rng(seed)
    parts = []
    for place, each in enumerate(seconds):
        count = int(each * RATE)
        noise = random.uniform(-0.5, 0.5, count).astype(np.float32)
        parts.append(noise if place % 2 == 0 else np.zeros(count, np.float32))
    return np.concatenate(parts)


def stretches(chances: Sequence[float]) -> list[Span]:
    finder = SpeechFinder()
    found = list(finder.add(np.array(chances, np.float32)))
    return [*found, *finder.rest()]


def test_a_stretch_has_a_margin_and_a_short_pause_does_not_end_it() -> None:
    chances = [0.0] * 20 + [0.9] * 30 + [0.1] * 5 + [0.9] * 30 + [0.1] * 40 + [0.9] * 20
    assert stretches(chances) == [Span(15, 90), Span(120, 145)]


def test_what_is_too_short_is_no_speech() -> None:
    assert stretches([0.0] * 20 + [0.9] * 2 + [0.0] * 40) == []


@given(st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), max_size=300), st.integers(1, 50))
def test_stretches_do_not_depend_on_how_probabilities_come(chances: list[float], size: int) -> None:
    finder, found = SpeechFinder(), []
    values = np.array(chances, np.float32)
    for start in range(0, len(values), size):
        found += finder.add(values[start : start + size])
    found += finder.rest()
    assert found == stretches(chances)
    ends = [0, *(place for each in found for place in (each.start, each.stop)), len(chances)]
    assert ends == sorted(ends)


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 80)), min_size=1, max_size=60))
def test_windows_hold_every_stretch_once_and_none_is_too_long(
    made: list[tuple[int, int]],
) -> None:
    given_spans, at = [], 0
    for length, pause in made:
        given_spans.append(Span(at, at + length))
        at += length + pause
    packer, found = Packer(100), []
    for each in given_spans:
        found += packer.add(each)
    found += packer.rest()
    assert [each for window in found for each in window] == given_spans
    assert all(0 < total(window) <= 100 for window in found)


def test_a_seam_lies_in_the_longest_pause_of_the_last_third() -> None:
    packer = Packer(100)
    spans = [Span(0, 40), Span(45, 75), Span(110, 130), Span(131, 136), Span(140, 180)]
    found = [window for each in spans for window in packer.add(each)]
    assert found == [tuple(spans[:2])]
    assert list(packer.rest()) == [tuple(spans[2:])]


def test_the_quietest_place_is_found() -> None:
    loudness = np.ones(100, np.float32)
    loudness[60:70] = 0
    assert quietest(loudness) == 65
    assert quietest(np.ones(3, np.float32)) in range(3)


def test_cores_partition_a_recording_and_silence_is_counted() -> None:
    samples = spoken(1.0, 2.0, 1.5, 3.0, 2.0, 1.0, seed=1)
    found = windows_of(samples)
    assert [each.core.start for each in found] == [0, *(each.core.stop for each in found[:-1])]
    assert found[-1].core.stop == len(samples)
    assert [each.last for each in found] == [False] * (len(found) - 1) + [True]
    heard = sum(piece.size for each in found for piece in each.pieces)
    assert found[-1].silent == len(samples) - heard
    assert found[-1].silent / RATE == pytest.approx(6.0, abs=1.2)
    assert all(len(each.frames) <= 300 for each in found)


def test_frames_of_a_window_are_those_of_the_recording() -> None:
    samples = spoken(1.0, 2.0, 1.5, 0.5, seed=2)
    whole = np.concatenate(list(frames([samples], whisper())))
    for each in windows_of(samples):
        parts = [whole[one.start // 160 : -(-one.stop // 160)] for one in each.pieces]
        np.testing.assert_array_equal(each.frames, np.concatenate(parts))


def test_speech_longer_than_a_window_is_cut_at_its_quietest_place() -> None:
    samples = spoken(8.0)
    samples[int(2.4 * RATE) : int(2.6 * RATE)] *= 0.001
    found = windows_of(samples)
    assert found[0].pieces[-1].stop / RATE == pytest.approx(2.5, abs=0.1)
    ends = [(one.start, one.stop) for each in found for one in each.pieces]
    assert [start for start, _ in ends[1:]] == [stop for _, stop in ends[:-1]]
    assert (ends[0][0], ends[-1][1]) == (0, len(samples))


def test_without_a_detector_everything_is_read() -> None:
    samples = spoken(1.0, 3.0, 1.0)
    found = windows_of(samples, detector=None)
    assert sum(one.size for each in found for one in each.pieces) == len(samples)
    assert found[-1].silent == 0


def test_silence_alone_has_a_window_without_stretches() -> None:
    (found,) = windows_of(np.zeros(5 * RATE, np.float32))
    assert (found.pieces, found.last, found.silent) == ((), True, 5 * RATE)
    assert found.frames.shape == (0, 80)


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(DataError, match="no samples"):
        windows_of(np.zeros(0, np.float32))


def test_memory_does_not_grow_with_the_recording() -> None:
    """What is held between two windows is bounded, however long nobody pauses."""

    class Endless:
        origin = "endless"

        def blocks(self, rate: int = 0) -> Iterator[NDArray[np.float32]]:
            block = spoken(1.0, seed=3)
            for _ in range(120):
                yield block

    cut = SpokenWindows(whisper(), size=300, detector=loud, step=STEP)
    longest = max(len(each.frames) for each in cut.stream(Endless()))  # type: ignore[arg-type]
    assert 250 <= longest <= 300
