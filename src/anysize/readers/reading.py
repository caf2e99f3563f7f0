"""How a picture's file is read, and what was noticed on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from anysize.core.errors import DataError


@dataclass(slots=True)
class Reading:
    """Shared by the readers of one picture and by its pages.

    Attributes:
        origin: what messages call the picture.
        tolerant: read what is damaged as far as its decoder can, with a note.
        notes: sentences for the receipt, in order, each once.
    """

    origin: str
    tolerant: bool = False
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        """Keeps a sentence."""
        if sentence:
            self.notes.setdefault(sentence)

    def forgiven(self, problem: str) -> bool:
        """Whether damage is read over; it is noted then."""
        if self.tolerant:
            self.note(f"damaged ({problem}); read as far as possible")
        return self.tolerant

    def damaged(self, problem: str) -> DataError:
        """The error of a picture that is damaged."""
        return DataError(self.origin, f"is damaged or truncated: {problem}")
