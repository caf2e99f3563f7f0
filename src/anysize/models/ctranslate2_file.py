"""What is in a file of CTranslate2 (``model.bin``): names, shapes and tensors.

The layout is that of version 6 of the format (CTranslate2, ``python/ctranslate2/specs``): a header,
then for each tensor its name, shape, type and bytes, then aliases.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError

FILE = "model.bin"
_VERSIONS = (5, 6)
_KINDS = {0: "<f4", 1: "i1", 2: "<i2", 4: "<f2"}
_SCALE = "_scale"
_MOST_TENSORS, _MOST_AXES, _LONGEST = 100_000, 8, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A converted model.

    Attributes:
        kind: name of its specification (``WhisperSpec``).
        shapes: of its tensors, by name.
    """

    kind: str
    shapes: Mapping[str, tuple[int, ...]]

    def count(self, beginning: str) -> int:
        """How many layers there are whose names begin so and go on with a number."""
        ends = (name.removeprefix(beginning) for name in self.shapes if name.startswith(beginning))
        return len({number for end in ends if (number := end.partition("/")[0]).isdigit()})


def read_header(path: Path) -> Converted:
    """The names and shapes of a file's tensors; they are not read.

    Raises:
        BundleError: it is none of CTranslate2, damaged or cut off.
    """
    kind, places = _contents(path)
    return Converted(kind=kind, shapes={name: each.shape for name, each in places.items()})


def read_tensors(path: Path, beginning: str) -> dict[str, NDArray[np.float32]]:
    """Tensors whose names begin so, in float32; those of 8 bits times their scales.

    Raises:
        BundleError: as `read_header`, or one is of a type that is not read.
    """
    _, places = _contents(path)
    found: dict[str, NDArray[np.float32]] = {}
    with path.open("rb") as file:
        for name, place in places.items():
            if not name.startswith(beginning):
                continue
            kind = _KINDS.get(place.kind)
            count = math.prod(place.shape)
            if kind is None or count * np.dtype(kind).itemsize != place.size:
                raise BundleError(str(path), f"has the tensor {name} in a form that is not read")
            file.seek(place.start)
            values = np.frombuffer(file.read(place.size), kind).reshape(place.shape)
            found[name] = values.astype(np.float32)
    for name in [each for each in found if each.endswith(_SCALE)]:
        scaled = name.removesuffix(_SCALE)
        found[scaled] = found[scaled] / found.pop(name).reshape(-1, *[1] * (found[scaled].ndim - 1))
    return found


class _Place(NamedTuple):
    """Where a tensor lies: its shape, type, first byte and bytes."""

    shape: tuple[int, ...]
    kind: int
    start: int
    size: int


def _contents(path: Path) -> tuple[str, dict[str, _Place]]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _read(file, size, str(path))
    except (OSError, struct.error, UnicodeDecodeError) as error:
        raise BundleError(str(path), f"is no model of CTranslate2, or cut off: {error}") from error


def _read(file: BinaryIO, size: int, origin: str) -> tuple[str, dict[str, _Place]]:
    if (version := _number(file, "I")) not in _VERSIONS:
        raise BundleError(
            origin,
            f"is version {version} of CTranslate2's format, and {_VERSIONS[0]} and {_VERSIONS[1]} "
            "are read; convert the model again",
        )
    kind = _name(file)
    _number(file, "I")  # the revision of the specification
    count = _number(file, "I")
    if count > _MOST_TENSORS:
        raise BundleError(origin, f"names {count} tensors")
    found: dict[str, _Place] = {}
    for _ in range(count):
        name, axes = _name(file), _number(file, "B")
        if axes > _MOST_AXES:
            raise BundleError(origin, f"names a tensor of {axes} axes")
        shape = tuple(_number(file, "I") for _ in range(axes))
        own, length = _number(file, "B"), _number(file, "I")
        found[name] = _Place(shape, own, file.tell(), length)
        behind = file.tell() + length
        if behind > size:
            raise BundleError(origin, f"is cut off in the tensor {name}")
        file.seek(behind)
    aliases = _number(file, "I")
    if aliases > _MOST_TENSORS:
        raise BundleError(origin, f"names {aliases} aliases")
    for _ in range(aliases):
        alias, name = _name(file), _name(file)
        if name not in found:
            raise BundleError(origin, f"calls {alias} what it does not have: {name}")
        found[alias] = found[name]
    return kind, found


def _number(file: BinaryIO, kind: str) -> int:
    layout = struct.Struct(f"<{kind}")
    found: int = layout.unpack(file.read(layout.size))[0]
    return found


def _name(file: BinaryIO) -> str:
    length = _number(file, "H")
    if length > _LONGEST:
        raise struct.error(f"a name of {length} bytes")
    return file.read(length).rstrip(b"\0").decode("utf-8")
