"""Columns that a model was trained with: a table has them all, and ``--columns`` names no fewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from anysize.readers.cells import lacking

if TYPE_CHECKING:
    from anysize.core.findings import Findings
    from anysize.sources.columns import ColumnSpec, Role


def check_columns(
    origin: str, role: Role, columns: Sequence[str], free: Iterable[str], findings: Findings
) -> None:
    """Refuses a table without the columns of a model, and notes what the model does not read.

    Args:
        origin: the table.
        role: with several columns.
        columns: of the table.
        free: those that play no other role.
        findings: takes what is noted.

    Raises:
        DataError: one is missing altogether.
    """
    there = set(columns)
    missing = [name for name in role.several if name not in there]
    if missing:
        raise lacking(origin, missing, columns)
    several = set(role.several)
    more = [name for name in free if name not in several]
    if more and not role.asked:
        findings.add(
            "column-not-used",
            f"{origin}: the model does not read {len(more)} of the columns",
            level="note",
            count=len(more),
            unit="columns",
            examples=more,
        )


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
