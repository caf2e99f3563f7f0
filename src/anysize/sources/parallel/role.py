"""Whether data are wanted as pairs of texts; light, since every opening of data asks."""

from __future__ import annotations

from anysize.sources.columns import Request

SOURCE, TARGET = "source", "target"
"""The roles of a pair."""


def wants_pairs(request: Request) -> bool:
    """Whether the task is about pairs of texts."""
    return {SOURCE, TARGET} <= {spec.role for spec in request.roles}
