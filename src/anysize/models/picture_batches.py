"""Pictures of a batch to the float32 tensor that a module takes."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysize.augmentation.sample import Normalisation

# Values that are worked on at a time: they stay in the cache, and torch does not divide so few
# among threads, whose cores are the readers' by then.
_VALUES = (1 << 15) - 1


class PictureBatches:
    """Stacks uint8 pictures of one size and normalises them: ``(level / 255 - mean) / std``.

    On a CPU the pictures go into the batch piece by piece, while they are in the cache, and the
    batch's memory is used again as soon as no tensor looks at it any more: new memory for
    every batch would cost as much as the arithmetic, in the system's zeroing of its pages. Safe to
    use from several threads.

    Args:
        mean: of the levels of each channel, in parts of 255.
        std: likewise.
        device: where the tensor is wanted.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu"
    ) -> None:
        self._device = torch.device(device)
        scale, shift = Normalisation(mean=tuple(mean), std=tuple(std)).affine()
        self._affine = torch.from_numpy(scale).float(), torch.from_numpy(shift).float()
        self._memory = _Memory()

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Float32 ``[n, 3, height, width]``, channels last in memory.

        Args:
            pictures: uint8 ``[height, width, 3]`` each.
        """
        if self._device.type != "cpu":
            levels = torch.from_numpy(np.stack(pictures)).to(self._device)
            scale, shift = (of.to(self._device) for of in self._affine)
            return torch.addcmul(shift, levels.to(torch.float32), scale).permute(0, 3, 1, 2)
        height, width, channels = pictures[0].shape
        scale, shift = (of.repeat(width) for of in self._affine)
        values = torch.from_numpy(self._memory.lend((len(pictures), height, width * channels)))
        together = max(_VALUES // (height * width * channels), 1)
        rows = max(_VALUES // (width * channels), 1)
        for first in range(0, len(pictures), together):
            whole = values[first : first + together].view(-1, width * channels)
            levels = _levels(pictures[first : first + together]).view(whole.shape)
            for part, found in zip(levels.split(rows), whole.split(rows), strict=True):
                found.copy_(part)
                torch.addcmul(shift, found, scale, out=found)
        return values.view(len(pictures), height, width, channels).permute(0, 3, 1, 2)


def _levels(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """uint8 ``[n, height, width, 3]``, a view where it may be one."""
    # Torch has no tensors that only can be read, and none that go backwards.
    flags = pictures[0].flags
    if len(pictures) == 1 and flags.writeable and flags.c_contiguous:
        return torch.from_numpy(pictures[0][None])
    return torch.from_numpy(np.stack(pictures))


class _Memory:
    """Arrays that are lent again once their borrowers have gone."""

    # Who asks for the next batch often still holds the last one.
    _MOST = 2

    def __init__(self) -> None:
        self._loans: list[tuple[NDArray[np.float32], weakref.ref[NDArray[np.float32]]]] = []
        self._lock = threading.Lock()

    def lend(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Float32 of that shape with any values, the borrower's alone.

        A tensor made of the array keeps it borrowed as long as any tensor shares its memory.
        """
        size = math.prod(shape)
        with self._lock:
            out = [loan for loan in self._loans if loan[1]() is not None]
            free = [array for array, lent in self._loans if lent() is None and array.size >= size]
            array = free[0] if free else np.empty(size, np.float32)
            found = array[:size].reshape(shape)
            self._loans = [*out, (array, weakref.ref(found))][-self._MOST :]
            return found
