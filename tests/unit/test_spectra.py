"""Frames of a stream: the same for any pieces, and those of transformers' feature extractors."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.recordings import RATE, chirp

from anysize.core.errors import DataError
from anysize.readers.audio.sound import Sound
from anysize.readers.spectra.filters import Scale, to_hertz, to_mels
from anysize.readers.spectra.front import FrontEnd, kaldi, log_mel, whisper
from anysize.readers.spectra.normalizing import Normalizing
from anysize.readers.spectra.stream import frames
from anysize.windows.sound import SoundWindows

FRONTS = {
    "log-mel": log_mel(RATE, 64),
    "log-mel 11025": log_mel(11_025, 40),
    "mfcc": log_mel(8000, 40, cepstra=13),
    "whisper": whisper(),
    "kaldi": kaldi(80, gain=32768.0),
}


def whole(samples: NDArray[np.float32], front: FrontEnd) -> NDArray[np.float32]:
    return np.concatenate(list(frames([samples], front)))


@given(
    name=st.sampled_from(sorted(FRONTS)),
    count=st.one_of(st.integers(1, 2000), st.integers(40_000, 90_000)),
    cuts=st.lists(st.integers(0, 90_000), max_size=12),
)
@settings(max_examples=60)
def test_frames_do_not_depend_on_how_samples_come(name: str, count: int, cuts: list[int]) -> None:
    front = FRONTS[name]
    samples = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    pieces = np.split(samples, sorted(min(cut, count) for cut in cuts))
    found = np.concatenate(list(frames(pieces, front)))
    assert np.array_equal(found, whole(samples, front))
    assert found.shape == (front.frames(count), front.width)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def slowly(samples: NDArray[np.float32], front: FrontEnd) -> NDArray[np.float64]:
    """Frame by frame, as it is written in books."""
    margin = front.margin
    padded = np.pad(samples.astype(np.float64), margin, mode="reflect")
    rows = []
    for frame in range(front.frames(len(samples))):
        part = padded[frame * front.hop : frame * front.hop + front.length]
        part = np.pad(part, (0, front.length - len(part)))
        taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(front.length) / front.length)
        power = np.abs(np.fft.rfft(part * taper, front.fft)) ** 2
        matrix = front.bank.matrix(front.fft // 2 + 1, front.rate)
        rows.append(np.log(np.maximum(matrix.T @ power, front.floor)))
    return np.array(rows)


@pytest.mark.parametrize("count", [1, 150, 401, 16_000, 16_001, 50_003])
def test_log_mel_is_what_the_definition_says(count: int) -> None:
    front = log_mel(RATE, 64)
    samples = chirp(4.0)[:count]
    np.testing.assert_allclose(whole(samples, front), slowly(samples, front), atol=1e-4)


def test_every_sample_is_in_the_middle_of_a_frame() -> None:
    front = log_mel(RATE, 64)
    for count in (1, 159, 160, 161, 4000):
        assert front.frames(count) == -(-count // front.hop)


def test_whisper_is_that_of_transformers() -> None:
    from transformers import WhisperFeatureExtractor

    samples = chirp(30.0)
    wanted = WhisperFeatureExtractor(feature_size=80)(
        samples, sampling_rate=RATE, return_tensors="np"
    ).input_features[0]
    windows = SoundWindows(whisper(), size=3000, normalizing="range")
    (window,) = windows.stream(Sound(samples, rate=RATE))
    np.testing.assert_allclose(window.frames, wanted.T, atol=2e-4)


@pytest.mark.filterwarnings("ignore:At least one mel filter")  # so it is in the original
def test_kaldi_is_that_of_the_spectrogram_transformer() -> None:
    from transformers import ASTFeatureExtractor

    samples = chirp(5.0)
    extractor = ASTFeatureExtractor(do_normalize=False, max_length=498)
    wanted = extractor(samples, sampling_rate=RATE, return_tensors="np").input_values[0]
    found = whole(samples, kaldi(128, taper="hanning"))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_kaldi_is_that_of_speech2text_after_two_passes() -> None:
    from transformers import Speech2TextFeatureExtractor

    samples = chirp(5.0)
    wanted = Speech2TextFeatureExtractor(num_mel_bins=80)(
        samples, sampling_rate=RATE, return_tensors="np"
    ).input_features[0]
    windows = SoundWindows(kaldi(80, gain=32768.0), size=1000, normalizing="recording")
    (window,) = windows.stream(Sound(samples, rate=RATE))
    np.testing.assert_allclose(window.frames, wanted, atol=2e-3)


def test_cepstra_are_the_cosine_transform() -> None:
    scipy_fft = pytest.importorskip("scipy.fft")
    samples = chirp(1.0)
    mels = whole(samples, log_mel(RATE, 40)).astype(np.float64)
    wanted = scipy_fft.dct(mels, type=2, norm="ortho")[:, :13]
    np.testing.assert_allclose(whole(samples, log_mel(RATE, 40, cepstra=13)), wanted, atol=1e-4)


@pytest.mark.parametrize("scale", ["htk", "kaldi", "slaney"])
def test_mels_and_hertz_are_each_others_inverse(scale: Scale) -> None:
    hertz = np.linspace(0, 8000, 99)
    np.testing.assert_allclose(to_hertz(to_mels(hertz, scale), scale), hertz, atol=1e-6)
    audio_utils = pytest.importorskip("transformers.audio_utils")
    np.testing.assert_allclose(
        to_mels(hertz, scale), audio_utils.hertz_to_mel(hertz, scale), rtol=1e-9
    )


# Windows.


class Twice(Sound):
    """Counts how often it is read."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        super().__init__(samples, rate=RATE)
        self.passes = 0

    def blocks(self, rate: int = 0) -> Generator[NDArray[np.float32], None, None]:
        self.passes += 1
        return super().blocks(rate)


