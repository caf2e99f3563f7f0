"""Steps that change recordings: what is measured on what they give, always the same."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.recordings import RATE, chirp, write

from anysize.augmentation.codecs import coded, mu_law
from anysize.augmentation.convolution import convolved
from anysize.augmentation.image import Augmentation
from anysize.augmentation.noises import Noise
from anysize.augmentation.pitch import stretched
from anysize.augmentation.policies import POLICIES
from anysize.augmentation.recorded_noise import NoiseFrom, recordings_in
from anysize.augmentation.sounds import SoundChanges
from anysize.augmentation.specification import catalogue, parse, refuse_unfit
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.modalities.sounds.settings import AudioSettings
from anysize.readers.audio.sound import Sound
from anysize.tasks.audio_classification import AudioPreprocess

pytest.importorskip("soxr")

Samples = NDArray[np.float32]
STEPS = [name for name, kind in catalogue().items() if kind.content == "recordings"]
# Noise from files has tests of its own.
ALWAYS = [f"{name}(p=1)" for name in STEPS if name != "noise_from"]
SAMPLES = [each for each in ALWAYS if catalogue()[each.partition("(")[0]].fuses == "samples"]
SAMPLES += [f"codec({kind}, p=1)" for kind in ("mu-law", "mp3", "opus", "vorbis")]


def changes(spec: str, seed: int = 0, rate: int = RATE) -> SoundChanges:
    return SoundChanges(parse(spec), seed, rate)


def pieces(samples: Samples, size: int) -> Iterator[Samples]:
    return (samples[start : start + size] for start in range(0, len(samples), size))


def changed(spec: str, samples: Samples, record: str = "a", size: int = 5000) -> Samples:
    found = changes(spec).samples(3, record)(pieces(samples, size), RATE)
    return np.concatenate(list(found))


def white(count: int, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def power(samples: Samples, low: float, high: float) -> float:
    """Of a band in Hz."""
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(spectrum[(hertz >= low) & (hertz < high)].sum())


@pytest.mark.parametrize("spec", SAMPLES)
@pytest.mark.parametrize("count", [1, 7, 30_000])
def test_the_same_samples_however_they_come(spec: str, count: int) -> None:
    whole = chirp(2.0)[:count]
    before = whole.copy()
    one = changed(spec, whole, size=len(whole))
    assert one.dtype == np.float32
    assert len(one) >= 1
    np.testing.assert_array_equal(one, changed(spec, whole, size=997))
    np.testing.assert_array_equal(whole, before)
    if "speed" not in spec:
        assert len(one) == count


@pytest.mark.parametrize(
    "spec",
    ["gain", "background_noise(p=1)", "reverb(p=1)", "speed", "pitch(p=1)", "codec(mp3, p=1)"],
)
def test_each_pass_gives_the_same_and_each_record_and_epoch_another(spec: str) -> None:
    whole, drawn = chirp(0.5), changes(spec)
    change = drawn.samples(3, "a")
    first, again = (np.concatenate(list(change(pieces(whole, 999), RATE))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for other in (drawn.samples(3, "b"), drawn.samples(4, "a"), changes(spec, 1).samples(3, "a")):
        found = np.concatenate(list(other(pieces(whole, 999), RATE)))
        assert len(found) != len(first) or not np.array_equal(found, first)


@pytest.mark.parametrize(
    ("factor", "count"), [("0.8..0.8", 20_000), ("1.25..1.25", 12_800), ("2..2", 8_000)]
)
def test_speed_changes_the_length_and_the_pitch(factor: str, count: int) -> None:
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    found = changed(f"speed({factor})", tone)
    assert len(found) == count
    hertz = np.fft.rfftfreq(count, 1 / RATE)[np.abs(np.fft.rfft(found)).argmax()]
    assert hertz == pytest.approx(440 * RATE / count, abs=1.5)


@pytest.mark.parametrize("semitones", [-12, -2, 3.5, 12])
def test_pitch_changes_and_the_length_does_not(semitones: float) -> None:
    time = np.arange(2 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    found = changed(f"pitch({semitones}..{semitones}, p=1)", tone)
    assert len(found) == len(tone)
    hertz = np.fft.rfftfreq(len(found), 1 / RATE)[np.abs(np.fft.rfft(found)).argmax()]
    assert hertz == pytest.approx(440 * 2 ** (semitones / 12), abs=1.0)
    assert found.std() == pytest.approx(tone.std(), rel=0.05)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.4, 2.0])
def test_stretching_keeps_words_at_their_place_in_time(factor: float) -> None:
    clicks = np.zeros(3 * RATE, np.float32)
    burst = white(1600, 4) * np.hanning(1600).astype(np.float32)
    for second in (0.5, 1.3, 2.4):
        clicks[int(second * RATE) : int(second * RATE) + 1600] = burst
    found = np.concatenate(list(stretched(pieces(clicks, 777), factor, RATE)))
    assert len(found) == round(len(clicks) * factor)
    for second in (0.5, 1.3, 2.4):
        middle = round((second * RATE + 800) * factor)
        near = np.square(found[middle - RATE // 10 : middle + RATE // 10]).sum()
        assert near > 0.2 * np.square(burst).sum()


@pytest.mark.parametrize("kind", ["mp3", "opus", "vorbis"])
@pytest.mark.parametrize("rate", [8000, 11_025, 16_000])
def test_codecs_keep_the_place_and_the_sound(kind: str, rate: int) -> None:
    whole = chirp(2.0)
    good, bad = (
        np.concatenate(list(coded(pieces(whole, 3000), rate, kind, quality)))
        for quality in (0.6, 0.0)
    )
    assert len(good) == len(bad) == len(whole)
    assert np.corrcoef(good, whole)[0, 1] > 0.99
    assert np.corrcoef(bad, whole)[0, 1] > 0.9
    assert 1e-6 < np.square(good - whole).mean() < np.square(bad - whole).mean()


def test_mu_law_is_that_of_telephones() -> None:
    found = mu_law(np.array([0.0, 0.01, -0.5, 3.0], np.float32))
    np.testing.assert_allclose(found, [0.0, 0.01, -0.5, 1.0], rtol=0.03)
    assert len(np.unique(mu_law(np.linspace(-1, 1, 9999).astype(np.float32)))) == 255


def test_noise_comes_from_files_at_its_ratio(tmp_path: Path) -> None:
    place = tmp_path / "noises" / "street"
    place.mkdir(parents=True)
    for number in range(3):
        write(place / f"{number}.wav", 0.1 * white(5000, number), 8000)
    spec = f"noise_from({tmp_path / 'noises'}, 12..12, p=1)"
    whole = chirp(2.0)
    kinds = set()
    for record in "abcdef":
        noise = changed(spec, whole, record) - whole
        ratio = 10 * np.log10(np.square(whole).mean() / np.square(noise).mean())
        assert ratio == pytest.approx(12, abs=0.01)
        np.testing.assert_array_equal(changed(spec, whole, record, size=313), whole + noise)
        # Repeated with the period of the file at this rate.
        np.testing.assert_allclose(noise[:9000], noise[10_000:19_000], atol=2e-2)
        kinds.add(noise[:50].tobytes())
    assert len(kinds) > 3


@pytest.mark.parametrize(
    ("folder", "problem"),
    [("", "needs a folder with"), ("no/such", "is none"), (".", "finds no recordings")],
)
def test_folders_without_noise_are_refused(
    folder: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recordings_in.cache_clear()
    with pytest.raises(ConfigurationError, match=problem):
        SoundChanges((NoiseFrom(folder=folder),), 0, RATE)


def test_a_speed_of_one_and_a_gain_of_nothing_change_nothing() -> None:
    np.testing.assert_array_equal(changed("speed(0), gain(0)", chirp()), chirp())


def test_gain_is_in_decibels() -> None:
    np.testing.assert_allclose(changed("gain(6.0206..6.0206)", chirp()), 2 * chirp(), rtol=1e-5)


@pytest.mark.parametrize("colour", ["white", "pink", "either"])
@pytest.mark.parametrize("snr", [0, 12.5, 30])
def test_noise_is_at_its_ratio(colour: str, snr: float) -> None:
    whole = chirp(3.0)
    noise = changed(f"background_noise({snr}, {colour}, p=1)", whole) - whole
    ratio = 10 * np.log10(np.square(whole).mean() / np.square(noise).mean())
    assert ratio == pytest.approx(snr, abs=0.01)


def test_the_level_is_that_of_the_first_half_minute() -> None:
    whole = np.concatenate([chirp(1.0)] * 30 + [np.zeros(RATE, np.float32)])
    noise = changed("background_noise(10, white, p=1)", whole) - whole
    assert np.square(noise[-RATE:]).mean() == pytest.approx(
        np.square(whole[: 30 * RATE]).mean() / 10, rel=0.03
    )
    silent = np.zeros(RATE, np.float32)
    np.testing.assert_array_equal(changed("background_noise(10, p=1)", silent), silent)


def test_pink_noise_has_as_much_in_each_octave_and_white_as_much_in_each_hertz() -> None:
    pink, even = (Noise(5, pink=kind).take(1 << 18) for kind in (True, False))
    low, high = (100, 200), (1600, 3200)
    assert power(pink, *low) / power(pink, *high) == pytest.approx(1, rel=0.15)
    assert power(even, *high) / power(even, *low) == pytest.approx(16, rel=0.15)


def test_reverberation_decays_as_stated_and_keeps_the_power() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 1.0
    found = changed("reverb(0.5..0.5, 3..3, p=1)", click).astype(np.float64)
    assert not np.abs(found[:100]).max() > 1e-6
    direct, echo = found[100] ** 2, np.square(found[101:])
    assert 10 * np.log10(direct / echo.sum()) == pytest.approx(3, abs=1e-3)
    assert direct + echo.sum() == pytest.approx(1, abs=1e-4)
    quarter = RATE // 8  # a quarter of the time to -60 decibels
    early, late = echo[:quarter].sum(), echo[quarter : 2 * quarter].sum()
    assert 10 * np.log10(early / late) == pytest.approx(15, abs=0.8)
    assert not np.abs(found[100 + RATE // 2 + 1 :]).max() > 1e-6


@pytest.mark.parametrize(
    ("spec", "left", "gone"),
    [
        ("low_pass(1000, p=1)", (100, 900), (1100, 8000)),
        ("high_pass(400, p=1)", (500, 7900), (0, 300)),
        ("telephone(p=1)", (400, 3300), (3500, 8000)),
        ("telephone(p=1)", (400, 3300), (0, 200)),
    ],
)
def test_bands(spec: str, left: tuple[int, int], gone: tuple[int, int]) -> None:
    whole = white(4 * RATE)
    found = changed(spec, whole)
    assert len(found) == len(whole)
    assert power(found, *left) / power(whole, *left) == pytest.approx(1, abs=0.02)
    assert power(found, *gone) / power(whole, *gone) < 2e-3
    tone = np.sin(2 * np.pi * 700 * np.arange(RATE) / RATE).astype(np.float32)
    inside = slice(RATE // 4, -RATE // 4)
    np.testing.assert_allclose(changed(spec, tone)[inside], tone[inside], atol=0.01)


def test_clipping_cuts_at_its_part_of_the_peak() -> None:
    whole = chirp()
    found, limit = changed("clip(0.5, p=1)", whole), 0.5 * np.abs(whole).max()
    np.testing.assert_allclose(found, np.clip(whole, -limit, limit), rtol=1e-6)


def test_convolution_is_that_of_numpy() -> None:
    whole, kernel = white(20_000), white(501, 2).astype(np.float64)
    found = np.concatenate(list(convolved(pieces(whole, 777), kernel)))
    np.testing.assert_allclose(found, np.convolve(whole, kernel)[:20_000], atol=1e-4)
    moved = np.concatenate(list(convolved(pieces(whole, 777), kernel, 250)))
    np.testing.assert_allclose(moved, np.convolve(whole, kernel)[250:20_250], atol=1e-4)


@pytest.mark.parametrize(("name", "axis"), [("time_mask", 0), ("frequency_mask", 1)])
def test_masks_have_their_widths(name: str, axis: int) -> None:
    frames = white(100 * 64).reshape(100, 64)
    found = changes(f"{name}(7..7, count=1, most=0.5)").frames(frames, 0, "a", 0)
    same = (found == frames).all(axis=1 - axis)
    hidden = np.flatnonzero(~same)
    assert len(hidden) == 7
    assert hidden[-1] - hidden[0] == 6
    means = np.broadcast_to(frames.mean(axis=0), frames.shape)
    np.testing.assert_allclose(
        np.take(found, hidden, axis), np.take(means, hidden, axis), atol=1e-6
    )
    # No more than the stated part of a short window.
    few = frames[:20, :20]
    found = changes(f"{name}(100..100, count=1, most=0.25)").frames(few, 0, "a", 0)
    assert np.count_nonzero(~(found == few).all(axis=1 - axis)) == 5


def test_masks_are_drawn_for_each_window() -> None:
    frames, drawn = white(100 * 64).reshape(100, 64), changes("time_mask(9..9)")
    first, second = (drawn.frames(frames, 0, "a", index) for index in (0, 1))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, changes("time_mask(9..9)").frames(frames, 0, "a", 0))


def examples(spec: str, ids: Sequence[str], draw: int | None, **settings: int) -> list[Example]:
    front = AudioSettings(**settings)
    preprocess = AudioPreprocess(front, changes(spec))
    fields = {one: Sound(chirp(2.5, seed=3), one, rate=RATE) for one in ids}
    records = [Record(id=one, fields={"audio": fields[one]}) for one in ids]
    return [example for record in records for example in preprocess(0, record, draw)]


def test_windows_are_those_of_the_changed_recording() -> None:
    found = examples("speed(0.8..0.8)", ["a"], 0, window=RATE)
    cores = [one.window.core for one in found]
    assert cores[0].start == 0
    assert [core.stop for core in cores[:-1]] == [core.start for core in cores[1:]]
    assert cores[-1].stop == 50_000
    spec = "speed, reverb(p=1), background_noise(p=1)"
    (whole,) = examples(spec, ["a"], 0, window=10 * RATE)
    for one in examples(spec, ["a"], 0, window=RATE):
        first, frames = one.window.region.start // 160, one.arrays["frames"]
        expected = whole.arrays["frames"][first : first + len(frames)]
        np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize("spec", [*ALWAYS, "light"])
def test_any_order_of_loading_gives_the_same(spec: str) -> None:
    ids = ["a", "b", "c"]
    expected = examples(spec, ids, 2, window=RATE, overlap=1600)
    with ThreadPoolExecutor(3) as pool:
        parts = list(
            pool.map(lambda one: examples(spec, [one], 2, window=RATE, overlap=1600), ids[::-1])
        )
    found = [example for part in reversed(parts) for example in part]
    for mine, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(mine.arrays["frames"], other.arrays["frames"])


def test_nothing_is_changed_outside_of_training() -> None:
    plain = AudioPreprocess(AudioSettings())
    record = Record(id="a", fields={"audio": Sound(chirp(2.5, seed=3), "a", rate=RATE)})
    (expected,) = plain(0, record)
    (found,) = examples("reverb(p=1), time_mask(20..20)", ["a"], None)
    np.testing.assert_array_equal(found.arrays["frames"], expected.arrays["frames"])


def test_statistics_of_a_first_pass_are_those_of_what_is_changed() -> None:
    preprocess = AudioPreprocess(
        AudioSettings(window=RATE, normalize="recording"), changes("background_noise(0, p=1)")
    )
    record = Record(id="a", fields={"audio": Sound(chirp(3.0), "a", rate=RATE)})
    frames = np.concatenate([one.arrays["frames"] for one in preprocess(0, record, 0)])
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-3)


def test_steps_of_the_other_modality_are_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match="hflip changes pictures, and the data are rec"):
        refuse_unfit(parse("gain, hflip"), "recordings")
    with pytest.raises(ConfigurationError) as caught:
        refuse_unfit(parse("gain, hflip, speed"), "pictures")
    assert "gain, speed change recordings, and the data are pictures" in str(caught.value)
    assert "none, standard" in str(caught.value)
    assert "light" not in str(caught.value)
    assert "hflip" in str(caught.value)
    refuse_unfit(parse("light"), "recordings")
    with pytest.raises(ConfigurationError, match="gain changes recordings, not pictures"):
        Augmentation("gain")(np.zeros((8, 8, 3), np.uint8), (0, 0, "a", 0))
    with pytest.raises(ConfigurationError, match="mixup does not change recordings"):
        changes("mixup")


def test_orders_and_values_that_have_no_effect_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="write gain before time_mask"):
        changes("time_mask, gain")
    with pytest.raises(ConfigurationError, match=r"nothing above 4000 Hz; give a lower one"):
        changes("low_pass(5000)", rate=8000)


def test_steps_are_sent_to_workers() -> None:
    made = Augmentation(f"{', '.join(ALWAYS[:1])}, {POLICIES['light'][0]}")
    again = pickle.loads(pickle.dumps(made))  # noqa: S301  our own, as workers are sent it
    assert again.spec == made.spec
