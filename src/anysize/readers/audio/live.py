"""A recording without an end: it comes once, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.readers.audio.decoding import ArrayDecoder, Decoder, Header
from anysize.readers.audio.limits import refuse_unusual
from anysize.readers.audio.pcm import USUAL_RATE, LiveOptions, PcmDecoder
from anysize.readers.audio.sound import Sound

_PIECE = 1 << 15


class LiveSound(Sound):
    """Samples as they come; they can be read once.

    Args:
        decoder: makes samples of what comes.
        origin: for messages.
    """

    once = True

    def __init__(self, decoder: Decoder, origin: str) -> None:
        super().__init__(b"", origin)
        self._decoder: Decoder | None = decoder
        self._header = decoder.header

    @property
    def size_hint(self) -> float:
        """Nobody knows how long it will be."""
        return 0.0

    def _opened(self) -> Decoder:
        if self._decoder is None:
            raise DataError(
                self.origin,
                "comes once, and would have to be read twice: write it to a file, and give that",
            )
        found, self._decoder = self._decoder, None
        return found


def live_sound(stream: Any, origin: str, options: LiveOptions) -> LiveSound:
    """What gives samples, as a recording.

    Args:
        stream: a binary file, or an iterable of bytes or of arrays ``[n]`` or ``[n, channels]``;
            its ``notes()``, where it has them, are said in the end.
        origin: for messages.
        options: how bytes are written, and the rate of arrays.

    Raises:
        ConfigurationError: it gives something else.
        DataError: its beginning cannot be read.
    """
    notes = getattr(stream, "notes", tuple)
    if hasattr(stream, "read"):
        file = stream
        stream = iter(lambda: _some(file), b"")
    elif not isinstance(stream, Iterable) or isinstance(stream, str | bytes | np.ndarray):
        raise ConfigurationError(
            f"a live stream must be a binary file, or an iterable of bytes or arrays, and not "
            f"{type(stream).__name__}"
        )
    chunks = iter(stream)
    first = next(chunks, b"")
    rest = _again(first, chunks)
    if isinstance(first, bytes | bytearray | memoryview):
        return LiveSound(PcmDecoder(map(bytes, rest), origin, options, notes), origin)
    if not hasattr(first, "dtype"):
        raise ConfigurationError(
            f"a live stream must give bytes or arrays, and not {type(first).__name__}"
        )
    return LiveSound(_ArraysDecoder(rest, first, origin, options), origin)


def _some(file: Any) -> bytes:
    read = getattr(file, "read1", file.read)
    data = read(_PIECE)
    if isinstance(data, str):
        raise ConfigurationError("a live stream must be opened in binary mode (open(…, 'rb'))")
    return bytes(data or b"")


def _again(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


class _ArraysDecoder:
    """Arrays of samples, as they come."""

    def __init__(
        self, arrays: Iterator[Any], first: NDArray[Any], origin: str, options: LiveOptions
    ) -> None:
        names = ("pcm_format", "pcm_channels")
        given = [name for name in names if getattr(options, name) is not None]
        if given:
            raise ConfigurationError(
                [
                    f"{name} is for bytes: arrays have a type and a shape; leave it out"
                    for name in given
                ]
            )
        rate = options.pcm_rate or USUAL_RATE
        self._arrays, self._origin = arrays, origin
        channels = first.shape[1] if first.ndim == 2 else 1
        refuse_unusual(rate, channels, origin)
        self.header = Header(
            rate=rate, channels=channels, samples=None, kind="arrays", encoding=str(first.dtype)
        )

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """See ``readers.audio.decoding.Decoder``."""
        for array in self._arrays:
            one = ArrayDecoder(np.asarray(array), self.header.rate, self._origin)
            if one.header.channels != self.header.channels:
                raise DataError(
                    self._origin,
                    f"gave {self.header.channels} channels first, and then {one.header.channels}",
                )
            yield from one.blocks()

    def notes(self) -> tuple[str, ...]:
        """See ``readers.audio.decoding.Decoder``."""
        return ()

    def counts(self) -> dict[str, int]:
        """See ``readers.audio.decoding.Decoder``."""
        return {}

    def close(self) -> None:
        """Whoever gives the arrays closes what they come from."""
