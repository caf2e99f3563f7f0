"""Comments put into a FLAC file, whose encoder does not take them (RFC 9639, section 8.6)."""

from __future__ import annotations

import contextlib
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

_MARK = b"fLaC"
_COMMENTS, _LAST = 4, 0x80
_VENDOR = b"anysize"
_LARGEST = (1 << 24) - 1


@contextlib.contextmanager
def with_comments(file: BinaryIO, comments: Sequence[str]) -> Iterator[BinaryIO]:
    """A temporary file for a FLAC stream, which is copied into ``file`` with comments.

    Args:
        file: takes the stream.
        comments: ``NAME=value``; those that do not fit into a block of 16 MiB are left out.
    """
    folder = getattr(file, "name", None)
    with tempfile.TemporaryFile(dir=_folder(folder)) as made:
        plain = cast(BinaryIO, made)
        yield plain
        plain.seek(0)
        if plain.read(4) != _MARK:
            raise OSError("the encoder wrote no FLAC stream")
        file.write(_MARK)
        last = False
        first = True
        while not last:
            kind, size = _head(plain)
            last, kind = bool(kind & _LAST), kind & ~_LAST
            content = plain.read(size)
            if kind != _COMMENTS:
                file.write(_block(kind, content, last=False))
            if first:  # the stream's own information comes first
                block = _content(comments)
                file.write(_block(_COMMENTS, block, last=False))
                first = False
        file.write(_block(1, b"", last=True))  # padding of no bytes ends the blocks
        shutil.copyfileobj(plain, file, 1 << 20)


def _folder(name: object) -> str | None:
    from pathlib import Path

    return str(Path(name).parent) if isinstance(name, str) else None


def _head(file: BinaryIO) -> tuple[int, int]:
    head = file.read(4)
    return head[0], int.from_bytes(head[1:], "big")


def _block(kind: int, content: bytes, *, last: bool) -> bytes:
    return bytes([kind | (_LAST if last else 0)]) + len(content).to_bytes(3, "big") + content


def _content(comments: Sequence[str]) -> bytes:
    found: list[bytes] = []
    size = 8 + len(_VENDOR)
    for comment in comments:
        one = comment.encode("utf-8", "replace")
        size += 4 + len(one)
        if size > _LARGEST:
            break
        found.append(struct.pack("<I", len(one)) + one)
    head = struct.pack("<I", len(_VENDOR)) + _VENDOR + struct.pack("<I", len(found))
    return head + b"".join(found)
