"""Probing forward and backward passes: the memory that they take, and in which precision they run.

Weights, buffers, gradients and torch's random state are left as they were.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.files import write_json
from anysize.core.memory import trim
from anysize.planning import synthetic
from anysize.planning.probe import Climb, Work, three
from anysize.planning.selection import machine_key
from anysize.sources.cache import cache_folder
from anysize.training.pooled import Objective, Windows, one_graph

if TYPE_CHECKING:
    from torch import nn

_MEASURED_COST = 1 << 16
# Beyond what was measured a line is trusted this far.
REACH = 4


def probe(
    objective: Objective,
    checkpointing: bool,
    *,
    ceiling: int,
    fixed: int,
    most: int,
    seconds: float,
) -> Climb:
    """Measures the memory of a forward and a backward pass on more and more windows.

    Args:
        objective: what runs.
        checkpointing: whether activations are computed again in the backward pass.
        ceiling: bytes that must not be passed.
        fixed: bytes that are taken later beside it.
        most: windows at once that are of use.
        seconds: processor time that it may take, about.
    """
    network = objective.network
    wanted = most * synthetic.windows(network, 1)[0].cost

    def prepare(examples: Sequence[Example]) -> Work:
        records = _made_up(objective, examples)
        return lambda: one_graph(objective, records)

    with _undisturbed(network.module, checkpointing):
        return synthetic.climb_windows(
            network,
            prepare,
            ceiling=ceiling,
            fixed=fixed,
            most=most,
            # Small windows are cheap to probe, so that what is trusted reaches what is wanted.
            enough=lambda found: three(found) and REACH * found[-1].cost >= wanted,
            seconds=seconds,
        )


def faster_in_bfloat16(objective: Objective) -> bool:
    """Whether forward and backward passes are faster in bfloat16, measured on a few windows.

    The answer is kept in the cache folder by processor, versions and architecture, so that the
    same run computes the same numbers again. Weights, buffers, gradients and torch's random state
    are left as they were.
    """
    path = cache_folder() / f"training-{machine_key(objective.network)}.json"
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["bfloat16"])
    except (OSError, ValueError, KeyError, TypeError):
        answer = _measured_bfloat16(objective)
    with contextlib.suppress(OSError):  # then it is measured again
        write_json(path, {"bfloat16": answer}, durable=False)
    return answer


def _measured_bfloat16(objective: Objective) -> bool:
    window = synthetic.windows(objective.network, 1)[0]
    count = max(min(16, _MEASURED_COST // window.cost), 1)
    records = _made_up(objective, synthetic.windows(objective.network, count))
    seconds: dict[bool, float] = {}
    with _undisturbed(objective.network.module, False):
        for bfloat16 in (False, True):
            tried = replace(objective, bfloat16=bfloat16)
            one_graph(tried, records)
            seconds[bfloat16] = min(_timed(tried, records) for _ in range(3))
    return seconds[True] < seconds[False]


def _made_up(objective: Objective, examples: Sequence[Example]) -> list[Windows]:
    """Noise as records of one window, with targets as training would have them."""
    labels = int(objective.network.module.config.num_labels or 1)
    pairs = [objective.task.made_up(example, labels) for example in examples]
    return [Windows([example], target) for example, target in pairs]


def _timed(objective: Objective, records: Sequence[Windows]) -> float:
    started = time.perf_counter()
    one_graph(objective, records)
    return time.perf_counter() - started


def can_checkpoint(module: nn.Module) -> bool:
    """Whether `set_checkpointing` is for a module."""
    return bool(getattr(module, "supports_gradient_checkpointing", False))


def check_checkpointing(spec: str, module: nn.Module, wished: str) -> None:
    """Refuses to force checkpointing on a module that has none.

    Raises:
        ConfigurationError: it has not.
    """
    if wished == "on" and not can_checkpoint(module):
        raise ConfigurationError(
            f"checkpointing must be auto or off for {spec}, whose layers cannot compute their "
            "activations again, not on"
        )


def set_checkpointing(module: nn.Module, on: bool) -> None:
    """Switches activation checkpointing (Chen et al. 2016) of a transformers model.

    transformers calls it gradient checkpointing up to 5.x.
    """
    name = "enable" if on else "disable"
    switch = getattr(module, f"activation_checkpointing_{name}", None)
    switch = switch or getattr(module, f"gradient_checkpointing_{name}")
    if on:
        switch({"use_reentrant": False})
    else:
        switch()


@contextmanager
def _undisturbed(module: nn.Module, checkpointing: bool) -> Iterator[None]:
    """Train mode with gradients of the probe's own; everything is put back afterwards."""
    training = module.training
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    gradients = [(item, item.grad) for item in module.parameters()]
    random = torch.get_rng_state()
    module.train()
    if checkpointing:
        set_checkpointing(module, True)
    for item, _ in gradients:
        item.grad = None
    try:
        yield
    finally:
        for item, gradient in gradients:
            item.grad = gradient
        for buffer, value in buffers:
            buffer.copy_(value)
        if checkpointing:
            set_checkpointing(module, False)
        module.train(training)
        torch.set_rng_state(random)
        trim()
