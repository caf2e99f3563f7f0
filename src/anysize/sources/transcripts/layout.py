"""Finding transcripts beside recordings, and saying what of both is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.readers.audio.suffixes import AUDIO_SUFFIXES
from anysize.sources.columns import Request
from anysize.sources.folder_findings import tell_skipped
from anysize.sources.listing import Skipped, natural, suffix_of, walk
from anysize.sources.transcripts import barred, beside, chapters
from anysize.sources.transcripts.clips import ClipSource
from anysize.sources.transcripts.lines import Clips, LeftOut, Line
from anysize.sources.transcripts.role import recording_of, words_of

_TEXTS = frozenset({".txt", ".tsv", ".csv", ".lab"})
_EXAMPLES = 5


class _Layout(Protocol):
    """What a layout has."""

    def lines(
        self, path: Path, folder: str, clips: Clips, encoding: str, left: LeftOut
    ) -> Iterator[Line]: ...


@dataclass(frozen=True, slots=True)
class _Transcript:
    """A file with texts: its name relative to the root, and its layout."""

    name: str
    layout: _Layout

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]


def of_file(path: Path, request: Request) -> Source | None:
    """A transcript that was given itself, with the recordings beside it; None where it is none.

    Raises:
        DataError: none of its recordings is there.
        ConfigurationError: ``--columns`` names a column that is not there.
    """
    found = _Found(path.parent, request)
    found.add(path.name, given=True)
    return found.source(str(path), path.name) if found.transcripts else None


def of_folder(folder: Path, tables: Sequence[Path], request: Request) -> Source | None:
    """The recordings of a folder with their texts; None where there are no transcripts.

    Recordings without a text are left out where texts are needed, else they are behind the others.

    Args:
        folder: is looked through, with all that is in it.
        tables: that are directly in it. With some, one of them must be of LJSpeech's layout.
        request: what is wanted; takes the findings.

    Raises:
        DataError: there are transcripts, and none of their recordings.
        ConfigurationError: ``--columns`` names a column that is not there.
    """
    if tables and not any(barred.looked_into(table, "", folder, request) for table in tables):
        return None
    found = _Found(folder, request)
    for name in sorted(walk(folder, _TEXTS, Skipped()), key=natural):
        found.add(name)
    if not found.transcripts:
        return None
    return found.source(str(folder), None)


class _Found:
    """The transcripts below a folder.

    Args:
        root: the folder.
        request: what is wanted; takes the findings.
    """

    def __init__(self, root: Path, request: Request) -> None:
        self.root = root
        self.transcripts: list[_Transcript] = []
        self._request = request
        self._clips = Clips(root, AUDIO_SUFFIXES)
        self._left = LeftOut()
        self._seen: set[str] = set()
        self._alone = recording_of(request) is None

    def add(self, name: str, *, given: bool = False) -> None:
        """Takes a file, if it is a transcript; one that was given itself may have any name."""
        folder, _, file = name.rpartition("/")
        if chapters.claims(file):
            self.transcripts.append(_Transcript(name, chapters))
        elif self._alone and beside.claims(file):
            return  # a text that is to be spoken, whatever is beside it
        elif beside.claims(file) and beside.clip_of(file, folder, self._clips) is not None:
            self.transcripts.append(_Transcript(name, beside))
        elif given or barred.claims(file):
            found = barred.looked_into(self.root / name, folder, self.root, self._request)
            if found is not None:
                self.transcripts.append(_Transcript(name, found))
                self._tell_column(name, found)

    def source(self, name: str, alone: str | None) -> Source:
        """The records.

        Args:
            name: what they are called.
            alone: the transcript that was given itself; None where a folder was.
        """
        source = ClipSource(
            name, root=self.root, clips=self._lines(alone is None), request=self._request
        )
        self._left.tell(name, self._request)
        if not len(source):
            raise DataError(
                name,
                "has transcripts, but none of the recordings that they name is beside them "
                f"({', '.join(self._left.missing) or 'no line names one'})",
            )
        return source

    def _lines(self, whole: bool) -> Iterator[Line]:
        for transcript in self.transcripts:
            path = self.root / transcript.name
            for clip, text in transcript.layout.lines(
                path, transcript.folder, self._clips, self._request.encoding, self._left
            ):
                if clip in self._seen:
                    # Texts beside recordings repeat what a chapter's transcript says.
                    if transcript.layout is not beside:
                        self._left.add("again", clip)
                    continue
                self._seen.add(clip)
                if text or not self._needed:
                    yield clip, text
                else:
                    self._left.add("empty", clip)
        if whole:
            yield from self._without()

    def _without(self) -> Iterator[Line]:
        """Recordings that have no line, where they are of use; says what is passed over."""
        used = {transcript.name for transcript in self.transcripts}
        skipped, lacking = Skipped(), 0
        examples: list[str] = []
        for name in sorted(self._every(skipped), key=natural):
            if name in used or name in self._seen:
                continue
            if suffix_of(name) not in self._clips.suffixes:
                skipped.file(name)
            elif not self._needed:
                yield name, ""
            else:
                lacking += 1
                examples += [name] if len(examples) < _EXAMPLES else []
        if lacking and not self._alone:
            self._request.findings.add(
                "recordings-without-a-line",
                f"{self.root}: recordings that no transcript names are left out",
                count=lacking,
                unit="recordings",
                examples=examples,
                remedy="write their texts, or move them elsewhere",
            )
        tell_skipped(self.root, skipped, len(self._seen), self._request)

    def _every(self, skipped: Skipped) -> Iterator[str]:
        """The files that may be recordings or texts, and are not used as such."""
        for name in walk(self.root, self._clips.suffixes | _TEXTS, skipped):
            if name not in self._seen:
                yield name

    @property
    def _needed(self) -> bool:
        """Whether records without a text are of no use."""
        return self._request.labelled or words_of(self._request).kind != "target"

    def _tell_column(self, name: str, found: barred.Barred) -> None:
        if found.columns > 2:
            other = 2 if found.column > 1 else 3
            self._request.findings.add(
                "transcripts-column",
                f"{name}: column {found.column + 1} of {found.columns} is read as the text",
                level="note",
                unit="files",
                remedy=""
                if words_of(self._request).role in self._request.columns
                else f"another is named by its number: --columns text={other}",
            )
