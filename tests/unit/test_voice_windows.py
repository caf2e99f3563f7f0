"""Windows of speech for timelines: none over a pause, cores that partition, bounded stretches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from anysize.core.errors import DataError
from anysize.readers.audio.sound import Sound
from anysize.readers.spectra.front import log_mel
from anysize.readers.spectra.stream import frames
from anysize.windows.voices import LONGEST, VoiceWindow, VoiceWindows

RATE, FRAME, HOP, SIZE, STEP = 8000, 256, 80, 160, 53
FRONT = log_mel(RATE, 16)


class Known:
    """A detector that knows where somebody speaks: samples ``[start, stop)``."""

    def __init__(self, *spans: tuple[int, int]) -> None:
        self._spans = spans
        self._held, self._at = 0, 0

    def add(self, samples: np.ndarray) -> np.ndarray:
        self._held += len(samples)
        whole = self._held // (4 * FRAME) * 4  # some at a time, as a real one
        self._held -= whole * FRAME
        return self._chances(whole)

    def rest(self) -> np.ndarray:
        left, self._held = -(-self._held // FRAME), 0
        return self._chances(left)

    def _chances(self, count: int) -> np.ndarray:
        middles = self._at + FRAME * np.arange(count) + FRAME // 2
        self._at += count * FRAME
        found = np.zeros(count, np.float32)
        for start, stop in self._spans:
            found[(middles >= start) & (middles < stop)] = 0.9
        return found


def recording(samples: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, samples).astype(np.float32)


def cut(samples: np.ndarray, *spans: tuple[int, int]) -> list[VoiceWindow]:
    maker = VoiceWindows(FRONT, size=SIZE, step=STEP, rate=RATE, frame=FRAME)
    return list(maker.stream(Sound(samples, "r", rate=RATE), Known(*spans)))


def check(found: list[VoiceWindow], total: int) -> None:
    """What holds for any recording."""
    assert [window.last for window in found] == [False] * (len(found) - 1) + [True]
    assert found[0].core.start == 0 and found[-1].core.stop == total
    for one, other in pairwise(found):
        assert one.core.stop == other.core.start
    for window in found:
        assert window.region.start <= window.core.start <= window.core.stop <= window.region.stop
        assert 0 < len(window.frames) <= SIZE
    spoken = [window.speech for window in found if window.speech[1] > window.speech[0]]
    for (_, stop), (start, _) in pairwise(spoken):
        assert start >= stop - 1e-9


def test_windows_lie_inside_stretches() -> None:
    samples = recording(10 * RATE)
    found = cut(samples, (8000, 24_000), (40_000, 44_000))
    check(found, len(samples))
    first = [window for window in found if window.speech[1] < 4]
    (second,) = [window for window in found if window.speech[0] > 4]
    # Two seconds and a margin on each side: windows of 1.6 seconds every 0.53.
    assert len(first) == 3 and [window.joined for window in first] == [False, True, True]
    assert not second.joined and second.last
    assert first[0].speech[0] == pytest.approx(1.0, abs=0.25)
    assert first[-1].speech[1] == pytest.approx(3.0, abs=0.25)
    for one, other in pairwise(first):
        assert one.speech[1] == pytest.approx(other.speech[0])
    # The frames are those of the whole recording.
    whole = np.concatenate(list(frames([samples], FRONT)))
    at = round(second.speech[0] * RATE / HOP)
    np.testing.assert_array_equal(second.frames, whole[at : at + len(second.frames)])


def test_a_recording_without_speech_has_one_window() -> None:
    samples = recording(5 * RATE)
    (window,) = cut(samples)
    check([window], len(samples))
    assert window.speech == (0.0, 0.0) and window.region == window.core
    with pytest.raises(DataError):
        cut(recording(0))


def test_a_long_stretch_is_cut_and_goes_on() -> None:
    seconds = 50
    samples = recording(seconds * RATE)
    found = cut(samples, (0, seconds * RATE))
    check(found, len(samples))
    assert [window.joined for window in found] == [False] + [True] * (len(found) - 1)
    times = [window.speech for window in found]
    assert times[0][0] == 0 and times[-1][1] == pytest.approx(seconds, abs=0.1)
    assert sum(stop - start for start, stop in times) == pytest.approx(seconds, abs=0.1)
    assert any(stop == pytest.approx(LONGEST, abs=0.05) for _, stop in times)


@pytest.mark.parametrize("seed", range(6))
def test_any_speech_is_covered_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    total = int(random.integers(1, 30 * RATE))
    borders = np.sort(random.integers(0, total + 1, 8)).tolist()
    spans = list(zip(borders[::2], borders[1::2], strict=True))
    found = cut(recording(total), *spans)
    check(found, total)
    for start, stop in spans:
        if stop - start < 8 * FRAME:
            continue
        inside = sum(
            max(0.0, min(stop / RATE, b) - max(start / RATE, a))
            for a, b in (window.speech for window in found)
        )
        assert inside == pytest.approx((stop - start) / RATE, abs=2 * FRAME / RATE)
