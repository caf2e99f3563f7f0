"""Numbers as a field: a ``.npy`` file read by region, or numbers that are in memory already."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.readers.files import open_regular

SUFFIXES = (".npy",)

_HELD = {
    "U": "text",
    "S": "text",
    "O": "empty cells, words or lists of different lengths",
    "M": "dates",
    "m": "spans of time",
    "c": "complex numbers",
}
_APART = re.compile(r"[\s,;]+")


class Features:
    """A vector ``(features,)`` or a sequence ``(steps, features)`` of finite numbers.

    A file is mapped for the time of each read, so that its pages do not stay in memory; pickled
    objects in it are never loaded.

    Args:
        content: path of a ``.npy`` file, or the numbers.
        origin: for messages; None is the path.
        names: what the features are called.
    """

    def __init__(
        self,
        content: Path | NDArray[Any] | Sequence[Any],
        origin: str | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self._path = content if isinstance(content, Path) else None
        self._origin = origin or (str(content) if isinstance(content, Path) else "numbers")
        self._names = tuple(names)
        self._values: NDArray[np.float32] | None = None
        if not isinstance(content, Path):
            self._values = self._checked(self._array(content))

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._opened().shape)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        if self._values is not None:
            return self._values[start:stop]
        return self._checked(self._opened()[start:stop])

    def _opened(self) -> NDArray[Any]:
        if self._values is not None:
            return self._values
        assert self._path is not None
        try:
            # A pipe would be waited for.
            os.close(open_regular(self._path))
            found: NDArray[Any] = np.load(self._path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise DataError(self._origin, "there is no such file") from None
        except Exception as error:
            raise DataError(self._origin, f"is not a file of numbers (.npy): {error}") from error
        return self._numeric(found)

    def _array(self, content: NDArray[Any] | Sequence[Any]) -> NDArray[Any]:
        try:
            return self._numeric(np.asarray(content))
        except (ValueError, TypeError) as error:
            raise DataError(
                self._origin, f"must be a list of numbers, or lists of the same length: {error}"
            ) from error

    def _numeric(self, values: NDArray[Any]) -> NDArray[Any]:
        if values.dtype.kind not in "biuf":
            held = _HELD.get(values.dtype.kind, str(values.dtype))
            raise DataError(self._origin, f"must hold numbers, not {held}")
        if values.ndim not in (1, 2):
            raise DataError(
                self._origin,
                f"must be a vector or a sequence of vectors, but the shape is {values.shape}",
            )
        return values

    def _checked(self, values: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            found = np.array(values, np.float32)
        if not np.isfinite(found).all():
            raise DataError(
                self._origin, "holds numbers that are missing, infinite or too large for float32"
            )
        return found


def parse_numbers(text: str, origin: str) -> list[float]:
    """Numbers written with commas, semicolons or spaces between, in brackets or not.

    Raises:
        DataError: one of them is none.
    """
    found = []
    for part in filter(None, _APART.split(text.strip().strip("[]()"))):
        try:
            found.append(float(part))
        except ValueError:
            raise DataError(origin, f"must hold numbers, but {part!r} is none") from None
    return found
