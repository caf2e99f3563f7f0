"""Keras's LSTM and GRU as torch's, forwards, backwards or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysize.models.keras.layers import Arrays, NoCounterpart, Sizes, array, number, put


class Recurrent(nn.Module):
    """A recurrent layer; the last state, or all of them.

    Keras's bias of an LSTM is one; torch adds two, of which the second stays zero. A GRU is the
    same one only with ``reset_after`` (Cho et al. 2014 as cuDNN computes it).

    Args:
        kind: ``LSTM`` or ``GRU``.
        config: of the layer, of the forward one where there are two.
        shape: of the input, without the batch.
        both: whether a second one runs backwards, its states beside the first one's.
    """

    def __init__(
        self, kind: str, config: Mapping[str, Any], shape: Sizes, *, both: bool = False
    ) -> None:
        super().__init__()
        wanted = {
            "activation": ("tanh",),
            "recurrent_activation": ("sigmoid",),
            "use_bias": (True, None),
            "dropout": (0, 0.0, None),
            "recurrent_dropout": (0, 0.0, None),
            "go_backwards": (False, None),
            "stateful": (False, None),
            "return_state": (False, None),
            "reset_after": (True,) if kind == "GRU" else (True, False, None),
        }
        for name, allowed in wanted.items():
            if config.get(name) not in allowed:
                raise NoCounterpart(f"{kind} with {name} {config.get(name)!r}")
        self.kind, self.both = kind, both
        self.every = bool(config.get("return_sequences", False))
        made = nn.LSTM if kind == "LSTM" else nn.GRU
        self.cells = made(shape[0], config["units"], batch_first=True, bidirectional=both)
        if kind == "LSTM":
            for name, parameter in self.cells.named_parameters():
                if name.startswith("bias_hh"):
                    nn.init.zeros_(parameter).requires_grad_(False)

    def forward(self, values: Tensor) -> Tensor:
        states, _ = self.cells(values.transpose(1, 2))
        if self.every:
            every: Tensor = states.transpose(1, 2)
            return every
        if not self.both:
            last: Tensor = states[:, -1]
            return last
        units = self.cells.hidden_size
        # The one that runs backwards ends at the first step.
        return torch.cat([states[:, -1, :units], states[:, 0, units:]], 1)

    def take(self, arrays: Arrays) -> None:
        half = len(arrays) // 2 if self.both else len(arrays)
        for suffix, part in (("", arrays[:half]), ("_reverse", arrays[half:])):
            if part:
                self._take(suffix, part)

    def _take(self, suffix: str, arrays: Arrays) -> None:
        kernel, recurrent, bias = arrays
        if self.kind == "GRU":
            # Keras: update, reset, new; torch: reset, update, new.
            kernel, recurrent, bias = (_swapped(part) for part in (kernel, recurrent, bias))
        put(getattr(self.cells, f"weight_ih_l0{suffix}"), number(kernel.T))
        put(getattr(self.cells, f"weight_hh_l0{suffix}"), number(recurrent.T))
        first = bias[0] if self.kind == "GRU" else bias
        second = bias[1] if self.kind == "GRU" else np.zeros_like(bias)
        put(getattr(self.cells, f"bias_ih_l0{suffix}"), number(first))
        put(getattr(self.cells, f"bias_hh_l0{suffix}"), number(second))

    def give(self) -> list[NDArray[Any]]:
        return [*self._give(""), *(self._give("_reverse") if self.both else [])]

    def _give(self, suffix: str) -> list[NDArray[Any]]:
        kernel, recurrent, first, second = (
            array(getattr(self.cells, f"{name}_l0{suffix}"))
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        if self.kind == "LSTM":
            return [kernel.T, recurrent.T, first + second]
        return [_swapped(part) for part in (kernel.T, recurrent.T, np.stack([first, second]))]

    def sizes(self) -> dict[str, Any]:
        return {}


def _swapped(part: NDArray[Any]) -> NDArray[Any]:
    """The first two of three equal parts of the last axis in the other order."""
    first, second, third = np.split(part, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)


def bidirectional(config: Mapping[str, Any], shape: Sizes) -> Recurrent:
    """Both directions of one layer, side by side."""
    inner = config["layer"]
    backward = (config.get("backward_layer") or {}).get("config", {})
    same = all(
        backward.get(name, inner["config"].get(name)) == inner["config"].get(name)
        for name in ("units", "activation", "recurrent_activation", "use_bias")
    )
    if inner["class_name"] not in ("LSTM", "GRU") or config.get("merge_mode") != "concat":
        raise NoCounterpart(f"bidirectional {inner['class_name']} {config.get('merge_mode')!r}")
    if not same:
        raise NoCounterpart("bidirectional with two kinds of layers")
    return Recurrent(inner["class_name"], inner["config"], shape, both=True)
