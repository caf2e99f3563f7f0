"""What decodes a recording: libsndfile, ffmpeg, or an array that is in memory already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.readers.audio.limits import BLOCK, MOST_CHANNELS, refuse_unusual


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of a recording before it is decoded.

    Attributes:
        rate: samples a second, of each channel.
        channels: how many there are.
        samples: of each channel, as the file claims; None where it does not say.
        kind: the format, for people (``WAV``, ``FLAC``, …).
        encoding: of its samples (``PCM_16``, ``VORBIS``, …).
        notes: what is odd about the file, in plain sentences.
        cut: whether the file ends before its own frame does.
        further: why a part of the file is not decoded; empty where all of it is.
    """

    rate: int
    channels: int
    samples: int | None
    kind: str
    encoding: str
    notes: tuple[str, ...] = ()
    cut: bool = False
    further: str = ""


class DamagedError(Exception):
    """Decoding stopped in the middle of a recording; the message says why."""


class Decoder(Protocol):
    """One pass over a recording."""

    @property
    def header(self) -> Header: ...

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The samples in order, ``[n, channels]``; a block is valid until the next one is asked.

        Raises:
            DamagedError: the rest cannot be decoded.
        """
        ...

    def notes(self) -> tuple[str, ...]:
        """What decoding showed, in plain sentences, once all was read."""
        ...

    def counts(self) -> dict[str, int]:
        """How many of what else there is, such as tracks, once all was read."""
        ...

    def close(self) -> None:
        """Releases the file or the process; called once, also where not all was read."""
        ...


class ArrayDecoder:
    """Samples in memory.

    Args:
        samples: ``[samples]`` or ``[samples, channels]``: floats from -1 to 1, or whole numbers
            of their type's full range.
        rate: samples a second.
        origin: for messages.

    Raises:
        DataError: another shape or type.
    """

    def __init__(self, samples: NDArray[Any], rate: int, origin: str) -> None:
        if samples.dtype.kind not in "iuf" or samples.dtype.itemsize > 8:
            raise DataError(origin, f"must hold numbers, not {samples.dtype}")
        if samples.ndim not in (1, 2):
            raise DataError(
                origin,
                f"must be samples [n] or [n, channels], but the shape is {tuple(samples.shape)}",
            )
        table = samples[:, None] if samples.ndim == 1 else samples
        if table.shape[1] > MOST_CHANNELS:
            raise DataError(
                origin,
                f"must be [n, channels], and {tuple(samples.shape)} would be {table.shape[1]} "
                "channels: turn it round (.T)",
            )
        refuse_unusual(rate, table.shape[1], origin)
        self._table = table
        self.header = Header(
            rate=rate,
            channels=table.shape[1],
            samples=len(table),
            kind="array",
            encoding=str(samples.dtype),
        )

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        size = max(BLOCK // self.header.channels, 1)
        for start in range(0, len(self._table), size):
            yield _scaled(self._table[start : start + size])

    def notes(self) -> tuple[str, ...]:
        return ()

    def counts(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


def _scaled(block: NDArray[Any]) -> NDArray[np.float32]:
    """Floats from -1 to 1."""
    kind = block.dtype
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return block.astype(np.float32)
    half = 2.0 ** (8 * kind.itemsize - 1)
    values = block.astype(np.float64)
    if kind.kind == "u":
        values -= half
    found: NDArray[np.float32] = (values / half).astype(np.float32)
    return found
