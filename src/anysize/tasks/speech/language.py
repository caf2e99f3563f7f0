"""A language model of ours for the beam search: a bundle of ``text-generation``.

It knows other tokens than the network with the CTC head, so that it is asked for what pieces of a
text add in its own: of a model of bytes each token of the network, of others each word, once the
next one begins and where the text ends. What a text is given in the end is then exactly the
probability that the model has for it, read from the beginning of a document on. Blanks at the ends
do not count, and several are one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.models.bundle import CARD
from anysize.models.ctc_vocabulary import CTCTokens
from anysize.models.spec import open_network

if TYPE_CHECKING:
    from anysize.runtimes.branching import Branching, Known

_TASK = "text-generation"
_SAMPLED = 64
_CLEARLY = 4
"""Times as many letters in the other case, that a network's pieces are put into it."""
_LOOKED_AT = 40
"""Pieces of a vocabulary that a tokenizer is tried on."""
_IDEOGRAPH = re.compile("[\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3400-\u4dbf"
                        "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")  # fmt: skip


def is_bundle(path: str) -> bool:
    """Whether a path is a bundle and not a text."""
    return (Path(path) / CARD).is_file()


class _State:
    """A text: what the model has read of it, and the characters that wait.

    Attributes:
        known: of what is read; shared with the text before.
        waiting: characters behind that, which may still go on; a blank before them where there was
            one.
        closed: what reading ``waiting`` gives, once it was asked for.
    """

    __slots__ = ("closed", "known", "waiting")

    def __init__(self, known: Known, waiting: str) -> None:
        self.known = known
        self.waiting = waiting
        self.closed: tuple[Known, float] | None = None


class BundleLanguage:
    """See the module, and ``core.ctc_beam.LanguageModel``.

    Args:
        path: of the bundle.
        tokens: of the network.

    Raises:
        ConfigurationError: the bundle is for another task, holds no weights, or has tokens that go
            across the words of the network.
    """

    def __init__(self, path: str, tokens: CTCTokens) -> None:
        from anysize.runtimes.branching import branching_of

        network, card = open_network(path)
        if card.task != _TASK or network.form is not None or network.tokenizer is None:
            what = f"is for {card.task}" if card.task != _TASK else "holds no weights for torch"
            raise ConfigurationError(
                f"language_model must be a text file or a bundle of {_TASK} with its weights, and "
                f"{path} {what}"
            )
        self._tokenizer: Any = network.tokenizer
        self._branching: Branching = branching_of(network.module)
        self._lock = threading.Lock()
        config = network.module.config
        begin = getattr(config, "bos_token_id", None)
        begin = config.eos_token_id if begin is None else begin
        ((self._begun, _),) = self._branching.read([None], [[int(begin)]])
        self._pieces = self._in_its_case(tokens.pieces)
        known = [piece for piece in self._pieces if piece.strip()][:_LOOKED_AT]
        pairs = [one.strip() + two.strip() for one in known for two in known]
        self._by_piece = self._adds_up([each for pair in pairs for each in pair])
        if not self._by_piece:
            self._check(path, pairs)

    def start(self) -> _State:
        """See ``LanguageModel``."""
        return _State(self._begun, "")

    def after(self, state: _State, token: int) -> _State:
        """See ``LanguageModel``."""
        piece = self._pieces[token]
        if not piece:
            return state
        if self._closes(state, piece):
            self._close([state])
            assert state.closed is not None
            return _State(state.closed[0], piece)
        if not state.waiting.strip() and piece.startswith(" "):
            # One blank, and none where the text begins.
            piece = piece.lstrip() if state.known is self._begun else " " + piece.lstrip()
            return _State(state.known, piece)
        return _State(state.known, state.waiting + piece)

    def scores(self, states: Sequence[_State], tokens: Sequence[int]) -> NDArray[np.float64]:
        """See ``LanguageModel``."""
        closing = np.array(
            [[self._closes(state, self._pieces[token]) for token in tokens] for state in states]
        )
        self._close([state for state, row in zip(states, closing, strict=True) if row.any()])
        return closing * self._closed(states)[:, None]

    def ending(self, states: Sequence[_State]) -> NDArray[np.float64]:
        """See ``LanguageModel``."""
        self._close(states)
        return self._closed(states)

    def _closes(self, state: _State, piece: str) -> bool:
        """Whether what waits is whole where a piece follows."""
        word = state.waiting.strip()
        if not word or not piece:
            return False
        return self._by_piece or piece[0] == " " or _alone(piece[0]) or _alone(word[-1])

    def _close(self, states: Iterable[_State]) -> None:
        """Reads what waits of texts, all together."""
        with self._lock:
            open_ = [each for each in states if each.closed is None and each.waiting.strip()]
            if not open_:
                return
            parts = [self._encoded(each.waiting.rstrip()) for each in open_]
            found = self._branching.read([each.known for each in open_], parts)
            for state, (known, logs) in zip(open_, found, strict=True):
                state.closed = known, float(logs.sum())

    @staticmethod
    def _closed(states: Sequence[_State]) -> NDArray[np.float64]:
        return np.array([0.0 if each.closed is None else each.closed[1] for each in states])

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _adds_up(self, parts: Sequence[str]) -> bool:
        """Whether the tokens of a text are those of its parts, one behind the other."""
        whole = self._encoded("".join(parts))
        return whole == [each for part in parts for each in self._encoded(part)]

    def _check(self, path: str, words: Sequence[str]) -> None:
        """Refuses a model whose tokens are not those of single words.

        Raises:
            ConfigurationError: the remedy is named.
        """
        spaced = [words[0], *(" " + each for each in words[1:])] if words else []
        remedy = "train it with --model-options tokenizer=byte"
        if not self._adds_up(spaced):
            raise ConfigurationError(
                f"language_model: the tokens of {path} are not those of its words one by one, "
                f"which the search scores: {remedy}"
            )
        unspaced = [each for each in self._pieces if each and _alone(each.strip()[:1])]
        if unspaced and not self._adds_up(unspaced):
            raise ConfigurationError(
                f"language_model: the tokens of {path} go across characters of a script without "
                f"blanks ({''.join(unspaced[:5])}…), which the search scores one by one: {remedy}"
            )

    def _in_its_case(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        """The network's pieces; in the other case where theirs is not the one that it writes."""
        letters = "".join(pieces)
        upper, lower = letters.upper() == letters, letters.lower() == letters
        if upper == lower:
            return pieces
        random, known, ids = np.random.default_rng(0), self._begun, []
        for _ in range(_SAMPLED):
            chances = np.exp(known.following.astype(np.float64))
            ids.append(int(random.choice(len(chances), p=chances / chances.sum())))
            ((known, _logs),) = self._branching.read([known], [ids[-1:]])
        text: str = self._tokenizer.decode(ids)
        capitals = sum(each.isupper() for each in text)
        smalls = sum(each.islower() for each in text)
        if upper and smalls > _CLEARLY * capitals:
            return tuple(each.lower() for each in pieces)
        if lower and capitals > _CLEARLY * smalls:
            return tuple(each.upper() for each in pieces)
        return pieces


def _alone(character: str) -> bool:
    """Whether a character is a word of its own, as ``models.language_tokenizers`` has it."""
    return bool(character) and _IDEOGRAPH.match(character) is not None
