"""Speed, noise, echoes, bands and gain of recordings: those that follow each other are one pass.

A window of ``inputs`` samples is transformed to frequencies, filtered, and transformed back to
``outputs`` samples, in which the same frequencies lie ``inputs / outputs`` times as high. What
would be mirrored is taken off by a sinc under a Kaiser window, as that of libsoxr's high quality:
it passes 0.92 of the band, and what it leaves of the rest is 100 dB below. Noise is added there,
and echoes and bands are another factor of the spectrum, so that all of it takes three transforms.
Windows overlap by what the filters reach, and what is given does not depend on how samples come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.convolution import HELD, ROWS, convolved, fourier
from anysize.augmentation.noises import LOOKED_AT, Added, opening, power
from anysize.augmentation.speeds import Sizes

Samples: TypeAlias = NDArray[np.float32]
Blocks: TypeAlias = Iterator[Samples]
Kernel: TypeAlias = Callable[[int], tuple[NDArray[np.float64], int]]
"""From a rate to a filter, and by how many samples what it gives is moved forward."""
_LONGER = 5
"""A window is at least so many times as long as the filters reach."""
_LEAST = 8192
"""Samples of the smallest window of a recording that is longer."""
_REACH = 80
"""Samples to either side, at the lower of the two rates, that an output is made of."""
_BETA = 10.06
"""Of the Kaiser window: 100 dB (Kaiser 1974)."""
_EDGE = 0.96
"""Where the filter has fallen to a half, as a part of the band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """What is done to samples, in this order; a ``sounds.Change``.

    Attributes:
        sizes: of the transforms that change the speed; None keeps it.
        noise: what is added then; None adds nothing.
        kernels: of the filters behind that.
        factor: what all is multiplied with.
    """

    sizes: Sizes | None = None
    noise: Added | None = None
    kernels: tuple[Kernel, ...] = ()
    factor: float = 1.0

    def then(self, other: Linear) -> Linear | None:
        """Both as one; None where something of the other goes before something of this one."""
        if other.sizes is not None and (self.sizes is not None or self.noise or self.kernels):
            return None
        if other.noise is not None and (self.noise is not None or self.kernels):
            return None
        return Linear(
            sizes=self.sizes or other.sizes,
            noise=self.noise or other.noise,  # its level follows that of what it is added to
            kernels=(*self.kernels, *other.kernels),
            factor=self.factor * other.factor,
        )

    def __call__(self, blocks: Blocks, rate: int) -> Blocks:
        """See ``sounds.Change``."""
        if self.sizes is None:
            return self._at_its_speed(blocks, rate)
        kernel, lead = _joined(self.kernels, rate)
        if lead:  # filters that look ahead are another pass
            return replace(self, sizes=None, noise=None)(
                replace(self, kernels=(), factor=1.0)(blocks, rate), rate
            )
        return _Pass(self.sizes, self.noise, kernel, self.factor).run(blocks, rate)

    def _at_its_speed(self, blocks: Blocks, rate: int) -> Blocks:
        if self.noise is not None:
            blocks = self.noise.added(blocks, rate)
        if not self.kernels:
            factor = np.float32(self.factor)
            return blocks if self.factor == 1.0 else (block * factor for block in blocks)
        kernel, lead = _joined(self.kernels, rate)
        return convolved(blocks, self.factor * kernel, lead)


def _joined(kernels: tuple[Kernel, ...], rate: int) -> tuple[NDArray[np.float64], int]:
    """Filters one behind the other as one, and what they are moved by together."""
    found, moved = np.ones(1), 0
    for kernel in kernels:
        taps, lead = kernel(rate)
        moved += lead
        if len(found) == 1:
            found = found[0] * taps
            continue
        size = len(found) + len(taps) - 1
        fast = fourier().next_fast_len(size, real=True)
        both = fourier().rfft(found, fast) * fourier().rfft(taps, fast)
        found = fourier().irfft(both, fast)[:size]
    return found, moved


