"""Prefix beam search over the steps of a recording (Hannun et al. 2014, arXiv:1408.2873).

The probability of a text is the sum over all paths that collapse to it, those that end with the
blank and those that do not, each by itself. A language model adds its weighted log probability with
each token. Tokens that all texts of the beam have in common are given out window by window, so that
what is held does not grow with the recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anysize.core.ctc import Spoken, Steps

_NEVER = -math.inf
_SURE = -0.001
"""Of the blank, from which on a step is taken for nothing else."""
_IMPROBABLE = -9.0
"""Of a token, below which it is not looked at."""


class LanguageModel(Protocol):
    """What texts of a beam are given by a language model.

    A state is what the model knows of a text; those of a beam are asked for together.
    """

    def start(self) -> Any:
        """The state of a text without tokens."""
        ...

    def after(self, state: Any, token: int) -> Any:
        """The state of a text with one more token; nothing is computed before it is asked for."""
        ...

    def scores(self, states: Sequence[Any], tokens: Sequence[int]) -> NDArray[np.float64]:
        """What each of some tokens adds to each text, ``[states, tokens]``.

        Natural logarithms of probabilities. A model of words adds that of a word when the next one
        begins.
        """
        ...

    def ending(self, states: Sequence[Any]) -> NDArray[np.float64]:
        """What is still to be added where texts end, ``[states]``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamOptions:
    """How beams are searched.

    Attributes:
        beams: texts that are kept.
        weight: of the language model's logarithms.
        bonus: what each token is given, because a language model prefers short texts.
    """

    beams: int = 16
    weight: float = 0.5
    bonus: float = 0.0


class _Node:
    """A text: the last token, and the text before it."""

    __slots__ = ("language", "parent", "score", "start", "state", "stop", "token")

    def __init__(
        self, parent: _Node | None, token: int, step: int, score: float, state: Any, language: float
    ) -> None:
        self.parent = parent
        self.token = token
        self.start, self.stop = step, step + 1
        self.score = score
        self.state = state
        self.language = language


@dataclass(slots=True)
class _Chance:
    """Of a text: logarithms of the paths that end with the blank, and of the others."""

    blank: float = _NEVER
    other: float = _NEVER

    @property
    def whole(self) -> float:
        return _sum(self.blank, self.other)


class BeamSearch:
    """See ``core.ctc.Search``.

    Args:
        blank: the token that is nothing.
        options: how it is searched.
        language: weighs the texts; None takes the model's word alone.
    """

    def __init__(
        self, blank: int, options: BeamOptions, language: LanguageModel | None = None
    ) -> None:
        self._blank = blank
        self._options = options
        self._language = language
        self._place = 0
        self._root = self._anew()
        self._beams: dict[_Node, _Chance] = {self._root: _Chance(0.0, _NEVER)}

    def add(self, steps: Steps) -> Iterator[Spoken]:
        """See ``Search``."""
        for row in range(len(steps)):
            blank = float(steps.blank[row])
            if blank > _SURE:
                for chance in self._beams.values():
                    chance.blank, chance.other = chance.whole + blank, _NEVER
            else:
                tokens = {
                    token: score
                    for token, score in zip(
                        steps.tokens[row].tolist(), steps.scores[row].tolist(), strict=True
                    )
                    if score > _IMPROBABLE and token != self._blank
                }
                self._step(tokens, blank)
            self._place += 1
        yield from self._settled()

    def rest(self) -> Iterator[Spoken]:
        """See ``Search``."""
        for node in self._chain(self._best()):
            yield Spoken(node.token, node.start, node.stop, node.score)
        self._root = self._anew()
        self._beams = {self._root: _Chance(0.0, _NEVER)}

    def _step(self, tokens: Mapping[int, float], blank: float) -> None:
        # A text that is in the beam already is the same one when another leads to it.
        known = {(node.parent, node.token): node for node in self._beams}
        found: dict[_Node, _Chance] = {}
        added = self._added(list(tokens))
        for node, chance in self._beams.items():
            whole = chance.whole
            own = found.setdefault(node, _Chance())
            own.blank = _sum(own.blank, whole + blank)
            for token, score in tokens.items():
                repeated = token == node.token and node is not self._root
                if repeated:
                    own.other = _sum(own.other, chance.other + score)
                    if score > blank:
                        node.stop = self._place + 1
                    node.score = max(node.score, score)
                led = chance.blank if repeated else whole
                if led == _NEVER:
                    continue
                child = known.get((node, token))
                if child is None:
                    language = node.language + added.get((node, token), 0.0)
                    child = known[node, token] = self._child(node, token, score, language)
                into = found.setdefault(child, _Chance())
                into.other = _sum(into.other, led + score)
        ranked = sorted(found, key=lambda node: -(found[node].whole + node.language))
        kept = ranked[: self._options.beams]
        top = found[kept[0]].whole
        for node in kept:
            chance = found[node]
            chance.blank, chance.other = chance.blank - top, chance.other - top
        before, self._beams = self._beams, {node: found[node] for node in kept}
        for node in before:
            if node not in self._beams:
                node.state = None  # nothing follows it any more

    def _added(self, tokens: Sequence[int]) -> dict[tuple[_Node, int], float]:
        """What the language model adds to each text of the beam with each of some tokens."""
        if self._language is None or not tokens:
            return {}
        nodes = list(self._beams)
        found = self._language.scores([node.state for node in nodes], tokens)
        found *= self._options.weight
        return {
            (node, token): value
            for node, row in zip(nodes, found.tolist(), strict=True)
            for token, value in zip(tokens, row, strict=True)
        }

    def _child(self, node: _Node, token: int, score: float, language: float) -> _Node:
        state = None if self._language is None else self._language.after(node.state, token)
        return _Node(node, token, self._place, score, state, language + self._options.bonus)

    def _anew(self) -> _Node:
        """The empty text."""
        state = None if self._language is None else self._language.start()
        return _Node(None, self._blank, self._place, 0.0, state, 0.0)

    def _best(self) -> _Node:
        """The text with the highest score where the recording ends."""
        nodes = list(self._beams)
        last = np.zeros(len(nodes))
        if self._language is not None:
            last = self._options.weight * self._language.ending([node.state for node in nodes])
        ranks = [self._beams[node].whole + node.language for node in nodes]
        return nodes[int(np.argmax(np.array(ranks) + last))]

    def _chain(self, node: _Node) -> list[_Node]:
        """The tokens from behind the root to a text's last."""
        found: list[_Node] = []
        while node is not self._root:
            found.append(node)
            assert node.parent is not None
            node = node.parent
        return found[::-1]

    def _settled(self) -> Iterator[Spoken]:
        """What all texts have in common, but for its last token, which may still go on."""
        chains = [self._chain(node) for node in self._beams]
        common: list[_Node] = []
        for nodes in zip(*chains, strict=False):
            if any(node is not nodes[0] for node in nodes):
                break
            common.append(nodes[0])
        for node in common[:-1]:
            yield Spoken(node.token, node.start, node.stop, node.score)
        if len(common) > 1:
            self._root = common[-2]
            self._root.parent = None
            base = self._root.language
            if base:
                # Of differences alone: the sums would grow with the recording.
                for node in {each for chain in chains for each in chain[len(common) - 1 :]}:
                    node.language -= base
                self._root.language = 0.0


def _sum(first: float, second: float) -> float:
    """Logarithm of the sum of two probabilities."""
    if first < second:
        first, second = second, first
    if second == _NEVER:
        return first
    return first + math.log1p(math.exp(second - first))
