"""Recordings with their texts as a source: a recording is a record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from anysize import modalities
from anysize.core.records import Field, Record
from anysize.sources.columns import Request
from anysize.sources.files import FileSource
from anysize.sources.stores import ByteRows
from anysize.sources.transcripts.role import recording_of, words_of


class ClipSource(FileSource):
    """One record a recording.

    Args:
        name: what the user called it.
        root: folder that the paths are relative to.
        clips: path and text of each recording, in the order of the records; the text of one
            without is empty.
        request: roles, and what ids are relative to.
    """

    def __init__(
        self, name: str, *, root: Path, clips: Iterable[tuple[str, str]], request: Request
    ) -> None:
        self._texts = ByteRows()
        self._words = words_of(request)
        self._recordings = recording_of(request)
        self._is_target = self._words.kind == "target"
        self.target_role = self._words.role if self._is_target else None
        super().__init__(
            name,
            root=root,
            paths=self._kept(clips),
            content=self._recordings or self._words,
            request=request,
        )

    def _kept(self, clips: Iterable[tuple[str, str]]) -> Iterator[str]:
        for path, text in clips:
            self._texts.append(text.encode())
            yield path

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        origin, text = self.record_id(index), self._text(index)
        fields: dict[str, Field] = {}
        if not self._is_target:
            role = self._words.role
            words = modalities.load(self._words.kind).cells({role: text}, origin, ())
            fields |= {} if words is None else {role: words}
        if self._recordings is not None:
            fields[self._recordings.role] = self._field(self.path(index))
        target = self._words.reading(text) if self._is_target else None
        return Record(id=origin, fields=fields, target=target)

    def targets(self) -> Iterator[str | None]:
        """Every record's text in order where texts are targets, without touching the files."""
        for index in range(len(self)):
            yield self._words.reading(self._text(index)) if self._is_target else None

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(super().fingerprint().encode(), digest_size=16)
        for text in self._texts:
            digest.update(b"%d\0" % len(text))
            digest.update(text)
        return digest.hexdigest()

    @property
    def beside(self) -> Mapping[str, str]:
        """Role to where it is read from."""
        return {self._content.role: "the files", self._words.role: "transcripts beside them"}

    def _text(self, index: int) -> str:
        return self._texts[index].decode()
