"""A batch under generation with a recurrent model: its state has one size, however long the text.

See ``runtimes.decoding`` for what the others keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# Tokens of a prompt that are read at a time.
PART = 512


class Recurrent:
    """Rows of a recurrent model (`anysize.models.lstm_lm`); see ``decoding.Cached``."""

    logits: Tensor

    def __init__(self, module: nn.Module, device: torch.device, *, bfloat16: bool) -> None:
        self._module: Any = module
        self._device, self._bfloat16 = device, bfloat16
        self._state: Any = None

    @property
    def length(self) -> int:
        """The state holds what one token would: it does not grow."""
        return 1

    def size(self) -> int:
        """Bytes of the state."""
        return sum(each.numel() * each.element_size() for pair in self._state for each in pair)

    def begin(self, arrays: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Reads the prompts, part after part; rows that are at their end wait."""
        prompts = [np.asarray(each["input_ids"], np.int64) for each in arrays]
        lengths = np.array(list(map(len, prompts)))
        logits: list[Tensor | None] = [None] * len(prompts)
        states: list[Any] = [None] * len(prompts)
        for start in range(0, int(lengths.max()), PART):
            rows = np.flatnonzero(lengths > start).tolist()
            parts = [prompts[row][start : start + PART] for row in rows]
            given = None if start == 0 else _joined([states[row] for row in rows])
            found, after = self._read(parts, given)
            for place, row in enumerate(rows):
                logits[row] = found[place]
                states[row] = _chosen(after, [place])
        self._state = _joined(states)
        self.logits = torch.stack([each for each in logits if each is not None])

    def begin_empty(self) -> None:
        """See ``decoding.Cached``."""
        self.begin([{"input_ids": np.zeros(1, np.int64)}])

    def advance(self, tokens: Tensor) -> Tensor:
        """See ``decoding.Cached``."""
        found, self._state = self._read(list(tokens[:, None].cpu().numpy()), self._state)
        return found

    def keep(self, rows: Sequence[int]) -> None:
        """See ``decoding.Cached``."""
        self._state = _chosen(self._state, rows)

    def reorder(self, rows: Tensor) -> None:
        """See ``decoding.Cached``."""
        self.keep(rows.tolist())

    def stretch(self, tokens: int) -> None:
        """Nothing grows."""

    def _read(self, parts: Sequence[NDArray[np.int64]], state: Any) -> tuple[Tensor, Any]:
        lengths = torch.tensor([len(each) for each in parts])
        ids = torch.zeros(len(parts), int(lengths.max()), dtype=torch.long)
        for row, each in enumerate(parts):
            ids[row, : len(each)] = torch.from_numpy(each)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16),
        ):
            logits, after = self._module.read(ids.to(self._device), lengths, state)
        return logits.float(), after


def _chosen(state: Any, rows: Sequence[int]) -> Any:
    return tuple(tuple(each[:, list(rows)] for each in pair) for pair in state)


def _joined(states: Sequence[Any]) -> Any:
    return tuple(
        tuple(torch.cat([each[layer][place] for each in states], 1) for place in range(2))
        for layer in range(len(states[0]))
    )
