"""Decoding by the program ``ffmpeg``, where it is installed: what libsndfile does not read.

The program is a process of its own that writes samples into a pipe, as a file of the format AU,
whose header is 24 bytes and names no length. Of containers only known ones are opened, and only
files, so that a playlist cannot make it read other files or the network.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.readers.audio.decoding import DamagedError, Header
from anysize.readers.audio.limits import BLOCK, refuse_unusual
from anysize.readers.files import open_regular

PATIENCE = 120.0
"""Seconds in which the program must write something."""

_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,matroska,webm,mov,mp4,m4a,3gp,"
    "3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,ogg,tak,tta,voc,w64,wav,wv"
)
_LARGEST_PIECE = 256 << 20
_MAGIC, _FLOAT = b".snd", 6
_LONGEST_HEADER = 1 << 16
_TRACK = re.compile(r"^\S*\s*Stream #0:.*: Audio:")
_MOST_LINES = 200


def find_ffmpeg() -> str | None:
    """The program's path; None where it is not installed."""
    return shutil.which("ffmpeg")


class FfmpegDecoder:
    """One pass over a file, by a process that ends with it.

    Args:
        program: path of ``ffmpeg``.
        path: of the file.
        origin: for messages.

    Raises:
        DataError: the file is not there, or the program finds no sound in it.
    """

    def __init__(self, program: str, path: Path, origin: str) -> None:
        self._origin = origin
        self._said: deque[str] = deque(maxlen=_MOST_LINES)
        self._errors: deque[str] = deque(maxlen=8)
        try:
            os.close(open_regular(path))
        except FileNotFoundError:
            raise DataError(origin, "there is no such file") from None
        except OSError as error:
            raise DataError(origin, f"cannot be read: {error.strerror or error}") from None
        self._process = subprocess.Popen(
            _command(program, path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        channels = self.header.channels
        size = max(BLOCK // channels, 1) * channels * 4
        while data := self._read(size):
            whole = len(data) - len(data) % (4 * channels)
            yield np.frombuffer(data[:whole], ">f4").astype(np.float32).reshape(-1, channels)
        if code := self._ended():
            raise DamagedError(self._problem() or f"ffmpeg ended with the code {code}")

    def notes(self) -> tuple[str, ...]:
        found = []
        if self._tracks() > 1:
            found.append(f"holds {self._tracks()} sound tracks, of which the first was read")
        if self._errors:
            found.append(f"ffmpeg read over damage in the file ({self._errors[0]})")
        return tuple(found)

    def counts(self) -> dict[str, int]:
        return {"tracks": self._tracks()} if self._tracks() > 1 else {}

    def _tracks(self) -> int:
        return sum(bool(_TRACK.match(line)) for line in list(self._said))

    def close(self) -> None:
        """Ends the process, and waits for it."""
        with contextlib.suppress(OSError):
            self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
        self._listener.join(PATIENCE)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _ended(self) -> int:
        """The code of the process, which has written all that it will, once it has said all."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return 1
        self._listener.join(PATIENCE)
        return code

    def _read_header(self) -> Header:
        try:
            head = self._read(24)
        except DamagedError as error:
            raise DataError(self._origin, str(error)) from None
        if len(head) < 24 or head[:4] != _MAGIC:
            self._ended()
            problem = self._problem() or "it holds no sound"
            raise DataError(self._origin, f"is not a recording that ffmpeg can decode: {problem}")
        offset, _, encoding, rate, channels = struct.unpack(">5I", head[4:])
        if encoding != _FLOAT or not 24 <= offset <= _LONGEST_HEADER:
            raise DataError(self._origin, "is decoded by ffmpeg to something else than floats")
        self._read(offset - 24)
        refuse_unusual(rate, channels, self._origin)
        return Header(
            rate=rate,
            channels=channels,
            samples=None,
            kind="ffmpeg",
            encoding=Path(self._origin).suffix.lstrip(".").upper() or "unknown",
        )

    def _read(self, size: int) -> bytes:
        """So many bytes, fewer at the end.

        Raises:
            DamagedError: nothing comes for a long time.
        """
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        found = bytearray()
        while len(found) < size:
            ready, _, _ = select.select([pipe], [], [], PATIENCE)
            if not ready:
                raise DamagedError(f"ffmpeg gave nothing for {PATIENCE:.0f} seconds")
            data = os.read(pipe, size - len(found))
            if not data:
                break
            found += data
        return bytes(found)

    def _listen(self) -> None:
        """Keeps the lines that the program says, some of the first and the first errors."""
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError, OSError):
            for raw in self._process.stderr:
                line = raw[:500].decode("utf-8", "replace").strip()
                if "[error]" in line or "[fatal]" in line:
                    if len(self._errors) < (self._errors.maxlen or 0):
                        self._errors.append(" ".join(line.split())[:200])
                elif len(self._said) < _MOST_LINES:
                    self._said.append(line)

    def _problem(self) -> str:
        return self._errors[-1].rpartition("] ")[2] if self._errors else ""


def _command(program: str, path: Path) -> list[str]:
    """The program's arguments; no shell sees them."""
    return [
        program, "-hide_banner", "-nostats", "-nostdin", "-loglevel", "level+info",
        "-max_alloc", str(_LARGEST_PIECE), "-threads", "1",
        "-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS,
        "-i", f"file:{path.absolute()}",
        "-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-fflags", "+bitexact",
        "-c:a", "pcm_f32be", "-f", "au", "pipe:1",
    ]  # fmt: skip
