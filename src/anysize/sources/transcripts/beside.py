"""A text for each recording, beside it and called as it is: ``clip.wav`` and ``clip.txt``.

LibriTTS calls it ``clip.normalized.txt``, with another text as it was written; data of VoxForge and
of phoneticians ``clip.lab``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anysize.sources.transcripts.lines import Clips, LeftOut, Line, read_lines

_ENDS = (".normalized.txt", ".txt", ".lab")
_OTHERS = (".original.txt", ".trans.txt")


def claims(name: str) -> bool:
    """Whether a file may be the text of one recording, by its name."""
    return name.lower().endswith(_ENDS) and not name.lower().endswith(_OTHERS)


def clip_of(name: str, folder: str, clips: Clips) -> str | None:
    """The recording that a text belongs to; None where there is none of its name."""
    stem = next(name[: -len(end)] for end in _ENDS if name.lower().endswith(end))
    return clips.find(folder, stem)


def lines(path: Path, folder: str, clips: Clips, encoding: str, left: LeftOut) -> Iterator[Line]:
    """The recording of a text, if there is one; see ``chapters.lines``."""
    clip = clip_of(path.name, folder, clips)
    if clip is not None:
        before = left.counts.get("broken", 0)
        text = " ".join(read_lines(path, encoding, left))
        if left.counts.get("broken", 0) == before:
            yield clip, text
