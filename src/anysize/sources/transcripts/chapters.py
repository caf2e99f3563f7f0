"""LibriSpeech: ``84-121123.trans.txt`` has a line for each recording beside it, its name first.

The layout is that of https://www.openslr.org/12; LibriTTS (https://www.openslr.org/60) has the same
with tabs (``84_121550_000007_000000.trans.tsv``), and the text with numbers in words last.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anysize.sources.transcripts.lines import Clips, LeftOut, Line, read_lines

SUFFIXES = (".trans.txt", ".trans.tsv")


def claims(name: str) -> bool:
    """Whether a file is a transcript of this layout, by its name."""
    return name.lower().endswith(SUFFIXES)


def lines(path: Path, folder: str, clips: Clips, encoding: str, left: LeftOut) -> Iterator[Line]:
    """The recordings of a transcript with their texts, by their paths.

    Args:
        path: of the transcript.
        folder: it is in, relative to the root.
        clips: finds the recordings.
        encoding: of the transcript.
        left: takes what cannot be used.
    """
    for line in read_lines(path, encoding, left):
        name, *cells = line.split("\t") if "\t" in line else line.split(maxsplit=1)
        clip = clips.find(folder, name)
        if clip is None:
            left.add("missing", name)
        else:
            yield clip, cells[-1].strip() if cells else ""
