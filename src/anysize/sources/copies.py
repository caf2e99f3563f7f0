"""Records with the same content: kept in one part, and found on both sides of a split."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.core.files import write_bytes
from anysize.core.findings import Findings
from anysize.core.records import Source, record_id
from anysize.sources.cache import cache_folder
from anysize.sources.content import NOTHING, contents

_LEAST_CONTENTS = 30
_LARGE = 20
_MOST_NAMED = 5
KEPT_FROM = 50_000
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Records of a source whose content an earlier one has.

    Attributes:
        index: of the copies, ascending, int64.
        first: of each the first record with that content.
        size: of the source.
    """

    index: NDArray[np.int64]
    first: NDArray[np.int64]
    size: int

    def together(self) -> Copies | None:
        """Those that a division should keep in one part; None where it should not.

        A table of few different rows (three columns of yes and no) could not be divided otherwise.
        """
        return self if self.size - len(self.index) >= _LEAST_CONTENTS and len(self.index) else None

    def large(self) -> NDArray[np.bool_]:
        """Of each copy, whether so many others are like it that they are for training alone."""
        _, inverse, counts = np.unique(self.first, return_inverse=True, return_counts=True)
        large: NDArray[np.bool_] = (counts[inverse] + 1) * _LARGE > max(self.size, _LARGE * 20)
        return large


def copies_in(source: Source, roles: Collection[str] | None = None) -> Copies | None:
    """The copies in a source; None where it has too many records to look.

    Those of large sources are kept in the cache.

    Args:
        source: the records.
        roles: the fields that count; None counts all.
    """
    size = len(source)
    if size < KEPT_FROM:
        return _found(source, roles)
    words = f"{_VERSION} {source.fingerprint()}"
    if roles is not None:
        words += f" {sorted(roles)}"
    key = hashlib.blake2b(words.encode(), digest_size=16)
    place = cache_folder() / f"{key.hexdigest()}.copies.npy"
    try:
        index, first = np.load(place, allow_pickle=False)
        return Copies(index=index, first=first, size=size)
    except (OSError, ValueError, EOFError):
        found = _found(source, roles)
    if found is not None:
        with contextlib.suppress(OSError):
            held = io.BytesIO()
            np.save(held, np.stack([found.index, found.first]), allow_pickle=False)
            write_bytes(place, held.getvalue(), durable=False)
    return found


def _found(source: Source, roles: Collection[str] | None) -> Copies | None:
    hashes = contents(source, roles=roles)
    if hashes is None:
        return None
    found = hashes[0]
    order = np.argsort(found, kind="stable")
    ranked = found[order]
    new = np.ones(len(ranked), dtype=bool)
    new[1:] = ranked[1:] != ranked[:-1]
    new |= ranked == NOTHING
    firsts = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    copies = np.flatnonzero(~new)
    index = order[copies]
    ascending = np.argsort(index)
    return Copies(
        index=index[ascending].astype(np.int64),
        first=firsts[copies][ascending].astype(np.int64),
        size=len(found),
    )


def tell_copies(source: Source, copies: Copies | None, findings: Findings) -> None:
    """Says of a source that is divided how many of its records are copies."""
    if copies is None:
        findings.add(
            "copies-not-looked-for",
            f"{source.name}: copies were not looked for, because there are {len(source):,} records",
            level="note",
            count=len(source),
            unit="records",
        )
        return
    count = len(copies.index)
    if not count:
        return
    kept = copies.together() is not None
    findings.add(
        "copies",
        f"{source.name}: records have the same content as an earlier one; "
        + (
            "all of a kind are kept in one part"
            if kept
            else f"there are only {copies.size - count:,} different ones, so that they are in all "
            "parts, and what is measured says how well they are remembered"
        ),
        level="warning" if not kept or count * 20 > copies.size else "note",
        count=count,
        unit="records",
        examples=[
            f"{record_id(source, int(index))} = {record_id(source, int(first))}"
            for index, first in zip(
                copies.index[:_MOST_NAMED], copies.first[:_MOST_NAMED], strict=True
            )
        ],
    )


def seen_in(training: Source, judged: Source) -> NDArray[np.bool_] | None:
    """Which records of ``judged`` have the content of one in ``training``; None if too many."""
    found = contents(training, judged)
    if found is None:
        return None
    learned, held = found
    seen: NDArray[np.bool_] = np.isin(held, learned[learned != NOTHING])
    return seen


def tell_seen(
    judged: Source, part: str, seen: NDArray[np.bool_] | None, findings: Findings
) -> None:
    """Says how many records of a part have the content of a training record."""
    if seen is None:
        findings.add(
            "copies-not-looked-for",
            f"{judged.name}: copies of training records were not looked for, because there are too "
            "many records",
            level="note",
            count=len(judged),
            unit="records",
        )
    elif seen.any():
        places = np.flatnonzero(seen)
        findings.add(
            "copies-across-parts",
            f"{judged.name}: records of the {part} part have the same content as a training record",
            count=len(places),
            unit="records",
            examples=[record_id(judged, int(place)) for place in places[:_MOST_NAMED]],
            remedy="what is measured on them says how well they are remembered; evaluate gives the "
            "score with and without them",
        )
