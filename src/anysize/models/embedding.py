"""What every embedder gives: vectors of which only the directions mean anything."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from transformers.utils.generic import ModelOutput


@dataclass
class EmbeddingOutput(ModelOutput):
    """Result of an embedder.

    Attributes:
        embeddings: ``[n, width]``; only their directions mean anything.
        states: ``[n, length, channels]``, what embedders of sequences pool over time; None of
            others.
    """

    embeddings: Tensor | None = None
    states: Tensor | None = None
