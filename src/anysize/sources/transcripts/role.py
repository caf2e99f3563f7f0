"""Whether data are wanted as recordings with their texts; light, since every opening asks."""

from __future__ import annotations

from anysize import modalities
from anysize.sources.columns import ColumnSpec, Request


def wants_transcripts(request: Request) -> bool:
    """Whether the task reads what is said in recordings, with the recordings or without."""
    return any(spec.spoken for spec in request.roles)


def words_of(request: Request) -> ColumnSpec:
    """The role of what is said."""
    return next(spec for spec in request.roles if spec.spoken)


def recording_of(request: Request) -> ColumnSpec | None:
    """The role of the recordings; None where the texts alone are wanted."""
    return next(
        (
            spec
            for spec in request.roles
            if modalities.is_content(spec.kind) and not spec.spoken and spec.required
        ),
        None,
    )
