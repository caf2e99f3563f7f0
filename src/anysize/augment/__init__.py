"""Augmentation: random changes of training pictures, fixed by (seed, epoch, record, window)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Augmentation(Protocol):
    """Changes one picture. What it does depends only on ``draw``, never on global state."""

    spec: str

    def __call__(
        self, pixels: NDArray[np.uint8], draw: tuple[int, int, str, int]
    ) -> NDArray[np.uint8]:
        """A new uint8 ``[height, width, 3]`` array.

        Args:
            pixels: the picture or tile.
            draw: seed, epoch, record id and window index.
        """
        ...
