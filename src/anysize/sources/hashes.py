"""Hashes of record ids: what decides a record's split, whatever stands beside it."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

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


def mixed(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Hashes drawn anew for a seed: one round of SplitMix64's finaliser."""
    key = int.from_bytes(hashlib.blake2b(b"%d" % seed, digest_size=8).digest(), "little")
    value = hashes ^ np.uint64(key)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return value
