"""Numbers in one cell of a table: a list of them, or the name of a file."""

from __future__ import annotations

import json
from typing import Any

from anysize.core.errors import DataError
from anysize.readers.features import SUFFIXES, Features, parse_numbers


def cell_features(cell: Any, origin: str) -> Features:
    """The numbers of one cell: a list, lists of the same length, or a text of them.

    Raises:
        DataError: it holds something else.
    """
    if isinstance(cell, str):
        text = cell.strip()
        if text.startswith("["):
            try:
                cell = json.loads(text)
            except ValueError:
                cell = parse_numbers(text, origin)
        else:
            cell = parse_numbers(text, origin)
    if not isinstance(cell, list) or not cell:
        raise DataError(origin, f"must hold a list of numbers or name a .npy file, not {cell!r}")
    return Features(cell, origin)


def names_file(cell: Any) -> bool:
    """Whether a cell of features is the name of a file of them."""
    return isinstance(cell, str) and cell.strip().lower().endswith(SUFFIXES)
