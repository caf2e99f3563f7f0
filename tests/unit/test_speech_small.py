"""A small acoustic model: alignment, Griffin and Lim, training, and what it speaks."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recordings import write as write_recording

import anysize
from anysize.core.errors import ConfigurationError
from anysize.core.results import Result
from anysize.readers.spectra.front import log_mel
from anysize.readers.spectra.stream import frames
from anysize.synthesis.alignment import durations
from anysize.synthesis.griffin_lim import powers, samples_of

RATE = 8000
TONES = {"a": 300.0, "b": 900.0, "c": 2000.0}
SMALL = {
    "reading": "characters", "hidden_size": "32", "encoder_layers": "2", "decoder_layers": "2",
    "mels": "24", "dropout": "0",
}  # fmt: skip


@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 999))
@settings(max_examples=60)
def test_the_best_path_is_that_of_trying_all(phonemes: int, more: int, seed: int) -> None:
    count = phonemes + more
    table = np.random.default_rng(seed).standard_normal((phonemes, count)).astype(np.float32)
    best = max(
        (
            sum(float(table[row, at]) for row, each in enumerate(_cut(cuts, count)) for at in each),
            [len(each) for each in _cut(cuts, count)],
        )
        for cuts in itertools.combinations(range(1, count), phonemes - 1)
    )
    found = durations(table)
    assert found.min() >= 1 and found.sum() == count
    assert found.tolist() == best[1]


def _cut(cuts: tuple[int, ...], count: int) -> list[range]:
    return list(itertools.starmap(range, itertools.pairwise((0, *cuts, count))))


def test_fewer_frames_than_phonemes_are_refused() -> None:
    with pytest.raises(ValueError, match="phonemes <= frames"):
        durations(np.zeros((3, 2), np.float32))


def spectrum(samples: np.ndarray) -> np.ndarray:
    return np.concatenate(list(frames([samples.astype(np.float32)], log_mel(RATE, 40))))


def test_samples_of_frames_have_these_frames_again() -> None:
    front = log_mel(RATE, 40)
    time = np.arange(RATE) / RATE
    wave = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * 1500 * time) * (
        time > 0.5
    )
    wanted = spectrum(wave)
    found = samples_of(wanted, front)
    assert len(found) == len(wave)
    loud = wanted > wanted.max() - 6
    assert np.abs(spectrum(found) - wanted)[loud].mean() < 0.5
    again = samples_of(wanted, front)
    assert np.array_equal(found, again)
    assert len(samples_of(np.zeros((0, 40), np.float32), front)) == 0
    assert powers(wanted[:3], front).min() >= 0


def write_data(folder: Path, count: int = 40) -> Path:
    """Words of three letters, each letter a tone of a tenth of a second."""
    random = np.random.default_rng(0)
    time = np.arange(RATE // 10) / RATE
    rows = []
    for place in range(count):
        word = "".join(random.choice(list(TONES), random.integers(2, 5)))
        tones = [0.4 * np.sin(2 * np.pi * TONES[each] * time) for each in word]
        quiet = 0.001 * random.standard_normal(RATE // 20)
        write_recording(folder / f"{place}.wav", np.concatenate([quiet, *tones, quiet]), RATE)
        rows.append(f"{place}.wav,{word}")
    path = folder / "data.csv"
    path.write_text("\n".join(["audio,text", *rows]) + "\n", encoding="utf-8")
    return path


def heard(samples: np.ndarray) -> str:
    """The letters of tones, by the loudest frequency of each twentieth of a second."""
    size = RATE // 20
    found = []
    for at in range(0, len(samples) - size, size):
        piece = samples[at : at + size]
        if np.sqrt((piece**2).mean()) < 0.05:
            continue
        power = np.abs(np.fft.rfft(piece * np.hanning(size))) ** 2
        frequency = float(np.fft.rfftfreq(size, 1 / RATE)[power.argmax()])
        found.append(min(TONES, key=lambda each: abs(TONES[each] - frequency)))
    return "".join(each for each, _ in itertools.groupby(found))


def test_it_learns_to_say_tones(tmp_path: Path) -> None:
    model = anysize.train(
        "text-to-speech", write_data(tmp_path, 60), model="speech-small", options=SMALL,
        out=tmp_path / "run", steps=120, batch=8, learning_rate=4e-3, memory="4GiB",
        precision="float32", validation=0.1, test=0,
    )  # fmt: skip
    assert model.network.module.sample_rate == RATE
    opened = anysize.load(tmp_path / "run")
    words = ["abc", "cab", "bcac", "bab", "cbac", "acba"]
    results = list(opened.predict(words, memory="4GiB"))
    assert all(isinstance(each, Result) for each in results)
    said = [heard(each.prediction.samples()) for each in results]
    assert sum(one == two for one, two in zip(said, words, strict=True)) >= 5, said
    again = [each.prediction for each in model.predict(words, memory="4GiB")]
    assert again == [each.prediction for each in results]
    slow = opened.predict_one("abc", speed=0.5, memory="4GiB")
    assert 1.5 < slow.prediction.seconds / results[0].prediction.seconds < 2.5


def test_what_cannot_be_learned_is_named(tmp_path: Path) -> None:
    data = write_data(tmp_path, 12)
    write_recording(tmp_path / "0.wav", np.zeros(80), RATE)  # of a word, and no recording of it
    anysize.train(
        "text-to-speech", data, model="speech-small", options=SMALL, out=tmp_path / "run",
        steps=2, batch=4, memory="4GiB", validation=0, test=0,
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"no option 'hidden'|reading must be"):
        anysize.train(
            "text-to-speech", data, model="speech-small", options={"hidden": "1"},
            out=tmp_path / "other", steps=2,
        )  # fmt: skip
    with pytest.raises(ConfigurationError, match="is a finished voice"):
        anysize.train("text-to-speech", data, model="piper-joe", out=tmp_path / "third", steps=2)