@pytest.mark.parametrize("normalizing", ["none", "recording", "range"])
@pytest.mark.parametrize(("size", "overlap"), [(100, 0), (100, 40), (64, 63)])
@pytest.mark.parametrize("count", [1, 200, 16_000, 40_001])
def test_cores_partition_the_samples_and_frames_are_those_of_the_whole(
    count: int, size: int, overlap: int, normalizing: Normalizing
) -> None:
    front = log_mel(RATE, 20)
    samples = chirp(3.0)[:count]
    field = Twice(samples)
    windows = list(
        SoundWindows(front, size=size, overlap=overlap, normalizing=normalizing).stream(field)
    )
    every = whole(samples, front)
    if normalizing == "recording":
        deviation = every.std(axis=0, dtype=np.float64)
        every = (every - every.mean(axis=0, dtype=np.float64)) / np.where(
            deviation > 1e-9, deviation, 1.0
        )
    elif normalizing == "range":
        every = (np.maximum(every, every.max() - 8) + 4) / 4
    owned = 0
    for place, window in enumerate(windows):
        assert window.core.start == owned
        assert window.region.start <= window.core.start <= window.core.stop <= window.region.stop
        owned = window.core.stop
        assert window.last == (place == len(windows) - 1)
        start = window.region.start // front.hop
        wanted = every[start : start + len(window.frames)]
        np.testing.assert_allclose(window.frames, wanted, atol=1e-4)
    assert owned == count
    long = front.frames(count) > size
    assert field.passes == (2 if long and normalizing != "none" else 1)


def test_silence_has_no_variance_to_divide_by() -> None:
    windows = SoundWindows(log_mel(RATE, 20), size=100, normalizing="recording")
    (window,) = windows.stream(Sound(np.zeros(8000, np.float32), rate=RATE))
    assert (window.frames == 0).all()


def test_an_empty_recording_has_no_window() -> None:
    empty: NDArray[Any] = np.zeros(0, np.float32)
    with pytest.raises(DataError, match="is empty"):
        list(SoundWindows(log_mel(RATE, 20), size=10).stream(Sound(empty, rate=RATE)))
