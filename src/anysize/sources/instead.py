"""Columns that are read instead of another one: the messages of conversations instead of a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anysize.sources.columns import ColumnSpec, Role


def taken_instead(
    roles: list[Role], missing: list[ColumnSpec], given: Mapping[str, Role]
) -> tuple[list[Role], list[ColumnSpec]]:
    """The roles without those that others are taken for, and what is missing then.

    Args:
        roles: that have a column.
        missing: required ones that have none.
        given: those whose columns the user names, which always stay.
    """
    names = {role.spec.role for role in roles}
    for spec in [*(role.spec for role in roles), *missing]:
        others = {name for group in spec.unless for name in group}
        if not others:
            continue
        whole = any(names >= set(group) for group in spec.unless)
        if whole and spec.role not in given:
            roles = [role for role in roles if role.spec.role != spec.role]
            missing = [one for one in missing if one.role != spec.role]
        else:  # what belongs to the others plays no role
            roles = [
                role
                for role in roles
                if role.spec.kind != "value" or role.spec.required or role.spec.role in given
            ]
    return roles, missing
