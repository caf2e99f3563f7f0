"""What a record is shown as in a report: a piece of text or a small picture, of bounded size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What a record looks like, of bounded size.

    Attributes:
        text: a piece of the document, or None.
        image: an encoded thumbnail, or None.
        media_type: of ``image`` (``image/png``, ``image/jpeg``).
        where: what part of the input it shows, in words.
    """

    text: str | None = None
    image: bytes | None = None
    media_type: str = "image/png"
    where: str = ""
