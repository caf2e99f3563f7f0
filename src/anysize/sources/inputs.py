"""What the verbs are given: paths to check, a split to choose, standard input to spool."""

from __future__ import annotations

import codecs
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.files import scratch
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.readers.encodings import canonical
from anysize.sources.columns import ColumnSpec
from anysize.sources.contents import split_paths
from anysize.sources.folder import unwrapped
from anysize.sources.opening import Paths, all_matching, called, matching, open_source
from anysize.sources.split_names import SplitName, split_of_name
from anysize.sources.splits import SHARE, open_splits


def check_paths(paths: Sequence[str | Path]) -> None:
    """Raises a ``DataError`` for a path that does not exist, before anything heavy is loaded."""
    for path in paths:
        if str(path) != "-":
            matching(path)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The records to measure on.

    Attributes:
        source: the records.
        training: the training part beside them, where some of its contents may be among them.
    """

    source: Source
    training: Source | None = None


def check_split(data: Paths, split: str | None) -> SplitName | None:
    """The part that ``--split`` means, before anything heavy is loaded.

    Args:
        data: as for ``open_source``.
        split: its name, also by another word for it (``dev``); None chooses none.

    Raises:
        ConfigurationError: there is no such part; those that there are are named.
    """
    if split is None:
        return None
    part = split_of_name(split)
    paths = all_matching(data, once=True)
    names = _names(paths[0]) if len(paths) == 1 else _names_of_files(paths)
    if part is None or part not in names:
        raise ConfigurationError(
            f"--split must be one of the parts that {called(data)} has, which are "
            f"{', '.join(names)}, not {split!r}"
        )
    return part


def _names(data: Path) -> tuple[SplitName, ...]:
    """The parts that data has, judged by the names in a folder."""
    every: tuple[SplitName, ...] = ("train", "validation", "test")
    if not data.is_dir():
        return every
    _, found = unwrapped(data)
    several = (found.split_archives, found.split_tables, found.split_folders, found.splits_below)
    named = next((parts for each in several if len(parts := each()) > 1), None)
    if named is None:
        return every
    # What is taken from the training part where no name gives the validation part.
    return tuple(part for part in every if part in named or part == "validation")


def _names_of_files(paths: Sequence[Path]) -> tuple[SplitName, ...]:
    """The parts that several paths have, judged by their names."""
    every: tuple[SplitName, ...] = ("train", "validation", "test")
    named = split_paths(list(paths))
    if not set(named) - {"train"} or sum(map(len, named.values())) < len(paths):
        return every
    return tuple(part for part in every if part in named or part == "validation")


def open_split(
    data: Paths,
    split: str | None,
    *,
    roles: Sequence[ColumnSpec],
    columns: Mapping[str, str],
    encoding: str,
    by_target: bool = False,
    validation: float = SHARE,
    test: float = SHARE,
    findings: Findings | None = None,
) -> Chosen:
    """The split to measure on: the one named, else what the data names as it.

    That is ``test``, else ``validation`` (of ImageNet, whose test pictures have no published
    classes), else everything.

    Args:
        data: as for ``open_source``.
        split: ``train``, ``validation``, ``test``, or None.
        roles: the same.
        columns: the same.
        encoding: the same.
        by_target: divide the targets, not the records.
        validation: the share that training kept out of data without splits of its own.
        test: the same.
        findings: takes what opening the data guesses, repairs or leaves out.

    Raises:
        DataError: the data has no such split; those that it has are named.
    """
    paths = all_matching(data, once=True)
    if split is None and len(paths) == 1 and not paths[0].is_dir():
        whole = open_source(
            data, roles=roles, columns=columns, encoding=encoding, findings=findings
        )
        return Chosen(source=whole)
    splits = open_splits(
        data,
        roles=roles,
        columns=columns,
        encoding=encoding,
        validation=validation,
        test=test,
        by_target=by_target,
        findings=findings,
    )
    if split is None and splits.whole is not None:
        return Chosen(source=splits.whole)
    chosen: Source | None = (
        splits.test or splits.validation or splits.train
        if split is None
        else getattr(splits, split)
    )
    if chosen is None:
        share = {"validation": validation, "test": test}.get(str(split))
        kept = "; training kept no records out for it" if share == 0 else ""
        raise DataError(
            called(data),
            f"has no split named {split!r}{kept}; it has {', '.join(splits.named()) or 'none'}",
        )
    beside = None if splits.apart or chosen is splits.train else splits.train
    return Chosen(source=chosen, training=beside)


@contextlib.contextmanager
def standard_input(
    stream: Iterable[bytes], role: str, encoding: str = "utf-8", *, strings: bool
) -> Iterator[Path]:
    """Spools standard input to a table: a record a line, plain or JSON Lines.

    A line that cannot be decoded stays what it is, so that its record fails alone.

    Args:
        stream: the lines. Blank ones are no records.
        role: the field that a plain line is.
        encoding: of the lines, and of the table.
        strings: whether a plain line is the content itself, and not the path of a file.

    Yields:
        The path of a temporary ``stdin.jsonl``, removed afterwards.

    Raises:
        ConfigurationError: no such encoding.
        DataError: there is no record, or the content of a file where lines name files.
    """
    encoding = canonical(encoding)
    with scratch(None, "input") as folder:
        path = folder / "stdin.jsonl"
        with path.open("wb") as file:
            for line in stream:
                if not strings and b"\0" in line:
                    raise DataError(
                        "standard input",
                        "holds the bytes of a file, and for this model its lines must name files: "
                        "write it to a file, and give its name",
                    )
                row = _row(line, role, encoding, strings=strings)
                if row:
                    file.write(row + b"\n")
        if path.stat().st_size == 0:
            raise DataError("standard input", "is empty: pass one record a line")
        yield path


def _row(line: bytes, role: str, encoding: str, *, strings: bool) -> bytes:
    """A line of standard input as a row of JSON Lines; empty where the line is blank."""
    line = line.removeprefix(codecs.BOM_UTF8).strip(b"\r\n")
    try:
        words = line.decode(encoding)
    except UnicodeDecodeError:
        return line
    if not words.strip() or words.lstrip().startswith("{"):
        return line.strip()
    # ASCII is the same in every encoding that a table may have.
    return json.dumps({role: words if strings else str(Path(words).absolute())}).encode()
