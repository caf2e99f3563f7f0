"""What the frame of a file says about its end: cut off, never finished, or followed by more.

libsndfile reads what it finds and says nothing: a WAV file that was cut off is shorter, one whose
header was never finished is empty, and of two Ogg or MP3 streams in one file only the first is
read. Here the chunks of WAV, the last page of Ogg and the first frame of MP3 are held against the
size of the file. Nothing is decoded; a bounded number of bytes is read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

_OPEN_ENDED = 0xFFFFFFFF
_MOST_CHUNKS = 1000
_OGG_TAIL = 1 << 17
_MP3_HEAD = 4096
_LAST_PAGE = 4
_FEW_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What is odd about the end of a file; the defaults are those of a sound one.

    Attributes:
        note: a sentence for the receipt.
        cut: whether the file ends before it should.
        missing_bytes: bytes of samples that the header names and the file does not have.
        frame_bytes: of one sample of all channels, where the format has such.
        further: why a part of the file is not read by libsndfile; empty where all of it is.
    """

    note: str = ""
    cut: bool = False
    missing_bytes: int = 0
    frame_bytes: int = 0
    further: str = ""


_SOUND = Tail()


def tail_of(file: BinaryIO, size: int) -> Tail:
    """What a file's own frame says about its end.

    Args:
        file: at its beginning.
        size: of the file in bytes.
    """
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav(file, size)
    if head[:4] == b"OggS":
        return _ogg(file, size)
    if head[:4] == b"FORM" and struct.unpack(">I", head[4:8])[0] + 8 > size + 1:
        return Tail(note="ends earlier than its header says: the file was cut off", cut=True)
    return _mp3(file, size, head) if _begins_mp3(head) else _SOUND


def _begins_mp3(head: bytes) -> bool:
    return head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0)


def _wav(file: BinaryIO, size: int) -> Tail:
    """Walks the chunks up to the samples."""
    place, frame = 12, 0
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return _SOUND
        name, length = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"fmt ":
            body = file.read(16)
            frame = struct.unpack("<H", body[12:14])[0] if len(body) == 16 else 0
        elif name == b"data":
            return _wav_data(file, place + 8, length, size, frame)
        place += 8 + length + length % 2
    return _SOUND


def _wav_data(file: BinaryIO, start: int, length: int, size: int, frame: int) -> Tail:
    there = size - start
    if length == _OPEN_ENDED:
        return Tail(note="its header leaves its length open; it was read to the end of the file")
    if length > there:
        return Tail(
            note="ends earlier than its header says: the file was cut off, or is not complete",
            cut=True,
            missing_bytes=length - there,
            frame_bytes=frame,
        )
    after = start + length + length % 2
    if size - after < 8:
        return _SOUND
    file.seek(after)
    head = file.read(8)
    chunk = all(32 <= byte < 127 for byte in head[:4])
    if chunk and after + 8 + struct.unpack("<I", head[4:])[0] <= size + 1:
        return _SOUND
    return Tail(
        further=f"its header names {length} bytes of samples, and {size - after} more follow that "
        "belong to no chunk: the header was not finished, or is wrong"
    )


def _ogg(file: BinaryIO, size: int) -> Tail:
    """Looks at the last page, and whether it belongs to the stream that the file begins with."""
    file.seek(0)
    first = file.read(27)
    start = max(size - _OGG_TAIL, 0)
    file.seek(start)
    data = file.read(_OGG_TAIL)
    at = data.rfind(b"OggS")
    if len(first) < 27 or at < 0 or len(data) - at < 27:
        return Tail(note="ends in the middle of a page of Ogg: the file was cut off", cut=True)
    page = data[at:]
    table = page[27 : 27 + page[26]]
    complete = len(table) == page[26] and len(page) >= 27 + len(table) + sum(table)
    if page[14:18] != first[14:18]:
        return Tail(further="it holds several streams one after the other")
    if not complete or not page[5] & _LAST_PAGE:
        return Tail(note="ends without a last page of Ogg: the file was cut off", cut=True)
    return _SOUND


def _mp3(file: BinaryIO, size: int, head: bytes) -> Tail:
    """Holds the bytes that the first frame names (Xing, Info) against those of the file."""
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        for byte in head[6:10]:
            start = start << 7 | byte & 0x7F
        start += 10
    file.seek(start)
    data = file.read(_MP3_HEAD)
    at = max(data.find(b"Xing"), data.find(b"Info"))
    if at < 0 or len(data) < at + 16:
        return _SOUND
    flags = struct.unpack(">I", data[at + 4 : at + 8])[0]
    if flags & 3 != 3:
        return _SOUND
    named = struct.unpack(">I", data[at + 12 : at + 16])[0]
    there = size - start
    if there < named - _FEW_BYTES // 4:
        return Tail(note="ends earlier than its first frame says: the file was cut off", cut=True)
    file.seek(start + named)
    follows = file.read(4)
    again = follows[:3] == b"ID3" or (
        len(follows) > 1 and follows[0] == 0xFF and follows[1] >= 0xE0
    )
    if there - named > _FEW_BYTES and again:
        return Tail(further="it holds several streams one after the other")
    return _SOUND
