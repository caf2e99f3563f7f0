"""Which files are tables, and packed, by their names and first bytes; light, unlike unpacking."""

from __future__ import annotations

from pathlib import Path

from anysize.core import plugins
from anysize.core.errors import DataError
from anysize.sources.listing import suffix_of

PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
ARCHIVES = frozenset({"tar"})
WORKBOOKS = frozenset({".xlsx", ".xls", ".ods"})
_MAGIC = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ\x00": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip",
}


def inner_suffix(name: str) -> str:
    """``.csv`` of ``reviews.csv``, and of ``reviews.csv.gz``."""
    suffix = suffix_of(name)
    return suffix_of(name[: -len(suffix)]) if suffix in PACKED else suffix


def table_keys() -> frozenset[str]:
    """Suffixes of tables, without their dots."""
    return frozenset(plugins.keys("sources").keys() - ARCHIVES)


def is_table(suffix: str) -> bool:
    """Whether a suffix, with its dot, is one of tables."""
    key = suffix[1:]
    return key not in ARCHIVES and plugins.has("sources", key)


def packed_as(path: Path) -> str | None:
    """The suffix of the packing that a file's first bytes show; None where it is not packed.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
    return next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), None)
