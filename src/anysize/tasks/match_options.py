"""Options of recognition: with whom those who are found are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from anysize.core.options import Options, option


@dataclass(frozen=True, kw_only=True)
class MatchOptions(Options):
    """Who is known by name, and how alike one must be to be given it."""

    table: ClassVar[str] = "recognition"

    gallery: Path | None = option(  # noqa: RUF009
        None, help="Gallery of known people (anysize enroll)."
    )
    threshold: float | None = option(
        None, low=-1, high=1, automatic="the gallery's own",
        help="Lowest cosine similarity that is accepted as a match.",
    )  # fmt: skip
