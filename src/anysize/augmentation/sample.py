"""A picture with what is known about it, before and after augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """What turns levels into a model's input: ``(level / 255 - mean) / std`` for each channel."""

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or not min(self.std) > 0:
            raise ConfigurationError(
                f"mean and std must have three values, std above zero, not {self.mean} and "
                f"{self.std}"
            )

    def affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scale and shift of each channel: values are ``level * scale + shift``."""
        scale = 1 / (255 * np.array(self.std))
        return scale, -255 * np.array(self.mean) * scale

    def values(self, levels: NDArray[Any]) -> NDArray[np.float32]:
        """The values ``[3, n]`` of levels ``[n]``, or of ``[3, n]`` for each channel its own."""
        mean, std = np.array(self.mean)[:, None], np.array(self.std)[:, None]
        found: NDArray[np.float32] = ((levels / 255 - mean) / std).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What is known about a picture. Coordinates are pixels; pixel i covers [i, i + 1).

    Attributes:
        boxes: float ``[n, 4]``: left, top, right, bottom.
        oriented: float ``[n, 5]``: centre x, centre y, width, height, and degrees by which the
            width's side is turned clockwise as displayed.
        keypoints: float ``[n, 2]`` or ``[n, k, 2]``: x, y.
        mask: labels ``[h, w]`` or ``[h, w, n]`` of any type.
    """

    boxes: NDArray[Any] | None = None
    oriented: NDArray[Any] | None = None
    keypoints: NDArray[Any] | None = None
    mask: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        faults = []
        for name, last in (("boxes", 4), ("oriented", 5), ("keypoints", 2)):
            value = getattr(self, name)
            if value is None:
                continue
            shaped = value.ndim == 2 or (name == "keypoints" and value.ndim == 3)
            if not shaped or value.shape[-1] != last:
                faults.append(f"{name} must have the shape [n, {last}], not {list(value.shape)}")
        if self.mask is not None and self.mask.ndim not in (2, 3):
            faults.append(f"mask must be [height, width], not {list(self.mask.shape)}")
        if faults:
            raise ConfigurationError(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmented:
    """A picture after augmentation.

    Attributes:
        pixels: uint8 ``[h, w, 3]``, or float32 where a normalisation was asked for.
        boxes: float32 ``[k, 4]``, those that are still visible, clipped.
        kept: int64 ``[k]``: which of the boxes they are.
        oriented: float32 ``[k, 5]``, those that are still visible, not clipped.
        oriented_kept: int64 ``[k]``: which of them they are.
        keypoints: float32, all of them; compare with the picture's size to see which are inside.
        mask: labels ``[h, w]`` or ``[h, w, n]``.
        matrix: 3x3, from coordinates of the picture before to those of the picture after
            (elastic bending left out).
    """

    pixels: NDArray[Any]
    matrix: NDArray[np.float64]
    boxes: NDArray[np.float32] | None = None
    kept: NDArray[np.int64] | None = None
    oriented: NDArray[np.float32] | None = None
    oriented_kept: NDArray[np.int64] | None = None
    keypoints: NDArray[np.float32] | None = None
    mask: NDArray[Any] | None = None

    @property
    def mirrored(self) -> bool:
        """Whether left and right have changed places, so that names of keypoints must follow."""
        return bool(np.linalg.det(self.matrix) < 0)
