"""Samples as they come from a microphone or a pipe: raw PCM, or behind the header of a WAV file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.options import Options, option
from anysize.readers.audio.decoding import Header
from anysize.readers.audio.limits import BLOCK, MOST_CHANNELS, RATES, refuse_unusual

USUAL_RATE, USUAL_FORMAT, USUAL_CHANNELS = 16_000, "s16le", 1

FORMATS = MappingProxyType({"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8})
"""Formats of samples by the names that ffmpeg and arecord have for them, and bytes of a sample."""

_WHOLE = {(1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le"}
_WAV_FORMATS = {**_WHOLE, (3, 32): "f32le", (3, 64): "f64le"}
_EXTENSIBLE = 0xFFFE
_OPEN = 0x7FFF0000
"""Bytes: a header that names so many, or none, was written before anybody knew how many."""
_LONGEST_CHUNK, _MOST_CHUNKS = 1 << 20, 100
_OTHERS = {
    b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"FORM": "AIFF", b".snd": "AU",
    b"caff": "CAF", b"\x1aE\xdf\xa3": "Matroska or WebM", b"wvpk": "WavPack",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LiveOptions(Options):
    """How samples on standard input (-) are written."""

    table: ClassVar[str] = "live"
    heading: ClassVar[str] = "Live input"

    pcm_rate: int | None = option(
        None, low=RATES[0], high=RATES[1], unit="samples a second",
        automatic="16000, or what a WAV header says",
        help="Rate of raw samples on standard input.",
    )  # fmt: skip
    pcm_format: str | None = option(
        None, choices=tuple(FORMATS), automatic="s16le, or what a WAV header says",
        help="Format of raw samples on standard input, as ffmpeg -f has it.",
    )  # fmt: skip
    pcm_channels: int | None = option(
        None, low=1, high=MOST_CHANNELS, automatic="1, or what a WAV header says",
        help="Channels of raw samples on standard input, which are mixed to one.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How samples are written.

    Attributes:
        rate: samples a second.
        encoding: one of `FORMATS`.
        channels: of them, one after the other in each frame.
        announced: bytes of samples that a header names; None where it leaves that open.
        wav: whether there is a header.
    """

    rate: int = USUAL_RATE
    encoding: str = USUAL_FORMAT
    channels: int = USUAL_CHANNELS
    announced: int | None = None
    wav: bool = False

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return FORMATS[self.encoding] * self.channels

    def words(self) -> str:
        """For people."""
        named = "a WAV header" if self.wav else "raw samples"
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        return f"{named}: {self.encoding}, {self.rate} samples a second, {channels}"


