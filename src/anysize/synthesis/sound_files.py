"""Speech as sound files: WAV by ourselves, FLAC, Ogg Vorbis and MP3 by soundfile.

Marks of chapters are in the file where the format has a place for them: cue points and labels of
WAV, comments of FLAC and Ogg. Beside a file with chapters there is always ``NAME.chapters.txt``, in
ffmpeg's format for metadata.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import ConfigurationError, MissingExtraError
from anysize.core.files import replacing, write_text
from anysize.synthesis import flac_comments, ogg_comments
from anysize.synthesis.speech import Chapter, Speech

_BLOCK = 1 << 14
_LARGEST = (1 << 32) - (1 << 24)


def write(speech: Speech, path: Path) -> None:
    """Writes a file, whole or not at all.

    Args:
        speech: a recording.
        path: whose suffix is one of `SUFFIXES`.

    Raises:
        ConfigurationError: another suffix.
        MissingExtraError: soundfile is not installed.
        OSError: it cannot be written; names ``path``.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise ConfigurationError(
            f"{path} must end in {', '.join(SUFFIXES)}, which names the format of a recording"
        )
    with replacing(path) as file:
        writer(speech, file)
    marks = path.with_suffix(".chapters.txt")
    if speech.chapters:
        write_text(marks, ffmetadata(speech))
    else:
        marks.unlink(missing_ok=True)


def ffmetadata(speech: Speech) -> str:
    """The chapters as ffmpeg reads and writes them."""
    lines = [";FFMETADATA1"]
    ends = [chapter.sample for chapter in speech.chapters[1:]] + [speech.count]
    for chapter, end in zip(speech.chapters, ends, strict=True):
        title = "".join(f"\\{one}" if one in "=;#\\" else one for one in _one_line(chapter.title))
        lines += [
            "[CHAPTER]", f"TIMEBASE=1/{speech.sample_rate}", f"START={chapter.sample}",
            f"END={end}", f"title={title}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def comments(speech: Speech) -> list[str]:
    """The chapters as Vorbis comments (https://wiki.xiph.org/Chapter_Extension)."""
    found = []
    for number, chapter in enumerate(speech.chapters[:1000]):
        thousandths = round(1000 * chapter.sample / speech.sample_rate)
        minutes, rest = divmod(thousandths, 60_000)
        time = f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
        found += [
            f"CHAPTER{number:03}={time}", f"CHAPTER{number:03}NAME={_one_line(chapter.title)}"
        ]  # fmt: skip
    return found


def _one_line(title: str) -> str:
    return " ".join(title.split())


def _wav(speech: Speech, file: BinaryIO) -> None:
    """RIFF WAVE, and RF64 (EBU Tech 3306) where it is larger than 4 GiB; 16 bits, one channel."""
    size = 2 * speech.count
    marks = _cues(speech.chapters)
    large = size + len(marks) > _LARGEST
    whole = 4 + (36 if large else 0) + 24 + 8 + size + len(marks)
    unknown = 0xFFFFFFFF
    file.write(struct.pack("<4sI4s", b"RF64" if large else b"RIFF", unknown if large else whole,
                           b"WAVE"))  # fmt: skip
    if large:
        file.write(struct.pack("<4sIQQQI", b"ds64", 28, whole, size, speech.count, 0))
    rate = speech.sample_rate
    file.write(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16))
    file.write(struct.pack("<4sI", b"data", unknown if large else size))
    for block in speech.pcm():
        file.write(block.tobytes())
    file.write(marks)


def _cues(chapters: Sequence[Chapter]) -> bytes:
    """Cue points and their labels; what lies beyond 32 bits has none."""
    marked = [chapter for chapter in chapters if chapter.sample < 1 << 32]
    if not marked:
        return b""
    points = b"".join(
        struct.pack("<II4sIII", number, chapter.sample, b"data", 0, 0, chapter.sample)
        for number, chapter in enumerate(marked, 1)
    )
    labels = b"adtl"
    for number, chapter in enumerate(marked, 1):
        text = _one_line(chapter.title).encode("utf-8", "replace") + b"\0"
        labels += (
            struct.pack("<4sII", b"labl", 4 + len(text), number) + text + b"\0" * (len(text) % 2)
        )
    head = struct.pack("<4sII", b"cue ", 4 + len(points), len(marked))
    return head + points + struct.pack("<4sI", b"LIST", len(labels)) + labels


def _flac(speech: Speech, file: BinaryIO) -> None:
    if not speech.chapters:
        _encoded(speech, file, "FLAC", "PCM_16")
        return
    # Comments lie at the beginning, which the encoder writes without them.
    with flac_comments.with_comments(file, comments(speech)) as plain:
        _encoded(speech, plain, "FLAC", "PCM_16")


def _ogg(speech: Speech, file: BinaryIO) -> None:
    if not speech.chapters:
        _encoded(speech, file, "OGG", "VORBIS")
        return
    with ogg_comments.with_comments(file, comments(speech)) as plain:
        _encoded(speech, plain, "OGG", "VORBIS")


def _mp3(speech: Speech, file: BinaryIO) -> None:
    _encoded(speech, file, "MP3", "MPEG_LAYER_III")


def _encoded(speech: Speech, file: BinaryIO, kind: str, encoding: str) -> None:
    soundfile = _soundfile()
    if kind not in soundfile.available_formats():
        raise ConfigurationError(
            f"the installed libsndfile does not write {kind}: give another suffix "
            f"({', '.join(SUFFIXES)})"
        )
    try:
        with soundfile.SoundFile(
            file, "w", samplerate=speech.sample_rate, channels=1, format=kind, subtype=encoding
        ) as sound:
            # libsndfile's encoders take small blocks only on a small stack.
            for block in speech.pcm(_BLOCK):
                sound.write(block)
    except soundfile.LibsndfileError as error:
        raise ConfigurationError(
            f"{kind} cannot be written at {speech.sample_rate} Hz: {error}"
        ) from error


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("soundfile", "speech") from error
    return soundfile


_WRITERS: dict[str, Callable[[Speech, BinaryIO], None]] = {
    ".wav": _wav, ".flac": _flac, ".ogg": _ogg, ".mp3": _mp3
}  # fmt: skip
SUFFIXES = tuple(_WRITERS)
"""Of the formats that are written; the first is the default."""
