"""What ``--columns`` may say of columns that a model was trained with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anysize.sources.columns import ColumnSpec


def left_unread(roles: Iterable[ColumnSpec], columns: Mapping[str, str]) -> list[str]:
    """A sentence for each role of which the user names fewer columns than the model reads.

    Args:
        roles: as a model knows them.
        columns: role to column, given by the user.
    """
    found = []
    for spec in roles:
        several = [name.strip() for name in columns.get(spec.role, "").split("+")]
        left = [name for name in spec.several if name not in several]
        if len(several) > 1 and left:
            found.append(
                f"--columns {spec.role}={columns[spec.role]} leaves out {', '.join(left)}, which "
                "the model was trained with: it knows its columns, so that they need not be named"
            )
    return found