class PcmDecoder:
    """One pass over samples that come.

    Args:
        chunks: bytes of any length, in order; it may have no end.
        origin: for messages.
        options: how raw samples are written.
        notes: what is to be said in the end by whoever gives the chunks.

    Raises:
        DataError: it begins as a file of another format, or its header is damaged.
        ConfigurationError: the options are not what its header says.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        origin: str,
        options: LiveOptions,
        notes: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._source = _Source(chunks)
        self._origin = origin
        self._more = notes
        self.layout = self._begun(options)
        self._left = self._behind = self._short = 0
        layout = self.layout
        refuse_unusual(layout.rate, layout.channels, origin)
        self.header = Header(
            rate=layout.rate, channels=layout.channels, samples=None,
            kind="WAV" if layout.wav else "PCM", encoding=layout.encoding,
        )  # fmt: skip

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """See ``readers.audio.decoding.Decoder``."""
        layout, held = self.layout, b""
        room = layout.announced
        for chunk in self._source.rest():
            taken = chunk if room is None else chunk[:room]
            if room is not None:
                room -= len(taken)
                self._behind += len(chunk) - len(taken)
            held += taken
            whole = len(held) - len(held) % layout.frame
            if whole:
                yield decoded(held[:whole], layout)
                held = held[whole:]
        self._left = len(held)
        self._short = room or 0

    def notes(self) -> tuple[str, ...]:
        """See ``readers.audio.decoding.Decoder``."""
        layout, found = self.layout, []
        if layout.wav and layout.announced is None:
            found.append("its WAV header leaves its length open; it was read to its end")
        elif self._short:
            found.append(
                f"ended {self._short // layout.frame} samples before the length in its WAV header"
            )
        if self._left:
            found.append(
                f"ended within a sample: its last {self._left} bytes are fewer than the "
                f"{layout.frame} of a sample of all channels, and were left out"
            )
        if self._behind:
            found.append(
                f"{self._behind} bytes behind the samples that its WAV header names were not read"
            )
        return (*found, *self._more())

    def counts(self) -> dict[str, int]:
        """See ``readers.audio.decoding.Decoder``."""
        found = {"bytes_of_half_a_sample": self._left, "bytes_behind": self._behind}
        return {name: count for name, count in found.items() if count}

    def close(self) -> None:
        """Whoever gives the chunks closes what they come from."""

    def _begun(self, options: LiveOptions) -> Layout:
        """What the first bytes say, or else the options."""
        head = self._source.peek(12)
        for magic, name in _OTHERS.items():
            if head.startswith(magic):
                raise DataError(
                    self._origin,
                    f"begins as a file of the format {name}; give samples: ffmpeg -i FILE -ac 1 "
                    "-ar 16000 -f s16le - | anysize predict …, or the name of the file",
                )
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
            self._source.take(12)
            return self._agreed(self._wav(), options)
        return Layout(
            rate=options.pcm_rate or USUAL_RATE,
            encoding=options.pcm_format or USUAL_FORMAT,
            channels=options.pcm_channels or USUAL_CHANNELS,
        )

    def _wav(self) -> Layout:
        """Walks the chunks of a header up to the samples, which are left."""
        layout: Layout | None = None
        long = None  # the length of an RF64 file
        for _ in range(_MOST_CHUNKS):
            head = self._source.take(8)
            if len(head) < 8:
                break
            name, length = head[:4], struct.unpack("<I", head[4:])[0]
            if name == b"data":
                if layout is None:
                    raise DataError(self._origin, "has a WAV header without a format before data")
                length = long if long is not None else length
                announced = None if not 0 < length < _OPEN and long is None else length
                return replace(layout, announced=announced)
            if length > _LONGEST_CHUNK:
                break
            body = self._source.take(length + length % 2)
            if name == b"fmt ":
                layout = self._format(body)
            elif name == b"ds64" and len(body) >= 16:
                long = struct.unpack("<Q", body[8:16])[0]
                long = None if not 0 < long < 1 << 62 else long
        raise DataError(self._origin, "has a WAV header that is damaged: no samples follow it")

    def _format(self, body: bytes) -> Layout:
        if len(body) < 16:
            raise DataError(self._origin, "has a WAV header that is cut off")
        kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
        if kind == _EXTENSIBLE and len(body) >= 26:
            kind = struct.unpack("<H", body[24:26])[0]
        encoding = _WAV_FORMATS.get((kind, bits))
        if encoding is None:
            raise DataError(
                self._origin,
                f"has a WAV header of the format {kind} with {bits} bits, which is not read from "
                "a pipe: write it to a file, or convert it (ffmpeg -f s16le -)",
            )
        return Layout(rate=rate, encoding=encoding, channels=channels, wav=True)

    def _agreed(self, layout: Layout, options: LiveOptions) -> Layout:
        said = {"rate": options.pcm_rate, "format": options.pcm_format}
        said["channels"] = options.pcm_channels
        own = {"rate": layout.rate, "format": layout.encoding, "channels": layout.channels}
        problems = [
            f"pcm_{name} is {value}, and the WAV header of {self._origin} says {own[name]}: leave "
            "it out"
            for name, value in said.items()
            if value is not None and value != own[name]
        ]
        if problems:
            raise ConfigurationError(problems)
        return layout


class _Source:
    """Chunks of which a few bytes are read first."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay; fewer at the end."""
        while len(self._held) < count and (chunk := next(self._chunks, None)) is not None:
            self._held += chunk
        return self._held[:count]

    def take(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        found = self.peek(count)
        self._held = self._held[len(found) :]
        return found

    def rest(self) -> Iterator[bytes]:
        """All that follows, in pieces of at most a block."""
        first, self._held = self._held, b""
        yield first
        for chunk in self._chunks:
            for start in range(0, len(chunk), BLOCK):
                yield chunk[start : start + BLOCK]


def decoded(data: bytes, layout: Layout) -> NDArray[np.float32]:
    """Whole samples as floats from -1 to 1, ``[n, channels]``."""
    kind = layout.encoding
    if kind == "s24le":
        parts = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
        values = (parts[:, 0] | parts[:, 1] << 8 | parts[:, 2] << 16).astype(np.float64)
        values = np.where(values >= 1 << 23, values - (1 << 24), values) / (1 << 23)
    elif kind in ("f32le", "f64le"):
        with np.errstate(over="ignore"):
            values = np.frombuffer(data, f"<f{FORMATS[kind]}").astype(np.float32)
    elif kind == "u8":
        values = (np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128
    else:
        size = FORMATS[kind]
        values = np.frombuffer(data, f"<i{size}").astype(np.float64) / 2.0 ** (8 * size - 1)
    return np.asarray(values.astype(np.float32).reshape(-1, layout.channels))
