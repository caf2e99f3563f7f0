"""How much units matter: the change of the loss that their removal would cause, to first order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from anysize.compression.groups import Group
from anysize.compression.protocols import Context
from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.pipeline import Position, examples
from anysize.models.bundle import Card
from anysize.models.convolution import guard_gradients
from anysize.models.execution import make_execution
from anysize.models.network import Network
from anysize.training.order import Permutation
from anysize.training.pooled import Objective, Windows, one_graph
from anysize.training.stream import TARGET, Labelled

_WINDOWS_OF_ONE = 4
# What is random in training, or changes with the batch.
_STILL = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
_AT_ONCE = 8
_SATURATED = 1e-3
"""Mean loss below which its gradients say next to nothing."""
_SOFT = 0.1
"""Label smoothing that is then used: a network that is sure of itself has gradients again."""


def taylor(
    network: Network,
    card: Card,
    groups: Sequence[Group],
    context: Context,
    *,
    records: int,
    turn: int = 0,
) -> list[Tensor]:
    """The mean squared change of the loss without each unit (Molchanov et al. 2019, 1906.10771).

    Where the network is so sure of every record that the loss has no gradient left, the loss with
    smoothed labels is used; else all units would be rated alike.

    Args:
        network: on the CPU; its gradients are cleared.
        card: of it.
        groups: whose units are rated.
        context: its training records are used, never those that are judged by.
        records: how many.
        turn: which draw of them.

    Returns:
        float32 ``[units]`` for each group.

    Raises:
        DataError: no record can be used.
    """
    totals, loss = _rated(network, card, groups, context, records, turn, smoothing=0.0)
    if loss < _SATURATED:
        totals, _ = _rated(network, card, groups, context, records, turn, smoothing=_SOFT)
    return totals


def _rated(
    network: Network,
    card: Card,
    groups: Sequence[Group],
    context: Context,
    records: int,
    turn: int,
    *,
    smoothing: float,
) -> tuple[list[Tensor], float]:
    """Importance by group, and the mean loss."""
    objective = _objective(network, card, context, smoothing)
    module = network.module
    totals = [torch.zeros(group.units) for group in groups]
    batch: list[Windows] = []
    count = 0
    loss = 0.0

    def learn() -> float:
        module.zero_grad(set_to_none=True)
        found = one_graph(objective, batch)
        for total, group in zip(totals, groups, strict=True):
            total.add_(group.gates().square())
        batch.clear()
        return found

    source = context.calibration("prune-structured")
    for record in islice(_records(network, card, context, turn), records):
        batch.append(record)
        count += 1
        if sum(len(each.examples) for each in batch) >= _AT_ONCE:
            loss += learn()
    if batch:
        loss += learn()
    module.zero_grad(set_to_none=True)
    module.eval()
    if not count:
        raise DataError(source.name, "has no record that importance could be measured on")
    return totals, loss / count


def _objective(network: Network, card: Card, context: Context, smoothing: float) -> Objective:
    """The loss, with everything that changes from step to step of training held still."""
    module = network.module
    # Networks that make their loss themselves do so in training alone.
    module.train(network.targets is not None)
    for layer in module.modules():
        if isinstance(layer, _STILL):
            layer.eval()
    module.requires_grad_(True)
    guard_gradients(module)
    return Objective(
        task=context.task,
        network=network,
        execution=make_execution(network, "cpu", packed=False),
        rule=card.merge,
        label_smoothing=smoothing,
        device=torch.device("cpu"),
        bfloat16=False,
    )


def _records(network: Network, card: Card, context: Context, turn: int) -> Iterator[Windows]:
    source = context.calibration("prune-structured")
    labelled = Labelled(context.task.preprocess(network), context.task, card.labels)
    drawn = Permutation(len(source), context.seed, turn) if len(source) else None
    for place in range(len(source)):
        assert drawn is not None
        stream = examples(source, [Position(drawn(place), drawn(place))], labelled, draw=0)
        held = [item for item in islice(stream, _WINDOWS_OF_ONE) if isinstance(item, Example)]
        if held:
            value = held[0].arrays[TARGET]
            yield Windows(held, value.item() if value.ndim == 0 else value)
