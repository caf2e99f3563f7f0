"""The header of a GGUF file: its metadata, and where its tensors lie.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Nothing of a header is believed
before it is known to lie inside the file, so that a damaged one costs neither time nor memory.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError

_VERSIONS = (2, 3)
_MOST_ENTRIES = 1 << 16
_MOST_TEXT = 1 << 24  # bytes
_MOST_ITEMS = 1 << 22  # of an array
_MOST_AXES = 4
_MOST_NUMBERS = 1 << 42  # of a tensor
_TEXT, _ARRAY = 8, 9
# Codes of struct by the numbers of the format.
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in the file.

    Attributes:
        shape: as torch has it, the fastest axis last.
        kind: number of its encoding.
        start: its first byte in the file.
    """

    shape: tuple[int, ...]
    kind: int
    start: int

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What comes before the weights.

    Attributes:
        path: of the file.
        size: of the file, bytes.
        entries: the metadata by name.
        tensors: by name.
    """

    path: Path
    size: int
    entries: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def architecture(self) -> str:
        """Name of the architecture, as llama.cpp has it."""
        return str(self.entries.get("general.architecture", ""))

    def own(self, name: str, default: Any = None) -> Any:
        """An entry of the architecture (``llama.block_count``)."""
        return self.entries.get(f"{self.architecture}.{name}", default)

    def whole(self, name: str, default: int | None = None) -> int:
        """An entry of the architecture that must be a whole number above 0.

        Raises:
            BundleError: it is missing or something else.
        """
        found = self.own(name, default)
        if type(found) is not int or not 0 < found < 1 << 31:
            raise BundleError(
                str(self.path),
                f"its entry {self.architecture}.{name} must be a whole number above 0, not "
                f"{found!r:.60}",
            )
        return found

    def token(self, name: str) -> int | None:
        """The id of a special token (``eos``); None where the file names none.

        Raises:
            BundleError: there is no such token.
        """
        found = self.entries.get(f"tokenizer.ggml.{name}_token_id")
        tokens = self.entries.get("tokenizer.ggml.tokens", [])
        if found is None or (type(found) is int and 0 <= found < len(tokens)):
            return found
        raise BundleError(
            str(self.path), f"its {name} token is {found!r:.60}, and it has {len(tokens)} tokens"
        )


def unpacked_size(header: Header) -> int:
    """Bytes of all weights in float32."""
    return 4 * sum(each.numbers for each in header.tensors.values())


def read_header(path: Path) -> Header:
    """The header of a file.

    Raises:
        BundleError: it cannot be read, is damaged or cut off, or of another version.
    """
    try:
        size = path.stat().st_size
        if not path.is_file() or not size:
            raise BundleError(str(path), "is not a GGUF file: it is empty or no file")
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return _read(path, _Cursor(data, size))
    except OSError as error:
        raise BundleError(str(path), f"cannot be read: {error.strerror or error}") from error
    except struct.error as error:
        raise BundleError(
            str(path), "is a damaged GGUF file: it ends before its header does"
        ) from error
    except (ValueError, OverflowError) as error:
        raise BundleError(str(path), f"is a damaged GGUF file: {error}") from error


class _Cursor:
    """Reads the header from its beginning on."""

    def __init__(self, data: mmap.mmap, size: int) -> None:
        self._data, self.size, self.at = data, size, 0

    def take(self, codes: str) -> tuple[Any, ...]:
        """Numbers, by the codes of struct."""
        layout = f"<{codes}"
        found = struct.unpack_from(layout, self._data, self.at)
        self.at += struct.calcsize(layout)
        return found

    def text(self) -> str:
        """A text behind its length."""
        (length,) = self.take("Q")
        if length > min(_MOST_TEXT, self.size - self.at):
            raise ValueError(f"a text of {length} bytes at byte {self.at}")
        found = self._data[self.at : self.at + length]
        self.at += length
        # Tokens may be parts of characters, which is of no harm to others.
        return found.decode("utf-8", "replace")

    def value(self) -> Any:
        """The value of an entry, behind its type."""
        (kind,) = self.take("I")
        if kind in _SCALARS:
            return self.take(_SCALARS[kind])[0]
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            raise ValueError(f"a value of the unknown type {kind}")
        of, count = self.take("IQ")
        if count > min(_MOST_ITEMS, self.size - self.at):
            raise ValueError(f"an array of {count} items at byte {self.at}")
        if of in _SCALARS:
            return list(self.take(f"{count}{_SCALARS[of]}"))
        if of == _TEXT:
            return [self.text() for _ in range(count)]
        raise ValueError(f"an array of the unknown type {of}")


def _read(path: Path, cursor: _Cursor) -> Header:
    magic, version = cursor.take("4sI")
    if magic != b"GGUF":
        raise BundleError(str(path), "is not a GGUF file: it does not begin with GGUF")
    if version not in _VERSIONS:
        why = "of the other byte order" if version > 1 << 16 else f"of version {version}"
        raise BundleError(str(path), f"is a GGUF file {why}; versions 2 and 3 are read")
    count, more = cursor.take("QQ")
    if max(count, more) > _MOST_ENTRIES:
        raise ValueError(f"{count} tensors and {more} entries")
    entries: dict[str, Any] = {}
    for _ in range(more):
        name = cursor.text()
        entries[name] = cursor.value()
    if int(entries.get("split.count", 0) or 0) > 1:
        raise BundleError(
            str(path),
            "is one of several parts; join them first (llama-gguf-split --merge PART OUT.gguf)",
        )
    infos = dict(_infos(cursor, count))
    if len(infos) != count:
        raise ValueError("two tensors of one name")
    step = entries.get("general.alignment", 32)
    if type(step) is not int or not 0 < step <= 1 << 16:
        raise ValueError(f"an alignment of {step!r:.60}")
    begin = -(-cursor.at // step) * step
    tensors = {}
    for name, (shape, kind, offset) in infos.items():
        if begin + offset > cursor.size:
            raise ValueError(f"{name} lies behind the end of the file, which is cut off")
        tensors[name] = Tensor(shape, kind, begin + offset)
    return Header(path, cursor.size, entries, tensors)


def _infos(cursor: _Cursor, count: int) -> Iterator[tuple[str, tuple[tuple[int, ...], int, int]]]:
    for _ in range(count):
        name = cursor.text()
        (axes,) = cursor.take("I")
        if axes > _MOST_AXES:
            raise ValueError(f"{name} has {axes} axes")
        shape = tuple(reversed(cursor.take(f"{axes}Q")))
        if not all(shape) or math.prod(shape) > _MOST_NUMBERS:
            raise ValueError(f"{name} has the shape {list(shape)}")
        kind, offset = cursor.take("IQ")
        yield name, (shape, kind, offset)
