"""How much of a text a model's vocabulary does not have, in characters."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from anysize.core.receipts import Facts
from anysize.windows.encoding import TextEncoder

# Of a text, from which on its unknown part is worth a note.
_LARGE_SHARE = 0.1


class UnknownTokens:
    """Counts what an encoder's vocabulary does not have.

    Args:
        encoder: None where nothing is encoded, so that there is nothing to count.
    """

    def __init__(self, encoder: TextEncoder | None) -> None:
        self._encoder = encoder
        self._tokens = self._characters = 0

    def look(self, text: str, ids: Container[int]) -> None:
        """Looks at a text.

        Args:
            text: of a window.
            ids: its tokens.
        """
        encoder = self._encoder
        if encoder is None or encoder.unknown not in ids:
            return
        piece = encoder.encode(text)
        for place in np.flatnonzero(piece.ids == encoder.unknown).tolist():
            start, stop = piece.characters(place)
            self._tokens += 1
            self._characters += stop - start

    def facts(self, extent: int, remedy: str) -> Facts | None:
        """What the receipt says of them; None where there are none.

        Args:
            extent: characters of the text.
            remedy: what follows from it, where they are a large part of the text.
        """
        if not self._tokens:
            return None
        share = self._characters / extent
        notes: tuple[str, ...] = ()
        if share >= _LARGE_SHARE:
            notes = (f"{share:.0%} of the text is unknown to the model's tokenizer: {remedy}",)
        return Facts(
            notes=notes,
            counts={"unknown_tokens": self._tokens},
            unread=self._characters,
            reason=(
                f"{self._tokens} tokens ({self._characters} characters) are not in the model's "
                "vocabulary"
            ),
        )
