"""Decoding by libsndfile (``soundfile``): WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF and others."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.audio.decoding import DamagedError, Header
from anysize.readers.audio.limits import BLOCK, refuse_unusual
from anysize.readers.audio.tails import Tail, tail_of
from anysize.readers.files import open_regular

_KINDS = frozenset({
    "WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "VOC", "NIST",
})  # fmt: skip
_PIECE = 4096
"""Samples that are asked for at once: so many are lost at most before a damaged place."""
_UNKNOWN = 1 << 62
"""Samples that a stream claims whose header does not say how many there are."""


class UnreadableError(Exception):
    """A file is of a format that libsndfile does not decode, or its header is damaged."""


class SndfileDecoder:
    """One pass over a file.

    Args:
        content: a path, or the bytes of a file.
        origin: for messages.

    Raises:
        UnreadableError: libsndfile does not know the format, or cannot decode the header.
        DataError: the file cannot be opened, or its header claims what no recording has.
        MissingExtraError: soundfile is not installed.
    """

    def __init__(self, content: Path | bytes, origin: str) -> None:
        self._descriptor = -1
        self._file: Any = None
        try:
            self._open(content, origin)
        except BaseException:
            self.close()
            raise

    def _open(self, content: Path | bytes, origin: str) -> None:
        library = soundfile_library()
        try:
            if isinstance(content, bytes):
                given: Any = io.BytesIO(content)
                tail = tail_of(io.BytesIO(content), len(content))
            else:
                given = self._descriptor = open_regular(content)
                size = os.fstat(self._descriptor).st_size
                with os.fdopen(os.dup(self._descriptor), "rb") as raw:
                    tail = tail_of(raw, size)
                os.lseek(self._descriptor, 0, os.SEEK_SET)
        except FileNotFoundError:
            raise DataError(origin, "there is no such file") from None
        except OSError as error:
            raise DataError(origin, f"cannot be read: {error.strerror or error}") from None
        try:
            self._file = stream_class(library)(given, closefd=False)
        except library.LibsndfileError as error:
            raise UnreadableError(_sentence(error)) from None
        if self._file.format not in _KINDS:
            raise UnreadableError(f"its format {self._file.format} is not one of recordings")
        refuse_unusual(self._file.samplerate, self._file.channels, origin)
        self.header = self._header(tail)

    def _header(self, tail: Tail) -> Header:
        file = self._file
        claimed = None if file.frames >= _UNKNOWN else int(file.frames)
        if claimed is not None and tail.missing_bytes:
            claimed += tail.missing_bytes // max(tail.frame_bytes, 1)
        return Header(
            rate=file.samplerate,
            channels=file.channels,
            samples=claimed,
            kind=file.format,
            encoding=file.subtype,
            notes=(tail.note,) if tail.note else (),
            cut=tail.cut,
            further=tail.further,
        )

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        channels = self._file.channels
        buffer = np.empty((max(BLOCK // channels, 1), channels), np.float32)
        while True:
            filled, problem = self._fill(buffer)
            if filled:
                yield buffer[:filled]
            if problem:
                raise DamagedError(problem)
            if not filled:
                return

    def _fill(self, buffer: NDArray[np.float32]) -> tuple[int, str]:
        """How much of a buffer was read, a piece at a time, and why no more."""
        filled = 0
        while filled < len(buffer):
            try:
                got = len(self._file.read(out=buffer[filled : filled + _PIECE]))
            except soundfile_library().LibsndfileError as error:
                return filled, _sentence(error)
            if not got:
                break
            filled += got
        return filled, ""

    def notes(self) -> tuple[str, ...]:
        return ()

    def counts(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def soundfile_library() -> Any:
    """The package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("soundfile", "speech") from error
    return soundfile


def stream_class(library: Any) -> Any:
    """``SoundFile`` that is read from the beginning to the end only.

    soundfile seeks to where it already is after each block of a file that it can seek in. In MP3
    this starts the decoder anew, which then lacks the bits that it borrows from frames before.
    """

    class Stream(library.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Stream


def _sentence(error: Any) -> str:
    """What libsndfile says, without the name of the file."""
    words = str(getattr(error, "error_string", "") or error)
    if "does not exist" in words:  # what it says of an MP3 file without a whole frame
        return "no frame of it can be decoded"
    return words.removeprefix("Error : ").strip().rstrip(".") or type(error).__name__
