"""Safetensors read and written part by part, so that neither side is ever held whole.

The format (https://huggingface.co/docs/safetensors/index#format): eight bytes with the length of a
header, a header in JSON with each tensor's type, shape and place, then the bytes of the tensors
without holes. Reading by `safetensors` maps the file, and what was touched of a map counts as
resident memory; here parts are read and forgotten.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysize.core.errors import BundleError
from anysize.core.files import disk_errors, move_in, scratch

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_NAMES = {kind: name for name, kind in _TYPES.items()}
# What the safetensors library allows.
_LARGEST_HEADER = 100_000_000
_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file.

    Attributes:
        kind: of its numbers.
        shape: of the whole.
        file: where it lies; ``start`` is its first byte there.
    """

    kind: torch.dtype
    shape: tuple[int, ...]
    file: Path
    start: int

    @property
    def row(self) -> int:
        """Bytes of one entry along the first axis."""
        return math.prod(self.shape[1:]) * self.kind.itemsize

    def blocks(self, most: int) -> Iterator[tuple[int, Tensor]]:
        """The tensor in blocks of whole rows, at most ``most`` bytes each where a row allows it.

        Yields:
            The first row of the block, and the block.

        Raises:
            BundleError: the file is shorter than its header says.
        """
        rows = self.shape[0] if self.shape else 1
        step = max(most // max(self.row, 1), 1)
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.start)
            for first in range(0, rows, step):
                count = min(step, rows - first)
                found = np.fromfile(stream, np.uint8, count * self.row)
                if found.size != count * self.row:
                    raise BundleError(str(self.file), "is shorter than its header says")
                shape = (count, *self.shape[1:]) if self.shape else ()
                yield first, torch.from_numpy(found).view(self.kind).view(shape)


def stored(folder: Path) -> dict[str, Stored]:
    """The tensors of a folder's weights, in one file or in several with an index.

    Raises:
        BundleError: there are none, or a file is damaged.
    """
    if (folder / SINGLE).is_file():
        return read_header(folder / SINGLE)
    if not (folder / INDEX).is_file():
        raise BundleError(str(folder), f"has neither {SINGLE} nor {INDEX}")
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(str(folder / INDEX), f"is not an index of weights: {error!r}") from error
    named = places(index, str(folder / INDEX))
    found: dict[str, Stored] = {}
    for name in sorted(set(named.values())):
        found |= read_header(folder / name)
    if missing := sorted(set(named) - set(found)):
        raise BundleError(str(folder), f"has no weights for {', '.join(missing[:3])}")
    return found


def places(index: Any, origin: str) -> Mapping[str, str]:
    """Which file each tensor lies in, by an index of weights in several files.

    Args:
        index: the value of its JSON.
        origin: names the index in errors.

    Raises:
        BundleError: it is no index, or names something else than safetensors files beside it.
    """
    named = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(named, dict) or not named:
        raise BundleError(origin, "is not an index of weights: it has no weight_map")
    for name in named.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise BundleError(origin, f"names a file outside its folder: {name!r}")
        if not name.endswith(".safetensors"):
            raise BundleError(
                origin, f"names {name!r}; only safetensors files are read, never pickles"
            )
    return named


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors of one file.

    Raises:
        BundleError: it is not a safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(_LARGEST_HEADER, size - 8):
                raise ValueError(f"a header of {length} bytes")
            entries = json.loads(stream.read(length))
        entries.pop("__metadata__", None)
        return {name: _stored(path, 8 + length, size, entry) for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(str(path), f"is not a safetensors file: {error}") from error


def _stored(path: Path, begin: int, size: int, entry: Mapping[str, Any]) -> Stored:
    kind, shape = _TYPES[entry["dtype"]], tuple(entry["shape"])
    start, stop = entry["data_offsets"]
    whole = all(type(each) is int and each >= 0 for each in (*shape, start, stop))
    if not whole or stop - start != math.prod(shape) * kind.itemsize or begin + stop > size:
        raise ValueError(f"shape {shape} does not fit its place {start} to {stop}")
    return Stored(kind, shape, path, begin + start)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a file of tensors: beside its place, then renamed.

    Raises:
        OSError: it cannot be written; the library's own error is of another kind.
    """
    from safetensors.torch import save_file

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with scratch(path.parent, "tensors") as folder, disk_errors(path):
        save_file(plain, folder / path.name, metadata=None if metadata is None else dict(metadata))
        move_in(folder, path.parent)


class TensorFileWriter:
    """Writes a safetensors file whose tensors come in parts, in any order.

    Args:
        path: of the file; replaced where it is there.
        tensors: type and shape of each.
        metadata: texts for its header.
    """

    def __init__(
        self,
        path: Path,
        tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
        metadata: Mapping[str, str],
    ) -> None:
        header: dict[str, Any] = {"__metadata__": dict(metadata)}
        end = 0
        self._places: dict[str, tuple[int, int]] = {}
        # The widest numbers first: each then lies at a multiple of its width.
        for name, (kind, shape) in sorted(
            tensors.items(), key=lambda item: (-item[1][0].itemsize, item[0])
        ):
            start, end = end, end + math.prod(shape) * kind.itemsize
            header[name] = {
                "dtype": _NAMES[kind], "shape": list(shape), "data_offsets": [start, end]
            }  # fmt: skip
            self._places[name] = (start, math.prod(shape[1:]) * kind.itemsize)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        self._begin = 8 + len(text)
        self._stream = path.open("wb")
        self._stream.write(len(text).to_bytes(8, "little") + text)
        self._stream.truncate(self._begin + end)

    def write(self, name: str, block: Tensor, row: int = 0) -> None:
        """Puts rows of a tensor in their place.

        Args:
            name: of the tensor.
            block: whole rows of its type.
            row: the first of them.
        """
        start, width = self._places[name]
        self._stream.seek(self._begin + start + row * width)
        self._stream.write(block.contiguous().view(-1).view(torch.uint8).numpy().data)

    def __enter__(self) -> TensorFileWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
