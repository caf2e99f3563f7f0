"""Text that was repaired in reading its row."""

from __future__ import annotations

from anysize.readers.text import Text


class NotedText(Text):
    """A text with sentences for its receipt.

    Args:
        content: the text.
        origin: what messages call it.
        notes: what was repaired.
    """

    __slots__ = ("_notes",)

    def __init__(self, content: str, origin: str, notes: tuple[str, ...]) -> None:
        super().__init__(content, origin)
        self._notes = notes

    def notes(self) -> tuple[str, ...]:
        """What was repaired, a plain sentence each."""
        return self._notes
