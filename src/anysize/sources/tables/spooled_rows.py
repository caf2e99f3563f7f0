"""Rows that were spooled: arrays of JSON, in which bytes and unreadable cells have a form too."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anysize.sources.rows import Row, RowError, Unreadable

_BYTES = "\0base64"
_BROKEN = "\0unreadable"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a spool begins with.

    Attributes:
        columns: their names.
        names: of a column's class numbers, by column.
    """

    columns: Sequence[str]
    names: Mapping[str, Sequence[str]]


def header_line(columns: Sequence[str], names: Mapping[str, Sequence[str]]) -> bytes:
    """The line that ``read_header`` reads."""
    return json.dumps({"columns": list(columns), "names": dict(names)}).encode()


def read_header(line: bytes) -> Header:
    """What ``header_line`` wrote."""
    found = json.loads(line)
    return Header(columns=found["columns"], names=found["names"])


def row_line(cells: Sequence[Any]) -> bytes:
    """The line that ``SpooledRows`` turns back into the cells.

    Numbers with no JSON form, dates and the like become strings.
    """
    return json.dumps(cells, ensure_ascii=False, default=_spooled).encode("utf-8", "replace")


class SpooledRows:
    """Rows as ``row_line`` writes them.

    Args:
        columns: of the cells.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns: tuple[str, ...] = tuple(columns)

    def parse(self, line: str) -> Row:
        try:
            cells = json.loads(line, object_hook=_unspooled)
        except (ValueError, RecursionError) as error:
            raise RowError(f"cannot be read from the cache: {error}") from None
        return dict(zip(self.columns, cells, strict=True))


def _spooled(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode("ascii")}
    if isinstance(value, Unreadable):
        return {_BROKEN: value.reason}
    try:
        return str(value)
    except (ValueError, OverflowError):
        return {_BROKEN: f"a {type(value).__name__} that cannot be written"}


def _unspooled(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        if _BYTES in found:
            try:
                return base64.b64decode(found[_BYTES])
            except (binascii.Error, TypeError, ValueError):
                return Unreadable("bytes that cannot be read")
        if _BROKEN in found:
            return Unreadable(str(found[_BROKEN]))
    return found
