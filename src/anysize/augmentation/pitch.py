"""Steps that change how high recordings sound, and not how long they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draws
from anysize.augmentation.parameters import Range, span
from anysize.augmentation.sounds import Blocks, Change, Samples, SoundStep
from anysize.augmentation.steps import CHANCE, Step
from anysize.readers.audio.resampling import resampled

PROVIDES = ("pitch",)

_PARTS = 1000
"""Pitches are multiples of one of so many parts."""
_HOPS = 50
"""Pieces that are laid over each other in a second; each is twice as long."""
_REACH = 100
"""Part of a second by which a piece may be moved to fit the one before."""
_GIVEN = 64
"""Pieces that are given at once."""


@dataclass(frozen=True, kw_only=True)
class Pitch(SoundStep):
    """Makes a recording sound higher or lower, and leaves it as long as it is."""

    name: ClassVar[str] = "pitch"
    semitones: Range = field(
        default=Range(-2.0, 2.0), metadata=span("by how much", -12, 12, "around zero")
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        higher = round(_PARTS * 2 ** (self.semitones.at(draws.uniform()) / 12))

        def run(blocks: Blocks, rate: int) -> Blocks:
            counted = _Counted(blocks)
            longer = stretched(counted.blocks(), higher / _PARTS, rate)
            return counted.as_long(resampled(longer, higher, _PARTS))

        return None if higher == _PARTS else run


def stretched(blocks: Blocks, factor: float, rate: int) -> Iterator[Samples]:
    """The samples ``factor`` times as long at the same pitch.

    Overlapping pieces are taken at another distance than they are laid down, each from where it is
    most like what would follow the one before (WSOLA, Verhelst and Roelands 1993). What is given
    depends on the samples alone, not on how they come.

    Args:
        blocks: samples ``[n]`` in order.
        factor: above 0.
        rate: samples a second.
    """
    hop, reach = max(rate // _HOPS, 8), max(rate // _REACH, 2)
    fade = (0.5 - 0.5 * np.cos(np.pi * (np.arange(hop) + 0.5) / hop)).astype(np.float32)
    held = _Held(blocks)
    place, given, out = 0, 0, []
    # What the piece before adds to the next one.
    tail = held.at(0, hop) * (1 - fade)
    while not held.ends_at or given < round(held.ends_at * factor):
        if given:
            near = round(given / factor)
            place = _likest(held, max(near - reach, 0), near + reach, place + hop, hop)
            held.forget(min(place + hop, max(round((given + hop) / factor) - reach, 0)))
        piece = held.at(place, 2 * hop)
        out.append(tail + piece[:hop] * fade)
        tail = piece[hop:] * (1 - fade)
        given += hop
        if len(out) == _GIVEN and not held.ends_at:
            yield np.concatenate(out)
            out = []
    if held.ends_at:
        rest = np.concatenate([np.zeros(0, np.float32), *out])
        over = given - round(held.ends_at * factor)
        yield rest[: len(rest) - over]


def _likest(held: _Held, first: int, last: int, following: int, hop: int) -> int:
    """Where in ``[first, last]`` the samples are most like those at ``following``."""
    wanted = held.at(following, hop)
    area = held.at(first, last - first + hop)
    likeness = np.correlate(area, wanted, "valid")
    squares = np.concatenate([[0.0], np.cumsum(np.square(area, dtype=np.float64))])
    energy = np.maximum(squares[hop:] - squares[:-hop], 1e-9)
    return first + int((likeness / np.sqrt(energy)).argmax())


class _Held:
    """Samples that come as a stream, of which a part is at hand."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._held = np.zeros(0, np.float32)
        self._first = 0
        self.ends_at = 0
        """How many there are; 0 until the end was seen."""

    def at(self, start: int, count: int) -> NDArray[np.float32]:
        """Samples ``[start, start + count)``, zeros behind the end."""
        stop = start + count
        pieces, there = [self._held], self._first + len(self._held)
        while there < stop and not self.ends_at:
            block = next(self._blocks, None)
            if block is None:
                self.ends_at = there
                break
            pieces.append(block)
            there += len(block)
        if len(pieces) > 1:
            self._held = np.concatenate(pieces)
        found = self._held[max(start - self._first, 0) : max(stop - self._first, 0)]
        return found if len(found) == count else np.pad(found, (0, count - len(found)))

    def forget(self, before: int) -> None:
        """What lies before is not asked for again."""
        cut = min(before - self._first, len(self._held))
        if cut > _GIVEN * 100:
            self._held = self._held[cut:]
            self._first += cut


class _Counted:
    """Samples that are counted on their way, so that as many come out as went in."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._count = 0

    def blocks(self) -> Iterator[Samples]:
        for block in self._blocks:
            self._count += len(block)
            yield block

    def as_long(self, found: Blocks) -> Iterator[Samples]:
        """What is given, cut off or followed by zeros where rounding made it longer or shorter."""
        given = 0
        late = np.zeros(0, np.float32)
        for block in found:
            given += len(late)
            if len(late):
                yield late
            late = block
        late = late[: max(self._count - given, 0)]
        given += len(late)
        yield np.concatenate([late, np.zeros(self._count - given, np.float32)])


STEPS: tuple[type[Step], ...] = (Pitch,)
