"""Handwritten digits from scikit-learn: a training folder and a page of 100 megapixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError

SIDE = 32
CELL = 64
CELLS = 160  # 160 cells of 64 pixels: 10,240 pixels a side, 104.9 megapixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """Pictures ``[n, 8, 8]`` uint8 and their labels ``[n]``."""

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]


def split() -> tuple[Digits, Digits]:
    """The digits to learn from and those held out (the last fifth: other writers)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "demo") from error
    data = load_digits()
    pictures = np.round(255 - data.images * (255 / 16)).astype(np.uint8)
    border = len(pictures) * 4 // 5
    return (
        Digits(pictures=pictures[:border], labels=data.target[:border]),
        Digits(pictures=pictures[border:], labels=data.target[border:]),
    )


def write_folders(folder: Path, train: Digits, test: Digits) -> None:
    """``train/3/0017.png`` and so on."""
    import cv2

    for name, digits in (("train", train), ("test", test)):
        for index, (picture, label) in enumerate(zip(digits.pictures, digits.labels, strict=True)):
            path = folder / name / str(label) / f"{index:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), _enlarged(picture, SIDE))


def write_page(path: Path, digits: Digits, seed: int = 0) -> NDArray[np.int64]:
    """A page of ``CELLS`` rows of ``CELLS`` digits; returns the labels ``[rows, columns]``."""
    import cv2

    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(digits.labels), (CELLS, CELLS))
    large = np.stack([_enlarged(picture, CELL) for picture in digits.pictures])
    page = np.empty((CELLS * CELL, CELLS * CELL), np.uint8)
    for row in range(CELLS):
        band = large[chosen[row]]  # [columns, CELL, CELL]
        page[row * CELL : (row + 1) * CELL] = band.transpose(1, 0, 2).reshape(CELL, -1)
    cv2.imwrite(str(path), page, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return digits.labels[chosen]


def _enlarged(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
