"""Whole channels, heads and feed-forward units removed: an ordinary smaller model.

What goes is what changes the loss least for the operations that it costs (``saliency``,
``selection``); then the model is trained further. The bundle's card notes the altered layers, and
opening it needs nothing else (``models.altered``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.compression.altering import Altering
from anysize.compression.fitting import graph_problems, tuning_problems
from anysize.compression.protocols import Context, Method
from anysize.core.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.compression.flops import Flops
    from anysize.compression.groups import Group
    from anysize.models.bundle import Card
    from anysize.models.network import Network

PROVIDES = ("prune-structured",)

# What removing silenced units may change: rounding of sums in another order.
_ROUNDING = 1e-3
_ROUNDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is pruned.

    Attributes:
        flops: part of the operations of one window that is left.
        epochs: of training after pruning; 0 does not train.
        learning_rate: the highest; None derives it from how the bundle was trained.
        multiple: how many channels or units stay is a multiple of this, which kernels like; less
            where there are few.
        records: training records that importance is measured on, in each of four rounds.
    """

    flops: float = 0.5
    epochs: float = 8.0
    learning_rate: float | None = None
    multiple: int = 16
    records: int = 256

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if not 0 < self.flops < 1:
            problems.append(f"flops must be above 0 and below 1, not {self.flops:g}")
        if self.multiple < 1 or self.multiple & (self.multiple - 1):
            problems.append(f"multiple must be a power of two, not {self.multiple}")
        if self.records < 1:
            problems.append(f"records must be at least 1, not {self.records}")
        if problems:
            raise ConfigurationError(problems)


def make(key: str) -> Method:
    """``prune-structured``."""
    return Structured(key)


class Structured(Altering):
    """Fewer channels, heads and units."""

    options = Options

    def unfit(self, network: Network) -> list[str]:
        if found := graph_problems(network):
            return found
        try:
            removable(network, Options().multiple)
        except ConfigurationError as error:
            return list(error.problems)
        return []

    def altered(self, source: Path, options: Any, context: Context) -> tuple[Network, Card]:
        from anysize.models.altered import describe
        from anysize.models.spec import open_network

        network, card = open_network(str(source))
        groups, flops = removable(network, options.multiple)
        chosen = select(network, card, groups, flops, options, context)
        remove(network, groups, chosen)
        network.altered = describe(network.module)
        context.say(_described(network, flops))
        return network, card


def select(
    network: Network,
    card: Card,
    groups: Sequence[Group],
    flops: Flops,
    options: Options,
    context: Context,
) -> list[list[int]]:
    """The units to remove of each group, chosen in rounds.

    What is chosen is silenced, and the next round rates the others in the network that is left:
    units make up for each other, so that one is worth more when another has gone.

    Args:
        network: on the CPU; its chosen units are silenced.
        card: of it.
        groups: of it.
        flops: of it.
        options: what is left, and the records that importance is measured on.
        context: has the records.
    """
    from anysize.compression.saliency import taylor
    from anysize.compression.selection import choose

    chosen: list[list[int]] = [[] for _ in groups]
    for turn in range(_ROUNDS):
        scores = taylor(network, card, groups, context, records=options.records, turn=turn)
        share = options.flops ** ((turn + 1) / _ROUNDS)
        chosen = choose(groups, scores, flops, share, chosen, floor=options.flops)
        for group, units in zip(groups, chosen, strict=True):
            group.silence(units)
    return chosen


def remove(network: Network, groups: Sequence[Group], chosen: Sequence[Sequence[int]]) -> None:
    """Removes units, and checks that what is left computes what it did without them.

    Args:
        network: on the CPU; changed in place.
        groups: of it.
        chosen: units to remove, for each group.

    Raises:
        ConfigurationError: the network does more with its channels than could be traced.
    """
    for group, units in zip(groups, chosen, strict=True):
        if units:
            group.silence(units)
    before = _outputs(network)
    for group, units in zip(groups, chosen, strict=True):
        if units:
            group.remove(units)
    try:
        after = _outputs(network)
    except RuntimeError as error:
        raise ConfigurationError(
            f"prune-structured does not fit {network.spec}: after removing channels it does not "
            f"run ({error})"
        ) from error
    for name, value in before.items():
        difference = float((after[name] - value).abs().max() / value.abs().max().clamp_min(1e-6))
        if not difference <= _ROUNDING:
            raise ConfigurationError(
                f"prune-structured does not fit {network.spec}: its channels are used in a way "
                f"that tracing does not see ({name} differs by {difference:.1e})"
            )


def removable(network: Network, multiple: int) -> tuple[list[Group], Flops]:
    """What can be removed of a network, and what all of it costs.

    Raises:
        ConfigurationError: nothing.
        MissingExtraError: a library is not installed.
    """
    from anysize.compression.channels import channel_groups
    from anysize.compression.flops import measure
    from anysize.compression.heads import transformer_groups

    flops = measure(network)
    groups = transformer_groups(network, flops, multiple)
    if groups is None:
        try:
            groups = channel_groups(network, multiple)
        except MissingExtraError:
            raise
        except Exception as error:
            raise ConfigurationError(
                "it cannot be traced for channels that go together "
                f"({type(error).__name__}: {error})"
            ) from error
    if not groups:
        raise ConfigurationError("it has no channels, heads or units that could be removed")
    return groups, flops


def _outputs(network: Network) -> dict[str, Tensor]:
    import torch

    from anysize.models.execution import make_execution
    from anysize.planning import synthetic

    network.module.eval()
    with torch.no_grad():
        return make_execution(network, "cpu", packed=False)(synthetic.windows(network, 2))


def _described(network: Network, before: Flops) -> str:
    from anysize.compression.flops import measure

    weights = sum(weight.numel() for weight in network.module.parameters())
    left = measure(network).total
    return (
        f"{left / before.total:.3f} of the operations are left, {left:,} a window; "
        f"{weights:,} weights"
    )
