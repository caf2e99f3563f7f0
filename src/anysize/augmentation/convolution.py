"""Convolution of a stream with a kernel, by Fourier transforms of one fixed size.

Transforms are in float32, several at once: SciPy computes as many of them side by side as a
processor's registers have places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError

ROWS = 4
"""Transforms at once: as many as SciPy computes side by side in registers."""
_LEAST = 8192
"""Samples of the smallest transform."""
_LONGER = 3
"""A transform is at least so many times as long as the kernel: less of it is read twice."""
HELD = 1 << 18
"""Samples that are waited for: of a recording that ends before, transforms have sizes that fit."""


class Convolution:
    """Overlap-save: what is given depends on the samples alone, not on how they come in pieces.

    Args:
        kernel: ``[n]``; what comes before the first sample is taken as zero.
        held: samples that are waited for, at most, before any are given.

    Raises:
        MissingExtraError: SciPy is not installed.
    """

    def __init__(self, kernel: NDArray[np.floating[Any]], held: int = 0) -> None:
        self._fourier = fourier()
        self._kernel = kernel.astype(np.float32)
        self._before = len(kernel) - 1
        self._size = max(1 << (_LONGER * len(kernel) - 1).bit_length(), _LEAST)
        self._step = self._size - self._before
        group = ROWS * self._step
        self._given_at = max(-(-held // group), 1) * group
        self._spectra: dict[int, NDArray[np.complex64]] = {}
        self._held: list[NDArray[np.float32]] = [np.zeros(self._before, np.float32)]
        self._count = 0

    def add(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes the next samples, gives those that fill groups of transforms."""
        self._held.append(block)
        self._count += len(block)
        whole = self._count // self._given_at * self._given_at
        if not whole:
            return np.zeros(0, np.float32)
        held = np.concatenate(self._held)
        self._held, self._count = [held[whole:].copy()], self._count - whole
        return self._convolved(held, whole, self._size)

    def rest(self) -> NDArray[np.float32]:
        """What is left once there are no more samples."""
        held, count = np.concatenate(self._held), self._count
        self._held, self._count = [held[count:].copy()], 0
        if not count:
            return np.zeros(0, np.float32)
        rows = 1 if count <= self._step else ROWS * -(-count // (ROWS * self._step))
        size = self._fourier.next_fast_len(self._before + -(-count // rows), real=True)
        step = size - self._before
        padded = np.zeros(self._before + rows * step, np.float32)
        padded[: len(held)] = held
        return self._convolved(padded, rows * step, size)[:count]

    def _convolved(
        self, samples: NDArray[np.float32], count: int, size: int
    ) -> NDArray[np.float32]:
        """``count`` samples from behind the first ``before``, by transforms of a size."""
        if size not in self._spectra:
            self._spectra[size] = self._fourier.rfft(self._kernel, size)
        spectrum, step = self._spectra[size], size - self._before
        windows = np.lib.stride_tricks.sliding_window_view(samples, size)[:count:step]
        found = np.empty((len(windows), step), np.float32)
        for first in range(0, len(windows), ROWS):
            product = self._fourier.rfft(windows[first : first + ROWS])
            product *= spectrum
            back = self._fourier.irfft(product, size, overwrite_x=True)
            found[first : first + ROWS] = back[:, self._before :]
        return found.reshape(-1)


def fourier() -> Any:
    """SciPy's transforms, which keep float32.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    try:
        import scipy.fft  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("scipy", "speech") from error
    return scipy.fft


def convolved(
    blocks: Iterable[NDArray[np.float32]], kernel: NDArray[np.floating[Any]], lead: int = 0
) -> Iterator[NDArray[np.float32]]:
    """As many samples as come in.

    Args:
        blocks: samples ``[n]`` in order.
        kernel: ``[n]``.
        lead: samples by which what is given is moved forward: the place of the kernel's middle.
    """
    stream, left = Convolution(kernel, HELD), lead
    for block in chain(blocks, (np.zeros(lead, np.float32), None)):
        found = stream.rest() if block is None else stream.add(block)
        if left:
            found, left = found[left:], max(left - len(found), 0)
        if len(found):
            yield found
