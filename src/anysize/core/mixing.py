"""Mixing of 64-bit numbers, so that near ones become far apart: the finaliser of SplitMix64.

Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def finalised(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A one-to-one map of the 64-bit numbers, in new memory."""
    return finalised_without_first(values ^ (values >> np.uint64(30)))


def finalised_number(value: int) -> int:
    """``finalised`` of one number, which may have more than 64 bits: the others are left out."""
    value &= _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def finalised_without_first(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The same without its first shift, which numbers that are hashes already do not need."""
    found = values * np.uint64(_FIRST)
    found ^= found >> np.uint64(27)
    found *= np.uint64(_SECOND)
    found ^= found >> np.uint64(31)
    return found
