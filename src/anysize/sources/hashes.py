"""Hashes of record ids: what decides a record's split, whatever is beside it."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from anysize.core.mixing import finalised, finalised_without_first
from anysize.core.records import Source, record_id


def id_hashes(source: Source, start: int, stop: int) -> NDArray[np.uint64]:
    """A 64-bit hash of each id ``[start, stop)``, uniform over its range.

    A source with a method ``id_hashes(start, stop)`` gives its own without reading records;
    otherwise records are read for their ids and hashed by BLAKE2.
    """
    own = getattr(source, "id_hashes", None)
    if own is not None:
        found: NDArray[np.uint64] = own(start, stop)
        return found
    data = b"".join(
        hashlib.blake2b(record_id(source, index).encode(), digest_size=8).digest()
        for index in range(start, stop)
    )
    return np.frombuffer(data, dtype="<u8")


def row_hashes(name: str, start: int, stop: int) -> NDArray[np.uint64]:
    """A hash of each row ``[start, stop)`` of a file: BLAKE2 of its name, mixed with the number."""
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    value = np.arange(start, stop, dtype=np.uint64)
    value *= np.uint64(0x9E3779B97F4A7C15)
    value += np.uint64(seed)
    return finalised(value)


def mixed(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Hashes drawn anew for a seed."""
    key = int.from_bytes(hashlib.blake2b(b"%d" % seed, digest_size=8).digest(), "little")
    return finalised_without_first(hashes ^ np.uint64(key))
