"""Files as a source: a picture, a text document or an array of numbers is one record."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize import modalities
from anysize.core.errors import DataError
from anysize.core.records import Field, Record
from anysize.readers.encodings import printable
from anysize.sources.columns import ColumnSpec, Request
from anysize.sources.digests import digest_of_files, evenly
from anysize.sources.labels.spelling import plain_label
from anysize.sources.stores import ByteRows


def without_suffix(suffix: str) -> bool:
    """Whether a file has none: nothing, or a number, behind the last dot of its name."""
    return not suffix[1:] or suffix[1:].isdecimal()


class FileSource:
    """One record a file.

    Args:
        name: what the user called it.
        root: folder that ``paths`` are relative to.
        paths: with forward slashes, in the order of the records.
        content: the one role that a file's content plays.
        request: encoding, and what ids are relative to.
        by_class: whether the first folder of a path is the record's target.
    """

    def __init__(
        self,
        name: str,
        *,
        root: Path,
        paths: Iterable[str],
        content: ColumnSpec,
        request: Request,
        by_class: bool = False,
    ) -> None:
        self.name = printable(name)
        self._root = root
        self._prefix = _prefix(request.named(root))
        self._content = content
        self._encoding = request.encoding
        self._by_class = by_class
        self._paths = ByteRows()
        for path in paths:
            self._paths.append(os.fsencode(path))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        relative = os.fsdecode(self._paths[index])
        return Record(
            id=printable(self._prefix + relative),
            fields={self._content.role: self._field(self._root / relative)},
            target=self._target(relative),
        )

    def ids(self) -> Iterator[str]:
        """The records' ids, without touching the files."""
        return (printable(self._prefix + os.fsdecode(path)) for path in self._paths)

    def id_hashes(self, start: int, stop: int) -> NDArray[np.uint64]:
        """The first eight bytes of BLAKE2 of each id ``[start, stop)``."""
        prefix = os.fsencode(self._prefix)
        data = b"".join(
            hashlib.blake2b(prefix + self._paths[index], digest_size=8).digest()
            for index in range(start, stop)
        )
        return np.frombuffer(data, dtype="<u8")

    def targets(self) -> Iterator[str | None]:
        """Every record's target in order, without touching the files."""
        return (self._target(os.fsdecode(path)) for path in self._paths)

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for path in self._paths:
            try:
                status = (self._root / os.fsdecode(path)).stat()
                facts = f"\0{status.st_size}\0{status.st_mtime_ns}\n"
            except OSError:
                facts = "\0gone\n"
            digest.update(path)
            digest.update(facts.encode())
        some = (self._root / os.fsdecode(self._paths[index]) for index in evenly(len(self)))
        digest.update(digest_of_files(some).encode())
        return digest.hexdigest()

    def _target(self, relative: str) -> str | None:
        first, slash, _ = relative.partition("/")
        return plain_label(printable(first)) if self._by_class and slash else None

    def record_id(self, index: int) -> str:
        """A record's id, without touching its file."""
        return printable(self._prefix + os.fsdecode(self._paths[index]))

    def path(self, index: int) -> Path:
        """A record's file."""
        return self._root / os.fsdecode(self._paths[index])

    @property
    def labelled(self) -> bool:
        """Whether any file is in a folder that is its class."""
        return any(target is not None for target in self.targets())

    def _field(self, path: Path) -> Field:
        return modalities.load(self._content.kind).file(path, encoding=self._encoding)


def open_path(path: Path, request: Request) -> FileSource:
    """One file as a source of one record.

    Raises:
        DataError: the task does not take files of this kind, or needs targets.
    """
    content = file_content(str(path), request)
    modality = modalities.load(content.kind)
    usable = modality.suffixes
    plain = modality.bare and without_suffix(path.suffix) and _reads_like_text(path)
    if path.suffix.lower() not in usable and not plain:
        raise DataError(
            str(path),
            f"the task reads {content.kind} files ({', '.join(sorted(usable))}) and tables, not "
            f"{path.suffix or 'files without a suffix'}",
        )
    refuse_targets_missing(str(path), request)
    return FileSource(
        str(path), root=path.parent, paths=[path.name], content=content, request=request
    )


def _reads_like_text(path: Path) -> bool:
    """Whether a file without a suffix has no NUL bytes at its beginning."""
    try:
        with path.open("rb") as file:
            return b"\0" not in file.read(1 << 12)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None


def file_content(origin: str, request: Request) -> ColumnSpec:
    """The role that whole files play.

    Raises:
        DataError: the task needs several contents a record, which only a table can give.
    """
    contents = [spec for spec in request.roles if modalities.is_content(spec.kind)]
    needed = [spec for spec in contents if spec.required] or contents[:1]
    others = [spec for spec in request.roles if spec.kind == "value" and spec.required]
    if len(needed) != 1 or others:
        roles = ", ".join(spec.role for spec in [*needed, *others])
        raise DataError(
            origin,
            f"a record of this task needs {roles}: give a table (CSV, TSV, JSONL or Parquet) with "
            "these columns",
        )
    return needed[0]


def refuse_targets_missing(origin: str, request: Request) -> None:
    """Raises DataError where a target is required, because the files at hand have none."""
    needed = [spec.role for spec in request.of_kind("target") if spec.required]
    if needed:
        raise DataError(
            origin,
            f"there is no {needed[0]} to these files: put them into one folder for each class, or "
            "beside a metadata.csv with the columns file_name and " + needed[0],
        )


def _prefix(root_id: str) -> str:
    return "" if root_id == "." else root_id + "/"
