"""Optimizers, learning-rate schedules and averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import cos, floor, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from anysize.training.layers import layer_scales
from anysize.training.recipe import Recipe


def make_optimizer(module: nn.Module, recipe: Recipe) -> Optimizer:
    """AdamW (Loshchilov and Hutter 2019) or SGD with Nesterov momentum.

    Weight decay is applied to matrices and kernels only, not to biases and norms. Each group's
    ``scale`` is its part of the learning rate: below 1 with ``layer_decay``.
    """
    decay = recipe.weight_decay or 0.0
    rate = recipe.learning_rate or 0.0
    scales = layer_scales(module, recipe.layer_decay)
    by_kind: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            kind = scales[name], decay if parameter.ndim >= 2 else 0.0
            by_kind.setdefault(kind, []).append(parameter)
    # The order of the groups is part of a checkpoint.
    groups = [
        {"params": by_kind[kind], "weight_decay": kind[1], "scale": kind[0], "lr": kind[0] * rate}
        for kind in sorted(by_kind, reverse=True)
    ]
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum
        return SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0, fused=True)
    return AdamW(groups, lr=rate, fused=True)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets the learning rate of every group: its part of the highest."""
    for entries in optimizer.param_groups:
        entries["lr"] = rate * entries["scale"]


def rate_factor(schedule: str, warmup: float, progress: float) -> float:
    """The learning rate as a part of its highest.

    Args:
        schedule: ``constant``, ``linear``, ``cosine``, or ``one-cycle`` (Smith and Topin 2018,
            arXiv:1708.07120: cosine from 1/25 up and down to 1/10,000).
        warmup: part of the run over which it rises.
        progress: how much of the run is done, 0 to 1.
    """
    progress = min(max(progress, 0.0), 1.0)
    rising = progress < warmup
    part = progress / warmup if rising else (progress - warmup) / (1.0 - warmup)
    if schedule == "one-cycle":
        low = 1 / 25 if rising else 1e-4
        wave = (1 - cos(pi * part)) / 2
        return low + (1 - low) * (wave if rising else 1 - wave)
    if rising:
        return part
    if schedule == "linear":
        return 1.0 - part
    if schedule == "cosine":
        return (1 + cos(pi * part)) / 2
    return 1.0


def side_factor(start: float, progress: float) -> float:
    """The side of training pictures as a part of the model's input, in quarters of it.

    Args:
        start: at the beginning of the run.
        progress: how much of the run is done, 0 to 1; from 0.6 on the factor is 1.
    """
    grown = start + (1.0 - start) * min(progress / 0.6, 1.0)
    return max(start, floor(4 * grown) / 4)


class AveragedWeights:
    """An exponential moving average of parameters and batch statistics.

    The decay rises from 0.1 to its value over the first steps, so that the random start is
    forgotten (as in Polyak and Juditsky 1992, the average is what is used).

    Args:
        module: whose weights are averaged.
        decay: of the average, below 1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self._live = dict(float_state(module))
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the live weights, after ``step`` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(
            list(self.tensors.values()),
            [tensor.detach() for tensor in self._live.values()],
            1.0 - decay,
        )

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over saved averages."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the averages in the place of the live weights, and back at the end."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, live in self._live.items():
            averaged = self.tensors[name]
            saved = live.detach().clone()
            live.copy_(averaged)
            averaged.copy_(saved)


def float_state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and floating-point buffers by name, shared ones once."""
    yield from module.named_parameters()
    for name, buffer in module.named_buffers():
        if buffer.is_floating_point():
            yield name, buffer


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as flat named tensors: ``3.exp_avg`` is of the fourth parameter."""
    return {
        f"{number}.{name}": value
        for number, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Takes over what `optimizer_tensors` gave."""
    parameters = [item for entries in optimizer.param_groups for item in entries["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        if value.shape == parameter.shape and value.ndim:
            # Files hold rows in order; fused optimizers want the parameter's own strides.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        state.setdefault(int(number), {})[name] = value
    entries = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": entries["param_groups"]})
