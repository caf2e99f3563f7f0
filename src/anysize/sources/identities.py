"""Division by target: all records of one target go to the same part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Source
from anysize.sources.labels.targets import target_counts, targets
from anysize.sources.subset import Subset

_LEAST = 2
HELD_OUT = ("validation", "test")
"""What the shares of a division are for, in their order."""


def divide_by_target(source: Source, shares: Sequence[float], seed: int) -> list[Source | None]:
    """The remainder, then a part for each share, by the hash of targets.

    For recognition: a person whose pictures were learned from must be in no part that judges. A
    share of zero gives None; every other part gets at least two targets where that leaves as many
    for the rest. Records without a target stay in the remainder.

    Args:
        source: divided.
        shares: of the targets, for each part.
        seed: of the division.
    """
    chosen = parts_of(target_counts(source), shares, seed)
    parts = np.fromiter(
        (chosen.get(target, 0) if target is not None else 0 for target in targets(source)),
        dtype=np.int64,
        count=len(source),
    )

    def subset(part: int, label: str) -> Source:
        def keep(start: int, stop: int) -> NDArray[np.bool_]:
            kept: NDArray[np.bool_] = parts[start:stop] == part
            return kept

        return Subset(source, keep, label)

    found: list[Source | None] = [subset(0, f"{source.name} (training part)")]
    for part, share in enumerate(shares, start=1):
        label = f"{source.name} ({HELD_OUT[part - 1]} part)"
        found.append(subset(part, label) if share > 0 and part in chosen.values() else None)
    return found


def parts_of(counts: Mapping[str, int], shares: Sequence[float], seed: int) -> dict[str, int]:
    """The part of each target: 0 is the remainder, 1 the first share, and so on."""
    order = sorted(counts, key=lambda target: _hash(target, seed))
    parts = dict.fromkeys(order, 0)
    start = 0
    for part, share in enumerate(shares, start=1):
        wanted = max(round(share * len(order)), _LEAST) if share > 0 else 0
        if len(order) - start - wanted < _LEAST:
            continue
        for target in order[start : start + wanted]:
            parts[target] = part
        start += wanted
    return parts


def _hash(target: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{target}".encode(), digest_size=16).digest()


def empty_folders(data: str | Path) -> list[str]:
    """The folders of a folder of people that hold no files at all, by name."""
    root = Path(data)
    if not root.is_dir():
        return []
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    return [path.name for path in folders if not any(each.is_file() for each in path.rglob("*"))]
