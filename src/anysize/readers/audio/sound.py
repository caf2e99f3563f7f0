"""A recording as a field: a stream of samples of one channel, at the rate that is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.windows import Span
from anysize.readers.audio.condition import Condition
from anysize.readers.audio.decoding import ArrayDecoder, DamagedError, Decoder, Header
from anysize.readers.audio.ffmpeg import FfmpegDecoder, find_ffmpeg
from anysize.readers.audio.libsndfile import SndfileDecoder, UnreadableError
from anysize.readers.audio.limits import MOST_BYTES, refuse_long
from anysize.readers.audio.resampling import resampled

_BYTES_A_SECOND = 16_000
"""Of a file that does not say how long it is, about: 128 kbit a second."""
_FEW = 4608
"""Samples by which the length that a compressed file claims may be off: four frames of MP3."""


class Sound:
    """One recording of any length, decoded anew for each pass, a block at a time.

    ``once`` says whether a second pass is impossible, and no end is expected; see ``LiveSound``.

    Args:
        content: a path, the bytes of a file, or samples ``[n]`` or ``[n, channels]``.
        origin: for messages; None is the path.
        rate: of samples in memory, a second.
        tolerant: read a damaged recording up to the damage, and say so.

    Raises:
        DataError: more bytes than a recording in memory may have.
    """

    once = False

    def __init__(
        self,
        content: Path | bytes | NDArray[Any],
        origin: str | None = None,
        *,
        rate: int = 0,
        tolerant: bool = False,
    ) -> None:
        self.origin = origin or (str(content) if isinstance(content, Path) else "recording")
        self.tolerant = tolerant
        self._content = content
        self._rate = rate
        self._header: Header | None = None
        self._notes: tuple[str, ...] = ()
        self._counts: dict[str, int] = {}
        if isinstance(content, bytes) and len(content) > MOST_BYTES:
            raise DataError(
                self.origin,
                f"is {len(content)} bytes in a cell; {MOST_BYTES} are allowed: put it into a file "
                "and its name into the cell",
            )

    @property
    def header(self) -> Header:
        """What is known without decoding; the file is opened once for it.

        Raises:
            DataError: it is no recording that can be read.
        """
        if self._header is None:
            with contextlib.closing(self._opened()) as decoder:
                self._header = decoder.header
        return self._header

    @property
    def size_hint(self) -> float:
        """About how many seconds it has; nothing is decoded.

        Raises:
            DataError: it is no recording that can be read.
        """
        header, content = self.header, self._content
        if header.samples is not None:
            return header.samples / header.rate
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        return size / _BYTES_A_SECOND

    def blocks(self, rate: int = 0) -> Generator[NDArray[np.float32], None, None]:
        """The samples in order, ``[n]`` from -1 to 1, of all channels their mean.

        Args:
            rate: samples a second; 0 is the recording's own.

        Raises:
            DataError: it cannot be read, is damaged, or holds nothing.
        """
        with contextlib.closing(self._opened()) as decoder:
            self._header = header = decoder.header
            condition = Condition(header.channels)
            yield from resampled(self._mixed(decoder, condition), header.rate, rate or header.rate)

    def stretches(self, spans: Iterable[Span], rate: int = 0) -> Iterator[NDArray[np.float32]]:
        """The samples of each span, in one pass over the recording.

        Args:
            spans: with starts that do not fall; they may overlap. What lies behind the end is left
                out, so that an array may be shorter than its span.
            rate: of the samples that the spans count; 0 is the recording's own.

        Raises:
            DataError: as `blocks`.
        """
        source = self.blocks(rate)
        held, first = np.zeros(0, np.float32), 0
        with contextlib.closing(source):
            for span in spans:
                pieces, stop = [held], first + len(held)
                while stop < span.stop and (block := next(source, None)) is not None:
                    stop += len(block)
                    pieces.append(block)
                    if stop <= span.start:
                        pieces = []
                joined = np.concatenate([np.zeros(0, np.float32), *pieces])
                first = stop - len(joined)
                begin = min(max(span.start - first, 0), len(joined))
                yield joined[begin : max(span.stop - first, begin)].copy()
                held, first = joined[begin:], first + begin

    def notes(self) -> tuple[str, ...]:
        """What the last whole pass showed, for the receipt."""
        return self._notes

    def counts(self) -> dict[str, int]:
        """How many of what the last whole pass found, for the receipt."""
        return self._counts

    def _opened(self) -> Decoder:
        content = self._content
        if not isinstance(content, Path | bytes):
            return ArrayDecoder(content, self._rate, self.origin)
        program = find_ffmpeg() if isinstance(content, Path) else None
        try:
            decoder = SndfileDecoder(content, self.origin)
        except UnreadableError as error:
            if program is not None and isinstance(content, Path):
                return FfmpegDecoder(program, content, self.origin)
            raise DataError(self.origin, _unreadable(str(error), content)) from None
        further = decoder.header.further
        if not further or self.tolerant:
            return decoder
        decoder.close()
        if program is not None and isinstance(content, Path):
            return FfmpegDecoder(program, content, self.origin)
        raise DataError(
            self.origin,
            f"would not be read to its end: {further}. Install ffmpeg, which reads all of it, or "
            "give --tolerant to read the first part",
        )

    def _mixed(self, decoder: Decoder, condition: Condition) -> Iterator[NDArray[np.float32]]:
        header = decoder.header
        problem = ""
        try:
            for block in decoder.blocks():
                mixed = condition.mixed(block)
                if not self.once:
                    refuse_long(condition.samples, header.rate, self.origin)
                yield mixed
        except DamagedError as error:
            problem = str(error)
        self._ended(decoder, condition, problem)

    def _ended(self, decoder: Decoder, condition: Condition, problem: str) -> None:
        """Holds what was read against what the header claims; sets notes and counts."""
        header, read = decoder.header, condition.samples
        seconds = read / header.rate
        claimed = header.samples or 0
        exact = header.encoding.startswith(("PCM", "FLOAT", "DOUBLE"))
        missing = claimed - read if claimed - read > (0 if exact or header.cut else _FEW) else 0
        if missing and not problem and not header.cut:
            problem = f"{missing} of its {claimed} samples cannot be decoded"
        if problem and not (self.tolerant and read):
            raise DataError(
                self.origin,
                f"is damaged behind {seconds:.2f} seconds: {problem}. --tolerant reads it up to "
                "there",
            )
        if not read:
            raise DataError(self.origin, "is empty: it has no samples")
        notes = [*header.notes, *decoder.notes()]
        if problem:
            notes.append(f"is damaged ({problem}); it was read up to {seconds:.2f} seconds")
        if header.further:
            notes.append(f"only its first part was read: {header.further}")
        counts = {
            "milliseconds": round(1000 * seconds),
            "sample_rate": header.rate,
            "channels": header.channels,
            **decoder.counts(),
        }
        if missing:
            counts["samples_missing"] = missing
        self._notes = (*notes, *condition.notes())
        self._counts = {**counts, **condition.counts()}


def _unreadable(problem: str, content: Path | bytes) -> str:
    with contextlib.suppress(OSError):
        if not (len(content) if isinstance(content, bytes) else content.stat().st_size):
            return "is empty: it has no bytes"
    words = f"is not a recording that libsndfile can read ({problem})"
    if isinstance(content, bytes):
        return f"{words}: convert it to WAV or FLAC"
    return f"{words}: install ffmpeg, which reads other formats, or convert it to WAV or FLAC"
