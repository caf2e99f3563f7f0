"""How large a recording may be, and how it is read: judged before and while it is decoded."""

from __future__ import annotations

from anysize.core.errors import DataError

BLOCK = 1 << 16
"""Numbers that are decoded at a time, of all channels together."""

MOST_CHANNELS = 64
"""Channels of one recording at most."""

RATES = (1_000, 768_000)
"""Samples a second: the fewest and the most."""

LONGEST_HOURS = 1_000
"""Hours of one recording at most: six weeks. A small file that claims more is a bomb."""

MOST_BYTES = 1 << 30
"""Bytes of a recording that is held in memory, as a cell of a table holds it (1 GiB)."""


def refuse_unusual(rate: int, channels: int, origin: str) -> None:
    """Raises DataError for a rate or a number of channels that no recording has."""
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(
            origin,
            f"has {rate} samples a second by its header; a recording may have from {RATES[0]} to "
            f"{RATES[1]}",
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise DataError(
            origin,
            f"has {channels} channels by its header; a recording may have from 1 to "
            f"{MOST_CHANNELS}",
        )


def refuse_long(samples: int, rate: int, origin: str) -> None:
    """Raises DataError for a recording of more hours than are read."""
    if samples > LONGEST_HOURS * 3600 * rate:
        raise DataError(
            origin,
            f"is longer than {LONGEST_HOURS} hours; cut it into several files",
        )


def refuse_once(sound: object, why: str) -> None:
    """Raises DataError for a recording that comes once, before any of it is read.

    Args:
        sound: the recording.
        why: what it would have to be read twice for.
    """
    if getattr(sound, "once", False):
        origin = getattr(sound, "origin", "a recording")
        raise DataError(
            str(origin),
            f"comes once, and {why} reads a recording twice: write it to a file, and give that",
        )
