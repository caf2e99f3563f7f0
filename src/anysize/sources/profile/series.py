"""Series that are spread over the columns of a table: a step a column."""

from __future__ import annotations

from collections.abc import Collection

from anysize.core.errors import ColumnError
from anysize.core.findings import Findings
from anysize.sources.profile import Column, Profile
from anysize.sources.profile.reading import Spread
from anysize.sources.profile.telling import no_columns


def in_series(profile: Profile, names: Collection[str], where: str, findings: Findings) -> Spread:
    """The columns that are steps: those that hold numbers, if only one, or none yet.

    Args:
        profile: of the table.
        names: the columns that play no other role.
        where: the table.
        findings: takes what is left out.

    Raises:
        DataError: there is none.
    """
    steps = tuple(name for name in names if _is_step(profile.columns[name]))
    if not steps:
        raise ColumnError(where, no_columns(profile, names))
    others = [name for name in names if name not in set(steps)]
    if others:
        findings.add(
            "column-no-step",
            f"{where}: columns are left out of the series, because they hold words or say which "
            "row it is",
            count=len(others),
            unit="columns",
            examples=others,
            remedy="name the columns of all steps with --columns features=A+B+C if they belong to "
            "it",
        )
    return Spread(names=steps, chosen=True)


def _is_step(column: Column) -> bool:
    if column.kind == "constant":
        return column.facts.low is not None or not column.facts.present
    return column.kind in ("number", "boolean")
