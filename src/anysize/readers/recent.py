"""A text whose last characters are kept while it is read as a stream."""

from __future__ import annotations

from collections.abc import Iterator

from anysize.core.records import TextField


class RecentText:
    """A text field that remembers what was read of it, from a place on that its reader moves.

    Whoever reads the stream in windows asks for the characters of each window without reading the
    text again. It is read once, in one thread.

    Args:
        text: what is read.
    """

    __slots__ = ("_begin", "_held", "_text")

    def __init__(self, text: TextField) -> None:
        self._text = text
        self._held = ""
        self._begin = 0

    @property
    def origin(self) -> str:
        return self._text.origin

    @property
    def size_hint(self) -> int:
        """See ``TextField``."""
        return self._text.size_hint

    def chunks(self) -> Iterator[str]:
        """The text in order; what goes by is kept until ``forget``."""
        self._held, self._begin = "", 0
        for chunk in self._text.chunks():
            self._held += chunk
            yield chunk

    def read(self, start: int, stop: int) -> str:
        """Characters ``[start, stop)``, of what is kept where they are."""
        if start >= self._begin and stop <= self._begin + len(self._held):
            return self._held[start - self._begin : stop - self._begin]
        return self._text.read(start, stop)

    def forget(self, before: int) -> None:
        """Lets go of the characters before a place."""
        # Moving what is kept takes time by its length: it is done when half of it is not needed.
        if 2 * (before - self._begin) > len(self._held):
            self._held = self._held[before - self._begin :]
            self._begin = before
