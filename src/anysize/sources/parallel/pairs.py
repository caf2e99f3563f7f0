"""Two files whose lines belong together, as a table of pairs.

They are read once, for what is wrong with them, and written out as JSON Lines, so that a pair is
found by its place like a row of any table. A line is a record, whatever is in it: nothing is left
out here that would shift the lines behind it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import BinaryIO

from anysize.core.errors import DataError
from anysize.core.progress import Progress
from anysize.core.records import Source
from anysize.sources import json_lines
from anysize.sources.cache import signature
from anysize.sources.columns import Request
from anysize.sources.parallel.lengths import parting
from anysize.sources.parallel.names import Pair
from anysize.sources.parallel.role import SOURCE, TARGET
from anysize.sources.rows import CELL_LIMIT
from anysize.sources.tables.spool import spooled
from anysize.sources.tables.stored import Stored, stored_text

_EXAMPLES = 5


@dataclass(kw_only=True)
class _Faults:
    """What is wrong with a file's lines.

    Attributes:
        lines: how many there are.
        empty: of them, those with nothing but blanks where the other file has a text.
        empty_at: the first of these, counted from 1.
        unreadable: those that cannot be decoded.
        unreadable_at: the first of these.
    """

    lines: int = 0
    empty: int = 0
    empty_at: list[int] = field(default_factory=list)
    unreadable: int = 0
    unreadable_at: list[int] = field(default_factory=list)


def open_pair(pair: Pair, request: Request) -> Source:
    """The lines of one file with those of the other, a record each.

    Args:
        pair: the files; without a target the lines of the source alone.
        request: encoding, and what ids are relative to; takes the findings.

    Raises:
        DataError: empty, binary, wrongly encoded, or of different numbers of lines.
    """
    source = _stored(pair.source, request)
    target = None if pair.target is None else _stored(pair.target, request)
    depends = {
        "other": None if target is None else _signed(target),
        "encodings": [source.encoding, None if target is None else target.encoding],
    }
    other = hashlib.blake2b(os.fsencode(pair.target or ""), digest_size=6).hexdigest()

    def write_faults(_: BinaryIO, out: BinaryIO) -> None:
        out.write(json.dumps([asdict(each) for each in _faults(pair, source, target)]).encode())

    def write_rows(_: BinaryIO, out: BinaryIO) -> None:
        size = source.path.stat().st_size
        progress = Progress(f"pairing the lines of {pair.source.name}, once", size, "bytes")
        done = 0
        for line, beside in _lines(pair, source, target):
            text, translation = _decoded(line, source), _decoded(beside, target)
            # An empty line is its own translation, unless the other file says otherwise.
            row = {SOURCE: text or (None if translation else text), TARGET: translation}
            out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            done += len(line or b"") + 1
            progress.at(done)
        progress.end(size)

    # Looked through first: a pair of different lengths is never written.
    counts = spooled(pair.source, source.path, f"{other}.faults", request, write_faults, **depends)
    for path, entries in zip((pair.source, pair.target), json.loads(counts.read_bytes()),
                             strict=True):  # fmt: skip
        if path is not None:
            _tell(request.named(path), _Faults(**entries), request)
    rows = spooled(pair.source, source.path, f"{other}.pairs", request, write_rows, **depends)
    # The rows have the roles' own names, whatever the languages are called.
    inner = replace(request, stored=rows, encoding="utf-8", columns={})
    return json_lines.open_path(pair.source, inner)


def _stored(path: os.PathLike[str], request: Request) -> Stored:
    from pathlib import Path

    from anysize.sources.tables.packing import unpacked  # seldom needed

    where = Path(path)
    return stored_text(where, unpacked(where, request)[1])


def _signed(stored: Stored) -> dict[str, object]:
    with stored.path.open("rb") as file:
        return signature(file)


def _lines(
    pair: Pair, source: Stored, target: Stored | None
) -> Iterator[tuple[bytes | None, bytes | None]]:
    """The lines of both files without their ends; None behind the end of the shorter one."""
    yield from itertools.zip_longest(
        _of_file(pair.source, source),
        iter(()) if pair.target is None or target is None else _of_file(pair.target, target),
    )


def _of_file(path: os.PathLike[str], stored: Stored) -> Iterator[bytes]:
    with stored.path.open("rb") as file:
        file.seek(stored.start)
        for number in itertools.count(1):
            line = file.readline(CELL_LIMIT + 1)
            if not line:
                return
            if len(line) > CELL_LIMIT:
                raise DataError(
                    str(path),
                    f"line {number} has more than {CELL_LIMIT:,} bytes; a line is a sentence or a "
                    "paragraph",
                )
            yield line.rstrip(b"\r\n")


def _decoded(line: bytes | None, stored: Stored | None) -> str | None:
    """A line as a text; None where there is none, or it cannot be decoded."""
    if line is None or stored is None:
        return None
    try:
        return line.decode(stored.encoding).strip()
    except UnicodeDecodeError:
        return None


def _faults(pair: Pair, source: Stored, target: Stored | None) -> tuple[_Faults, _Faults]:
    """What is wrong with the lines of either file.

    Raises:
        DataError: there are more of one than of the other.
    """
    first, second = _Faults(), _Faults()
    for number, (line, beside) in enumerate(_lines(pair, source, target), start=1):
        texts = _decoded(line, source), _decoded(beside, target)
        for own, raw, text, other in (
            (first, line, texts[0], texts[1]),
            (second, beside, texts[1], texts[0]),
        ):
            if raw is None:
                continue
            own.lines += 1
            if text is None:
                own.unreadable += 1
                own.unreadable_at = [*own.unreadable_at, number][:_EXAMPLES]
            elif not text and (other or target is None):
                own.empty += 1
                own.empty_at = [*own.empty_at, number][:_EXAMPLES]
    if target is not None and pair.target is not None and first.lines != second.lines:
        where = parting(
            (len(_decoded(line, source) or "") for line in _of_file(pair.source, source)),
            (len(_decoded(line, target) or "") for line in _of_file(pair.target, target)),
        )
        seen = (
            ""
            if where is None
            else f"; by the lengths of their lines, they belong together as "
            f"far as line {where:,}, and not from there on"
            if where
            else "; by the lengths of their lines, the first ones are missing in the shorter file"
        )
        raise DataError(
            str(pair.source),
            f"has {first.lines:,} lines and {pair.target} has {second.lines:,}: line for line, "
            f"one must be the translation of the other{seen}",
        )
    return first, second


def _tell(name: str, faults: _Faults, request: Request) -> None:
    if faults.empty:
        request.findings.add(
            "lines-empty",
            f"{name}: lines are empty where the other file has a text; such pairs are left out",
            count=faults.empty,
            unit="lines",
            examples=[f"line {number:,}" for number in faults.empty_at],
        )
    if faults.unreadable:
        request.findings.add(
            "lines-unreadable",
            f"{name}: lines cannot be decoded as {request.encoding}; such pairs are left out",
            count=faults.unreadable,
            unit="lines",
            examples=[f"line {number:,}" for number in faults.unreadable_at],
            remedy="name the encoding of both files with --encoding",
        )
