"""Picture augmentation policies.

``none`` leaves pictures as they are; ``standard`` flips left-right with probability one half and
shifts by up to an eighth of each side, reflecting at the border (He et al. 2016, section 4.2).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from anysize.augment import Augmentation
from anysize.core.errors import ConfigurationError

PROVIDES = ("none", "standard")


def make(spec: str) -> Augmentation | None:
    """The augmentation of a specification; None for ``none``.

    Raises:
        ConfigurationError: not a known policy.
    """
    if spec == "none":
        return None
    if spec == "standard":
        return Standard()
    raise ConfigurationError(f"augment must be one of {', '.join(PROVIDES)}, not {spec!r}")


class Standard:
    """A random left-right flip and a random shift with reflected borders."""

    spec = "standard"

    def __call__(
        self, pixels: NDArray[np.uint8], draw: tuple[int, int, str, int]
    ) -> NDArray[np.uint8]:
        flip, down, across = generator(draw).random(3)
        height, width = pixels.shape[:2]
        if flip < 0.5:
            pixels = pixels[:, ::-1]
        reach_down, reach_across = height // 8, width // 8
        if reach_down == 0 and reach_across == 0:
            return pixels
        top = int(down * (2 * reach_down + 1))
        left = int(across * (2 * reach_across + 1))
        margins = ((reach_down, reach_down), (reach_across, reach_across), (0, 0))
        padded = np.pad(pixels, margins, mode="reflect")
        return padded[top : top + height, left : left + width]


def generator(draw: tuple[int, int, str, int]) -> np.random.Generator:
    """A random generator that depends on the draw alone."""
    seed, epoch, record, window = draw
    text = f"{seed}\0{epoch}\0{record}\0{window}".encode()
    return np.random.Generator(
        np.random.Philox(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little"))
    )
