"""Seeded mutations of bytes: what happens to files on disks, in transfer and by malice."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000)
_EXTREMES += (0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)

_HEAD = 512
"""Lengths, sizes and tags stand at the beginning of most formats: half the places are there."""


def flip(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """Some bytes become others."""
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        data[_place(data, random)] = random.randrange(256)
    return data


def flip_bit(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """One bit changes."""
    data[_place(data, random)] ^= 1 << random.randrange(8)
    return data


def cut(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """The end is missing."""
    return data[: _place(data, random)]


def remove(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """Some bytes in the middle are missing."""
    start = _place(data, random)
    del data[start : start + random.choice((1, 2, 4, 64, 1024))]
    return data


def blank(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """A hole: zeros, or one value."""
    start = _place(data, random)
    size = min(random.choice((4, 64, 512, 4096)), len(data) - start)
    data[start : start + size] = bytes([random.choice((0, 0, 0xFF, 0x20))]) * size
    return data


def insert(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """Bytes that do not belong there."""
    start = _place(data, random)
    data[start:start] = random.randbytes(random.choice((1, 2, 16, 256, 4096)))
    return data


def append(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """Something behind the end."""
    return data + random.choice(
        (random.randbytes(64), bytes(1 << 16), bytes(random.choice(others)))
    )


def repeat(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """A block comes several times."""
    start = _place(data, random)
    block = data[start : start + random.choice((4, 32, 256, 4096))]
    times = random.choice((1, 2, 16, 256))
    data[start:start] = block * min(times, (1 << 20) // max(len(block), 1))
    return data


def splice(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """The beginning of one file and the end of another."""
    other = random.choice(others)
    return data[: _place(data, random)] + other[random.randrange(len(other) or 1) :]


def number(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """A length, a count or a size becomes an extreme one."""
    order = random.choice("<>")
    kind, size = random.choice((("H", 2), ("I", 4), ("Q", 8)))
    start = _place(data, random)
    value = random.choice(_EXTREMES) & ((1 << 8 * size) - 1)
    data[start : start + size] = struct.pack(order + kind, value)
    return data


def swap(data: bytearray, random: Random, others: Sequence[bytes]) -> bytearray:
    """Two blocks change places."""
    size = random.choice((1, 4, 16, 256))
    first, second = sorted((_place(data, random), _place(data, random)))
    if second + size <= len(data) and first + size <= second:
        data[first : first + size], data[second : second + size] = (
            data[second : second + size],
            data[first : first + size],
        )
    return data


Mutator = Callable[[bytearray, Random, Sequence[bytes]], bytearray]
MUTATORS: tuple[Mutator, ...] = (
    flip, flip_bit, cut, remove, blank, insert, append, repeat, splice, number, number, swap,
)  # fmt: skip


def mutate(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """One to four mutations of a file's bytes.

    Args:
        data: a valid file.
        random: decides everything.
        others: valid files, for splices; the file itself by default.
    """
    result = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        if not result:
            break
        result = random.choice(MUTATORS)(result, random, others or (data,))
    return bytes(result)


def mutated_file(folder: Path, random: Random, into: Path) -> Path:
    """One file of the folder, mutated, under its own name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    chosen = random.choice(paths)
    same = [path for path in paths if path.suffix == chosen.suffix]
    other = random.choice(same if random.random() < 0.5 else paths)
    result = into / chosen.name
    result.write_bytes(mutate(chosen.read_bytes(), random, (other.read_bytes(),)))
    return result


def _place(data: bytearray, random: Random) -> int:
    reach = min(len(data), _HEAD) if random.random() < 0.5 else len(data)
    return random.randrange(reach)
