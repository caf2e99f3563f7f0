"""Encoder-decoders of speech: what a runtime must do for those who transcribe with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingOptions:
    """How windows of speech are decoded.

    Attributes:
        most: new tokens at most.
        beams: sequences that are kept of each window; 1 takes the most probable token.
        no_repeat: tokens of a sequence that does not come twice; 0 allows it.
        times: whether the model says times between the words; the prompt must ask for the same.
        endless: whether no text ends before it has ``most`` tokens, to measure with.
    """

    most: int = 224
    beams: int = 1
    no_repeat: int = 0
    times: bool = True
    endless: bool = False


class Decoded(NamedTuple):
    """What a window was decoded to.

    Attributes:
        tokens: ids, without the prompt and the token that ended them.
        score: mean of the natural logarithms of the tokens' probabilities.
        silence: probability of the token that stands for no speech, at the start.
    """

    tokens: tuple[int, ...]
    score: float
    silence: float


class Aligned(NamedTuple):
    """When the tokens of a text are said.

    Attributes:
        starts: frame of the encoder's output (20 ms) where each token begins, and behind them where
            the last one ends; int64 ``[tokens + 1]``, never falling.
        chances: probability of each token, float64 ``[tokens]``.
    """

    starts: NDArray[np.int64]
    chances: NDArray[np.float64]


class Transcriber(Protocol):
    """Encodes windows of speech and writes down what they say; see ``core.protocols.Runtime``.

    A plug-in module of ``anysize.runtimes`` that can has ``transcription_precisions(network)`` and
    ``open_transcriber(network, precision, folder=None, threads=0) -> Transcriber``; the other
    attributes of the module are as for ``Generator``.

    What is given for a window does not depend on the others of its batch but for rounding.

    Attributes:
        whole_only: True: what is shorter is filled up to a whole window, and costs as much.
        singly: whether it encodes window by window, so that the time of a batch's is the sum of
            theirs, and its memory that of one and of the states.
    """

    name: str
    precision: str
    whole_only: bool
    singly: bool

    def encode(self, features: NDArray[np.float32]) -> Any:
        """States of windows.

        Args:
            features: frames ``[n, mels, 3000]``.
        """
        ...

    def languages(self, encoded: Any, rows: Sequence[int]) -> list[Mapping[int, float]]:
        """Probabilities of the tokens of languages.

        Args:
            encoded: as `encode` gave it.
            rows: which windows.
        """
        ...

    def decode(
        self,
        encoded: Any,
        rows: Sequence[int],
        prompts: Sequence[Sequence[int]],
        options: DecodingOptions,
    ) -> list[Decoded]:
        """What the windows say.

        Args:
            encoded: as `encode` gave it.
            rows: which windows.
            prompts: token ids that each begins with, all equally many.
            options: how.
        """
        ...

    def align(
        self,
        encoded: Any,
        rows: Sequence[int],
        prompt: Sequence[int],
        texts: Sequence[Sequence[int]],
        frames: Sequence[int],
    ) -> list[Aligned]:
        """When the tokens of texts are said.

        Args:
            encoded: as `encode` gave it.
            rows: which windows.
            prompt: token ids that all begin with.
            texts: ids of each window's text, at least one.
            frames: frames of each window that are no padding.
        """
        ...

    def close(self) -> None:
        """Releases the memory of weights."""
        ...
