"""What the verbs are given: paths to check, a split to choose, standard input to spool."""

from __future__ import annotations

import codecs
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from anysize.core.errors import DataError
from anysize.core.files import scratch
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.readers.encodings import canonical
from anysize.sources.columns import ColumnSpec
from anysize.sources.opening import existing, open_source
from anysize.sources.splits import SHARE, open_splits


def check_paths(paths: Sequence[str | Path]) -> None:
    """Raises a ``DataError`` for a path that does not exist, before anything heavy is loaded."""
    for path in paths:
        if str(path) != "-":
            existing(path)


def open_split(
    data: str | Path,
    split: str | None,
    *,
    columns: Sequence[ColumnSpec],
    rename: Mapping[str, str],
    encoding: str,
    by_target: bool = False,
    validation: float = SHARE,
    test: float = SHARE,
    findings: Findings | None = None,
) -> Source:
    """The split to measure on: the one named, else what the data names as it.

    That is ``test``, else ``validation`` (of ImageNet, whose test pictures have no published
    classes), else everything.

    Args:
        data: as for ``open_source``.
        split: ``train``, ``validation``, ``test``, or None.
        columns: the same.
        rename: the same.
        encoding: the same.
        by_target: divide the targets, not the records.
        validation: the share that training kept out of data without splits of its own.
        test: the same.
        findings: takes what opening the data guesses, repairs or leaves out.

    Raises:
        DataError: the data has no such split.
    """
    if split is None and not Path(data).is_dir():
        return open_source(
            data, columns=columns, rename=rename, encoding=encoding, findings=findings
        )
    splits = open_splits(
        data,
        columns=columns,
        rename=rename,
        encoding=encoding,
        validation=validation,
        test=test,
        by_target=by_target,
        findings=findings,
    )
    if split is None:
        named = None if splits.how == "hash" else splits.test or splits.validation
        if named is None:
            return open_source(data, columns=columns, rename=rename, encoding=encoding)
        return named
    chosen: Source | None = getattr(splits, split)
    if chosen is None:
        share = {"validation": validation, "test": test}.get(split)
        kept = "; training kept no records out for it" if share == 0 else ""
        raise DataError(str(data), f"has no split named {split!r}{kept}")
    return chosen


@contextlib.contextmanager
def standard_input(stream: Iterable[bytes], role: str, encoding: str = "utf-8") -> Iterator[Path]:
    """Spools standard input to a table: a record a line, plain or JSON Lines.

    A line that cannot be decoded stays what it is, so that its record fails alone.

    Args:
        stream: the lines. Blank ones are no records.
        role: what a plain line is: ``text``, or for ``image`` and ``features`` the path of a file.
        encoding: of the lines, and of the table.

    Yields:
        The path of a temporary ``stdin.jsonl``, removed afterwards.

    Raises:
        ConfigurationError: no such encoding.
        DataError: there is no record.
    """
    encoding = canonical(encoding)
    with scratch(None, "input") as folder:
        path = folder / "stdin.jsonl"
        with path.open("wb") as file:
            for line in stream:
                row = _row(line, role, encoding)
                if row:
                    file.write(row + b"\n")
        if path.stat().st_size == 0:
            raise DataError("standard input", "is empty: pass one record a line")
        yield path


def _row(line: bytes, role: str, encoding: str) -> bytes:
    """A line of standard input as a row of JSON Lines; empty where the line is blank."""
    line = line.removeprefix(codecs.BOM_UTF8).strip(b"\r\n")
    try:
        words = line.decode(encoding)
    except UnicodeDecodeError:
        return line
    if not words.strip() or words.lstrip().startswith("{"):
        return line.strip()
    # ASCII is the same in every encoding that a table may have.
    return json.dumps({role: words if role == "text" else str(Path(words).absolute())}).encode()
