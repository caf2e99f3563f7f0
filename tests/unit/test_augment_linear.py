"""Speed, noise, echoes and gain in one pass: beside soxr, beside separate passes, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anysize.augmentation.acoustics import band, room
from anysize.augmentation.linear import Linear
from anysize.augmentation.noises import Added
from anysize.augmentation.speeds import sizes_for

RATE = 16_000


def pieces(samples: NDArray[np.float32], size: int) -> Iterator[NDArray[np.float32]]:
    return (samples[start : start + size] for start in range(0, len(samples), size))


def changed(change: Linear, samples: NDArray[np.float32], size: int = 1 << 15) -> Any:
    return np.concatenate(list(change(pieces(samples, size), RATE)))


def echo(rate: int) -> tuple[NDArray[np.float64], int]:
    return room(0.3, 6.0, rate, 5), 0


def muffled(rate: int) -> tuple[NDArray[np.float64], int]:
    return band(None, 2000.0, rate), rate // 40


def up_to(part: float, count: int = 60_000, seed: int = 0) -> NDArray[np.float32]:
    """Noise without frequencies above a part of the band, soft at its ends."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    spectrum[int(part * len(spectrum)) :] = 0
    samples = np.fft.irfft(spectrum, count) * np.hanning(count)
    return (samples / samples.std()).astype(np.float32)


def decibels(error: NDArray[Any], whole: NDArray[Any]) -> float:
    share = np.square(error, dtype=np.float64).mean() / np.square(whole).mean()
    return float(10 * np.log10(max(share, 1e-30)))


def test_sizes_are_near_every_speed() -> None:
    speeds = np.arange(500, 2001) / 1000
    beside = np.array([abs(sizes_for(speed).speed / speed - 1) for speed in speeds])
    assert beside.max() < 0.003
    assert beside[400:601].max() < 0.0015
    assert beside.mean() < 0.0005
    for speed in (0.5, 0.8, 0.9, 1.0, 1.1, 1.25, 2.0):
        assert sizes_for(speed).speed == pytest.approx(speed, rel=1e-12)


@pytest.mark.parametrize("speed", [0.5, 0.8, 0.937, 1.07, 1.25, 2.0])
def test_a_speed_is_that_of_soxr(speed: float) -> None:
    soxr = pytest.importorskip("soxr")
    sizes = sizes_for(speed)
    samples = up_to(0.9 * min(1.0, 1 / sizes.speed))
    found = changed(Linear(sizes=sizes), samples)
    wanted = soxr.resample(samples.astype(np.float64), sizes.inputs, sizes.outputs, quality="VHQ")
    assert len(found) == len(wanted) == round(len(samples) / sizes.speed)
    assert decibels(found - wanted, wanted) < -75


@pytest.mark.parametrize("speed", [1.1, 1.5, 2.0])
def test_what_would_be_mirrored_is_taken_off(speed: float) -> None:
    sizes = sizes_for(speed)
    # Halfway between the new band and the old one.
    place = np.pi * (1 / sizes.speed + 1) / 2
    tone = (np.sin(place * np.arange(50_000)) * np.hanning(50_000)).astype(np.float32)
    assert decibels(changed(Linear(sizes=sizes), tone), tone) < -100


@pytest.mark.parametrize("count", [1, 5, 3000, 40_000, 300_000])
@pytest.mark.parametrize("pink", [False, True])
def test_nothing_depends_on_how_samples_come(count: int, pink: bool) -> None:
    samples = np.random.default_rng(1).standard_normal(count).astype(np.float32)
    noise = Added(seed=3, pink=pink, snr=10.0)
    for change in (
        Linear(sizes=sizes_for(0.93)),
        Linear(sizes=sizes_for(1.07), noise=noise),
        Linear(sizes=sizes_for(0.9), noise=noise, kernels=(echo,), factor=0.5),
        Linear(kernels=(echo, echo), factor=2.0),
    ):
        whole = changed(change, samples, size=count)
        assert whole.dtype == np.float32
        speed = 1.0 if change.sizes is None else change.sizes.speed
        assert len(whole) == max(round(count / speed), 1)
        np.testing.assert_array_equal(whole, changed(change, samples, size=997))


@pytest.mark.parametrize("speed", [0.9, 1.08])
@pytest.mark.parametrize("kernel", [echo, muffled])
def test_one_pass_is_what_separate_ones_give(speed: float, kernel: Any) -> None:
    samples, sizes = up_to(0.85, 100_000), sizes_for(speed)
    first = changed(Linear(sizes=sizes), samples)
    apart = 0.5 * changed(Linear(kernels=(kernel,)), first)
    together = changed(Linear(sizes=sizes, kernels=(kernel,), factor=0.5), samples)
    assert decibels(together - apart, apart) < -55
    twice = changed(Linear(kernels=(kernel, echo)), first)
    again = changed(Linear(kernels=(echo,)), changed(Linear(kernels=(kernel,)), first))
    # What looks ahead looks behind the end, where separate passes have cut.
    assert decibels((twice - again)[:-1000], again) < -90


@pytest.mark.parametrize("pink", [False, True])
@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_the_ratio_of_signal_to_noise_is_kept(snr: float, pink: bool) -> None:
    noise = Added(seed=1, pink=pink, snr=snr)
    samples = np.random.default_rng(2).standard_normal(160_000).astype(np.float32)
    for sizes in (sizes_for(0.9), sizes_for(1.25)):
        plain = changed(Linear(sizes=sizes), samples)
        added = changed(Linear(sizes=sizes, noise=noise, factor=0.25), samples) / 0.25 - plain
        assert decibels(plain, added) == pytest.approx(snr, abs=0.5 if pink else 0.1)
        spectrum = np.square(np.abs(np.fft.rfft(added)))
        low, high = spectrum[100:2000].mean(), spectrum[-20_000:-2000].mean()
        assert (low > 10 * high) == pink
        assert np.isfinite(added).all()
    silent = changed(Linear(sizes=sizes_for(0.9), noise=noise), np.zeros(5000, np.float32))
    assert not silent.any()


def test_noise_is_longer_than_what_it_is_taken_from() -> None:
    spectrum = np.empty(700_001, np.complex64)
    Added(seed=1, pink=False, snr=0.0).spectra()(1_400_000, 0.5, spectrum)
    assert np.square(np.fft.irfft(spectrum)).mean() == pytest.approx(0.25, rel=1e-3)


def test_steps_are_joined_where_their_order_allows_it() -> None:
    speed, noise = Linear(sizes=sizes_for(0.9)), Linear(noise=Added(seed=1, pink=False, snr=10))
    filtered, louder = Linear(kernels=(echo,)), Linear(factor=2.0)
    both = speed.then(noise)
    assert both is not None
    whole = both.then(filtered)
    assert whole is not None
    last = whole.then(louder)
    assert last == Linear(sizes=speed.sizes, noise=noise.noise, kernels=(echo,), factor=2.0)
    assert louder.then(speed) == Linear(sizes=speed.sizes, factor=2.0)
    for first, second in ((filtered, speed), (filtered, noise), (noise, speed), (speed, speed)):
        assert first.then(second) is None