class _Pass:
    """One pass over a recording.

    Args:
        sizes: of transforms that change the speed.
        noise: what is added behind that, drawn anew for each transform.
        kernel: the filter behind that.
        factor: what all is multiplied with.
    """

    def __init__(
        self, sizes: Sizes, noise: Added | None, kernel: NDArray[np.float64], factor: float
    ) -> None:
        self._fourier = fourier()
        common = math.gcd(*sizes)
        self._part = Sizes(sizes.inputs // common, sizes.outputs // common)
        speed = sizes.speed
        reach = math.ceil(_REACH * max(1.0, speed) / self._part.inputs)
        before = reach + -(-(len(kernel) - 1) // self._part.outputs)
        self._before = Sizes(*(before * each for each in self._part))
        self._overlap = Sizes(*((before + reach) * each for each in self._part))
        least = max(_LONGER * self._overlap.outputs, _LEAST)
        self._sizes = self._fast(least)
        group = ROWS * self._step(self._sizes).inputs
        self._given_at = -(-HELD // group) * group
        self._kernel = (factor * kernel).astype(np.float32)
        self._filters: dict[int, NDArray[np.complex64]] = {}
        self._noise = noise
        self._level = 0.0
        self._sound = None if noise is None else noise.spectra()

    def run(self, blocks: Blocks, rate: int) -> Blocks:
        """The changed samples: ``n`` become ``n / speed``, rounded, at least one."""
        speed, noise = self._sizes.speed, self._noise
        held, ready = [np.zeros(self._before.inputs, np.float32)], 0
        taken = given = 0
        if noise is not None:
            first, rest = opening(blocks, round(LOOKED_AT * rate * speed))
            self._level = noise.level(power(first))
            blocks = chain((first, rest), blocks)
        for block in blocks:
            held.append(block)
            ready, taken = ready + len(block), taken + len(block)
            # What lies behind the last window is in the next ones, too.
            whole = (ready - self._overlap.inputs) // self._given_at * self._given_at
            if whole > 0:
                joined = np.concatenate(held)
                found = self._changed(joined, self._sizes, whole // self._step(self._sizes).inputs)
                given += len(found)
                yield found
                held, ready = [joined[whole:].copy()], ready - whole
        wanted = (max(round(taken / speed), 1) if taken else 0) - given
        if wanted <= 0:
            return
        step = self._step(self._sizes).outputs
        rows = 1 if wanted <= step else ROWS * -(-wanted // (ROWS * step))
        sizes = self._fast(self._overlap.outputs + -(-wanted // rows))
        padded = np.zeros((rows - 1) * self._step(sizes).inputs + sizes.inputs, np.float32)
        place = 0
        for block in held:
            block = block[: len(padded) - place]
            padded[place : place + len(block)] = block
            place += len(block)
        yield self._changed(padded, sizes, rows)[:wanted]

    def _fast(self, outputs: int) -> Sizes:
        """The smallest sizes of this ratio that transforms are fast with, from so many outputs."""
        times = 2 * self._fourier.next_fast_len(-(-outputs // (2 * self._part.outputs)))
        return Sizes(times * self._part.inputs, times * self._part.outputs)

    def _step(self, sizes: Sizes) -> Sizes:
        return Sizes(sizes.inputs - self._overlap.inputs, sizes.outputs - self._overlap.outputs)

    def _changed(self, samples: Samples, sizes: Sizes, rows: int) -> Samples:
        """What so many windows give; the first begins where the samples do."""
        step = self._step(sizes)
        windows = np.lib.stride_tricks.sliding_window_view(samples, sizes.inputs)[:: step.inputs]
        found = np.empty((rows, step.outputs), np.float32)
        for first in range(0, rows, ROWS):
            stop = min(first + ROWS, rows)
            found[first:stop] = self._through(windows[first:stop], sizes)
        return found.reshape(-1)

    def _through(self, windows: Samples, sizes: Sizes) -> Samples:
        """Windows ``[rows, inputs]``, changed, without what lies around their own part."""
        response = _response(sizes)
        known, outputs = len(response), sizes.outputs
        whole = self._fourier.rfft(windows)
        spectra = whole[:, :known]
        if self._sound is None:
            spectra *= response
        else:
            before = _energy(whole)
            spectra *= response
            if self._noise is not None and before > 0:
                passed = _energy(spectra) / (float(response[0]) ** 2 * before)
                self._level, self._noise = self._level * math.sqrt(passed), None
            beside = np.empty((len(windows), outputs // 2 + 1), np.complex64)
            for row in range(len(windows)):
                self._sound(outputs, self._level, beside[row])
            beside[:, :known] += spectra
            spectra = beside
        if len(self._kernel) > 1:
            if outputs not in self._filters:
                self._filters[outputs] = self._fourier.rfft(self._kernel, outputs)
            spectra *= self._filters[outputs][: spectra.shape[1]]
        else:
            spectra *= self._kernel[0]
        found = self._fourier.irfft(spectra, outputs)
        first = self._before.outputs
        mine: Samples = found[:, first : first + outputs - self._overlap.outputs]
        return mine


def _energy(spectra: NDArray[np.complex64]) -> float:
    """The sum of the squares."""
    return sum(float(np.vdot(row, row).real) for row in spectra)


@lru_cache(maxsize=512)
def _response(sizes: Sizes) -> NDArray[np.float32]:
    """The filter at the frequencies that both sizes have, and what their scales differ by."""
    narrow = min(1.0, 1 / sizes.speed)
    reach = math.ceil(_REACH / narrow)
    places = np.arange(-reach, reach + 1)
    taps = np.sinc(narrow * _EDGE * places) * np.kaiser(len(places), _BETA)
    around = np.zeros(sizes.inputs, np.float32)
    around[places] = taps / taps.sum()
    found = fourier().rfft(around).real * np.float32(sizes.outputs / sizes.inputs)
    return np.ascontiguousarray(found[: min(sizes) // 2 + 1])
