"""Continuations that are JSON by a schema: which tokens may come next, by llguidance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysize.core.errors import ConfigurationError
from anysize.models.json_grammar import grammar_of, library, one_line, problem_of


class JsonSchema:
    """A schema that is ready for the tokens of a model.

    Args:
        schema: JSON.
        tokenizer: of the ``tokenizers`` library.
        vocabulary: tokens that the model gives logits for.
        ends: ids of the tokens that end a text.

    Raises:
        MissingExtraError: llguidance is not installed.
        ConfigurationError: it is no schema, or asks for what cannot be kept.
    """

    def __init__(self, schema: str, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        if not ends:
            raise ConfigurationError(
                "json_schema is for models with a token that ends a text, and this one has none"
            )
        if problem := problem_of(schema):
            raise ConfigurationError(f"json_schema: {problem}")
        self._vocabulary = vocabulary
        llguidance = library()
        known = llguidance.LLTokenizer(tokenizer.to_str(), n_vocab=vocabulary, eos_token=list(ends))
        self._first = llguidance.LLMatcher(known, grammar_of(schema), log_level=0)

    def rows(self, count: int) -> ConstrainedRows:
        """So many rows, none of which has written anything."""
        return ConstrainedRows([self._first.deep_copy() for _ in range(count)], self._vocabulary)


class ConstrainedRows:
    """Where the rows of a batch are in the schema.

    Args:
        matchers: of each.
        vocabulary: tokens that there are logits for.
    """

    def __init__(self, matchers: Sequence[Any], vocabulary: int) -> None:
        self._matchers, self._vocabulary = list(matchers), vocabulary

    def allowed(self, logits: Tensor) -> Tensor:
        """The logits with those of tokens that may not come next taken away."""
        bits = np.zeros((len(self._matchers), -(-self._vocabulary // 32)), np.int32)
        for row, matcher in enumerate(self._matchers):
            matcher.unsafe_compute_mask_ptr(bits[row].ctypes.data, bits[row].nbytes)
        mask = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
        barred = torch.from_numpy(mask[:, : logits.shape[1]] == 0).to(logits.device)
        return logits.masked_fill(barred, -torch.inf)

    def take(self, row: int, token: int) -> bool:
        """Notes a token of a row; whether the JSON is complete and nothing can follow."""
        matcher = self._matchers[row]
        matcher.consume_token(token)
        return bool(matcher.is_stopped())

    def problem(self, row: int) -> str | None:
        """Why a row cannot go on, where it cannot."""
        matcher = self._matchers[row]
        return (
            f"the schema cannot be kept: {one_line(matcher.get_error())}"
            if matcher.is_error()
            else None
        )

    def keep(self, rows: Sequence[int]) -> None:
        """Lets the other rows go."""
        self._matchers = [self._matchers[row] for row in rows]
