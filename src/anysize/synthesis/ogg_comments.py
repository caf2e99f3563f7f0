"""Comments put into an Ogg Vorbis file, whose encoder does not take them (RFC 3533, Vorbis I).

The second and third packet of a stream are comments and setup. Where they lie in one page or in
two, as encoders write them, these pages are made anew, and all that follows is copied as it is.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

_MARK = b"OggS"
_HEAD = struct.Struct("<4sBBqIIIB")
_COMMENTS = b"\x03vorbis"
_LARGEST = 255 * 255 - 255  # bytes of the packets of a page
_POLYNOMIAL = 0x04C11DB7


class _Page(NamedTuple):
    kind: int
    place: int
    serial: int
    number: int
    lacing: bytes
    content: bytes


@contextlib.contextmanager
def with_comments(file: BinaryIO, comments: Sequence[str]) -> Iterator[BinaryIO]:
    """A temporary file for an Ogg Vorbis stream, which is copied into ``file`` with comments.

    Args:
        file: takes the stream.
        comments: ``NAME=value``; those that do not fit into their page are left out.

    Raises:
        OSError: the stream is not one.
    """
    name = getattr(file, "name", None)
    folder = str(Path(name).parent) if isinstance(name, str) else None
    with tempfile.TemporaryFile(dir=folder) as made:
        plain = cast(BinaryIO, made)
        yield plain
        plain.seek(0)
        file.write(_written(_read(plain)))
        pages: list[_Page] = []
        packets: list[bytes] = []
        while len(packets) < 2:
            pages.append(_read(plain))
            packets = _packets(pages)
        _, setup = packets
        room = _LARGEST - len(setup) if len(pages) == 1 else _LARGEST
        own = _comments(comments, room)
        replaced: list[tuple[bytes, ...]] = (
            [(own, setup)] if len(pages) == 1 else [(own,), (setup,)]
        )
        if len(packets) != 2 or len(pages) > 2:
            raise OSError("the encoder wrote its headers in pages of another kind")
        for page, held in zip(pages, replaced, strict=True):
            lacing = b"".join(map(_lacing, held))
            file.write(_written(page._replace(kind=0, lacing=lacing, content=b"".join(held))))
        shutil.copyfileobj(plain, file, 1 << 20)


def _read(file: BinaryIO) -> _Page:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or head[:4] != _MARK:
        raise OSError("the encoder wrote no Ogg stream")
    _, _, kind, place, serial, number, _, count = _HEAD.unpack(head)
    lacing = file.read(count)
    return _Page(kind, place, serial, number, lacing, file.read(sum(lacing)))


def _packets(pages: Sequence[_Page]) -> list[bytes]:
    """The packets that end in these pages."""
    found, held = [], b""
    for page in pages:
        at = 0
        for size in page.lacing:
            held += page.content[at : at + size]
            at += size
            if size < 255:
                found.append(held)
                held = b""
    return found


def _lacing(packet: bytes) -> bytes:
    return bytes([255] * (len(packet) // 255) + [len(packet) % 255])


def _written(page: _Page) -> bytes:
    head = _HEAD.pack(
        _MARK, 0, page.kind, page.place, page.serial, page.number, 0, len(page.lacing)
    )
    whole = bytearray(head + page.lacing + page.content)
    whole[22:26] = struct.pack("<I", _checksum(whole))
    return bytes(whole)


def _checksum(content: bytes | bytearray) -> int:
    found = 0
    for byte in content:
        found = ((found << 8) & 0xFFFFFFFF) ^ _TABLE[(found >> 24) ^ byte]
    return found


def _entry(byte: int) -> int:
    found = byte << 24
    for _ in range(8):
        found = ((found << 1) ^ (_POLYNOMIAL if found & 0x80000000 else 0)) & 0xFFFFFFFF
    return found


_TABLE = tuple(map(_entry, range(256)))


def _comments(comments: Sequence[str], room: int) -> bytes:
    vendor = b"anysize"
    size = len(_COMMENTS) + 4 + len(vendor) + 4 + 1
    found: list[bytes] = []
    for comment in comments:
        one = comment.encode("utf-8", "replace")
        size += 4 + len(one)
        if size > room:
            break
        found.append(struct.pack("<I", len(one)) + one)
    head = _COMMENTS + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(found))
    return head + b"".join(found) + b"\x01"
