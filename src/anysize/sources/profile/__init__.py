"""What the columns of a table are, counted over all its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize.core.lazy import attributes

if TYPE_CHECKING:
    from anysize.sources.profile.facts import Facts
    from anysize.sources.profile.kinds import USABLE, Column, ColumnKind
    from anysize.sources.profile.whole import Profile

__all__ = ["USABLE", "Column", "ColumnKind", "Facts", "Profile"]

__getattr__ = attributes(
    __name__,
    {
        "USABLE": "sources.profile.kinds",
        "Column": "sources.profile.kinds",
        "ColumnKind": "sources.profile.kinds",
        "Facts": "sources.profile.facts",
        "Profile": "sources.profile.whole",
    },
)
