"""Speech: samples of any length, kept on the disk as they are made."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.files import disk_errors

IN_MEMORY = 8 << 20
"""Bytes of a recording that is kept in memory; longer ones go to a temporary file."""

_BLOCK = 1 << 16
_FULL = 32767.0
_LARGEST_ARRAY = 1 << 30


@dataclass(frozen=True, slots=True)
class Chapter:
    """Where a part of a recording begins.

    Attributes:
        title: of it.
        sample: its first.
    """

    title: str
    sample: int


class _Kept:
    """Bytes in memory, and in a temporary file once they are many; gone with the object."""

    def __init__(self) -> None:
        self._place = _place()
        self._file: Any = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=self._place)  # noqa: SIM115

    def write(self, content: bytes) -> None:
        with disk_errors(Path(self._place)):
            self._file.write(content)

    def read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        found: bytes = self._file.read(size)
        return found

    def __del__(self) -> None:
        self._file.close()


class Speech:
    """A recording of one channel, 16 bits a sample; made by `SpeechWriter`.

    Attributes:
        sample_rate: samples a second.
        count: how many samples.
        chapters: where its parts begin, in order.
    """

    def __init__(
        self, file: _Kept, sample_rate: int, count: int, chapters: Sequence[Chapter] = ()
    ) -> None:
        self._file = file
        self.sample_rate = sample_rate
        self.count = count
        self.chapters = tuple(chapters)

    def __repr__(self) -> str:
        return f"Speech({self.seconds:.2f} s, {self.sample_rate} Hz)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Speech):
            return NotImplemented
        same = (self.sample_rate, self.count, self.chapters) == (
            other.sample_rate, other.count, other.chapters
        )  # fmt: skip
        return same and all(
            np.array_equal(one, two) for one, two in zip(self.pcm(), other.pcm(), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.count / self.sample_rate

    def pcm(self, size: int = _BLOCK) -> Iterator[NDArray[np.int16]]:
        """The samples in order, int16 ``[size]`` and less at the end. May be called again."""
        at = 0
        while at < self.count:
            content = self._file.read(2 * at, 2 * min(size, self.count - at))
            yield np.frombuffer(content, "<i2")
            at += len(content) // 2

    def blocks(self, size: int = _BLOCK) -> Iterator[NDArray[np.float32]]:
        """The samples in order, float32 from -1 to 1, ``[size]`` and less at the end."""
        return (block.astype(np.float32) / _FULL for block in self.pcm(size))

    def samples(self) -> NDArray[np.float32]:
        """All samples, float32 ``[count]``.

        Raises:
            ConfigurationError: it is longer than an array of 1 GiB.
        """
        if 4 * self.count > _LARGEST_ARRAY:
            raise ConfigurationError(
                f"{self.seconds / 3600:.1f} hours of samples are more than one array should hold: "
                "take them in blocks(), or save() them"
            )
        return np.concatenate([*self.blocks(), np.zeros(0, np.float32)])

    def save(self, path: str | Path) -> Path:
        """Writes a sound file whose suffix says the format; see ``synthesis.sound_files``."""
        from anysize.synthesis.sound_files import write

        write(self, Path(path))
        return Path(path)

    def to_json(self) -> dict[str, Any]:
        """What a line of results says of it."""
        return {
            "seconds": round(self.seconds, 3),
            "sample_rate": self.sample_rate,
        }


class SpeechWriter:
    """Takes samples in order.

    Args:
        sample_rate: samples a second.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.count = 0
        self.chapters: list[Chapter] = []
        self.clipped = 0
        self._file = _Kept()

    def add(self, samples: NDArray[np.float32]) -> None:
        """More samples, from -1 to 1; what is beyond is cut off and counted."""
        self.clipped += int(np.count_nonzero(np.abs(samples) > 1))
        self._file.write(as_pcm(samples).tobytes())
        self.count += len(samples)

    def silence(self, seconds: float) -> None:
        """A pause."""
        left = round(seconds * self.sample_rate)
        self.count += left
        while left:
            size = min(left, _BLOCK)
            self._file.write(bytes(2 * size))
            left -= size

    def chapter(self, title: str) -> None:
        """A part begins here."""
        self.chapters.append(Chapter(title, self.count))

    def finish(self) -> Speech:
        """The recording."""
        return Speech(self._file, self.sample_rate, self.count, self.chapters)


def as_pcm(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """16-bit samples of such from -1 to 1."""
    return cast(
        "NDArray[np.int16]", np.rint(np.clip(samples, -1, 1) * np.float32(_FULL)).astype("<i2")
    )


def _place() -> str:
    """Where long recordings wait: /tmp is memory on many systems, /var/tmp is a disk."""
    if "TMPDIR" in os.environ or not os.access("/var/tmp", os.W_OK):
        return tempfile.gettempdir()
    return "/var/tmp"
