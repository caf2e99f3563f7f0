"""A language model of n-grams for the beam search: Kneser-Ney over the tokens of a text.

The state of a text is its last tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.kneser_ney import KneserNey, Stretch
from anysize.models.ctc_vocabulary import CTCTokens

_ORDER = 6
_MOST = 2_000_000
_LARGEST = 64 << 20
_KEPT = 50_000


class NGram:
    """Scores of the next token, learned from a text file when they are first asked for.

    Each line of the file is a sentence; see ``core.ctc_beam.LanguageModel``.

    Args:
        path: of the text, at most 64 MiB.
        tokens: of the network.

    Raises:
        ConfigurationError: there is no such file, or it is larger.
    """

    context = _ORDER - 1

    def __init__(self, path: str, tokens: CTCTokens) -> None:
        place = Path(path)
        if not place.is_file():
            raise ConfigurationError(
                "language_model must be a text file with one sentence per line, or the bundle of "
                f"a text-generation model, and {path} is neither"
            )
        if place.stat().st_size > _LARGEST:
            raise ConfigurationError(
                f"language_model must be a text of at most {_LARGEST >> 20} MiB, and {path} has "
                f"{place.stat().st_size >> 20}"
            )
        self._path, self._tokens = place, tokens
        self._lock = threading.Lock()
        self._model: KneserNey | None = None
        self._known: dict[tuple[int, ...], NDArray[np.float64]] = {}

    def start(self) -> tuple[int, ...]:
        """See ``LanguageModel``."""
        return ()

    def after(self, state: tuple[int, ...], token: int) -> tuple[int, ...]:
        """See ``LanguageModel``."""
        return (*state, token)[-self.context :]

    def scores(
        self, states: Sequence[tuple[int, ...]], tokens: Sequence[int]
    ) -> NDArray[np.float64]:
        """See ``LanguageModel``."""
        return np.stack([self(state)[list(tokens)] for state in states])

    def ending(self, states: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
        """Nothing: each token was added when it came."""
        return np.zeros(len(states))

    def __call__(self, before: tuple[int, ...]) -> NDArray[np.float64]:
        """Natural logarithms ``[vocabulary]``, after at most ``context`` tokens.

        Raises:
            ConfigurationError: nothing in the text is in the network's vocabulary.
        """
        with self._lock:
            found = self._known.get(before)
            if found is not None:
                return found
            if self._model is None:
                self._model = self._learned()
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[before] = -self._model.next_losses(before)
        return found

    def _learned(self) -> KneserNey:
        try:
            return KneserNey(self._stretches(), len(self._tokens.pieces), order=_ORDER, most=_MOST)
        except ValueError:
            raise ConfigurationError(
                f"language_model: {self._path} has no text that the model's vocabulary can spell"
            ) from None

    def _stretches(self) -> Iterator[Stretch]:
        with self._path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                ids, _ = self._tokens.encode(line)
                if ids:
                    yield Stretch(np.array(ids, np.int64), 0)
