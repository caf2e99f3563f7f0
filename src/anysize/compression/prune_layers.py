"""Transformer layers left out: those without which the outputs change least.

A layer is rated by what the whole network gives without it on calibration records, and the least
important is removed, again and again, since layers make up for each other (greedy search, as of
Men et al. 2024, "ShortGPT", arXiv:2403.03853, with the divergence of the outputs in place of their
block influence). The result is an ordinary Hugging Face folder with ``num_hidden_layers`` lowered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.compression.altering import Altering
from anysize.compression.fitting import tuning_problems
from anysize.compression.protocols import Context, Method
from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.core.examples import Example
    from anysize.models.bundle import Card
    from anysize.models.network import Network

PROVIDES = ("prune-layers",)

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is pruned.

    Attributes:
        layers: how many stay; 0 uses ``keep``.
        keep: part of the layers that stays, rounded.
        epochs: of training after pruning; 0 does not train.
        learning_rate: the highest; None derives it from how the bundle was trained.
        windows: of training records, that importance is measured on.
    """

    layers: int = 0
    keep: float = 0.5
    epochs: float = 3.0
    learning_rate: float | None = None
    windows: int = 128

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if self.layers < 0:
            problems.append(f"layers must be at least 0, not {self.layers}")
        if not 0 < self.keep < 1:
            problems.append(f"keep must be above 0 and below 1, not {self.keep:g}")
        if self.windows < 1:
            problems.append(f"windows must be at least 1, not {self.windows}")
        if problems:
            raise ConfigurationError(problems)


def make(key: str) -> Method:
    """``prune-layers``."""
    return Layers(key)


class Layers(Altering):
    """Fewer layers."""

    options = Options

    def unfit(self, network: Network) -> list[str]:
        from anysize.models.thinned import layers_of

        layers = layers_of(network.module)
        if layers is None or len({type(layer) for layer in layers[1]}) != 1:
            return ["it is not a stack of transformer layers that could be left out"]
        if len(layers[1]) < 2:
            return ["it has one layer only"]
        return []

    def altered(self, source: Path, options: Any, context: Context) -> tuple[Network, Card]:
        from anysize.compression.calibration import of_training
        from anysize.models.spec import open_network
        from anysize.models.thinned import keep, layers_of

        network, card = open_network(str(source))
        if problems := self.problems(network, card):
            raise ConfigurationError([f"{self.key}: {each}" for each in problems])
        found = layers_of(network.module)
        assert found is not None
        count = len(found[1])
        wanted = options.layers or max(round(options.keep * count), 1)
        if wanted >= count:
            raise ConfigurationError(
                f"{self.key}: layers must be below {count}, the layers of {card.model}, "
                f"not {wanted}"
            )
        examples = of_training(context, self.key, network, options.windows)
        places = least_missed(network, examples, wanted)
        context.say(f"layers {', '.join(str(place + 1) for place in places)} of {count} stay")
        # Rating has prepared the module for execution; what is kept is as it was stored.
        network, card = open_network(str(source))
        keep(network, places)
        return network, card


def least_missed(network: Network, examples: Sequence[Example], wanted: int) -> list[int]:
    """The layers that stay, 0-based and in order.

    Args:
        network: with layers that `models.thinned.layers_of` finds; may be left prepared for
            execution.
        examples: windows that the outputs are compared on.
        wanted: how many stay.
    """
    from anysize.models.thinned import layers_of

    found = layers_of(network.module)
    assert found is not None
    places = list(range(len(found[1])))
    network.module.eval()
    whole = _outputs(network, examples)
    while len(places) > wanted:
        changes = []
        for place in places:
            others = [each for each in places if each != place]
            with _only(network, others):
                changes.append((divergence(whole, _outputs(network, examples)), place))
        # Of equal ones the later: what is near the input feeds all that follows.
        _, dropped = min(changes, key=lambda pair: (pair[0], -pair[1]))
        places.remove(dropped)
    return places


def divergence(whole: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """How far outputs are from those of the whole network.

    Logits of classes by the Kullback-Leibler divergence of their distributions, all else by the
    squared difference as a part of the squares.
    """
    from torch.nn import functional

    total = 0.0
    for name, value in whole.items():
        if name == "logits" and value.ndim == 2:
            total += float(
                functional.kl_div(
                    other[name].log_softmax(1),
                    value.log_softmax(1),
                    reduction="batchmean",
                    log_target=True,
                )
            )
        else:
            squares = float(value.square().sum()) or 1.0
            total += float((other[name] - value).square().sum()) / squares
    return total


@contextmanager
def _only(network: Network, places: Sequence[int]) -> Iterator[None]:
    """The network with some of its layers alone, for a while."""
    from torch import nn

    from anysize.models.altered import replace
    from anysize.models.thinned import layers_of

    found = layers_of(network.module)
    assert found is not None
    name, layers = found
    replace(network.module, name, nn.ModuleList(layers[place] for place in places))
    try:
        yield
    finally:
        replace(network.module, name, layers)


def _outputs(network: Network, examples: Sequence[Example]) -> dict[str, Tensor]:
    """What the network gives for all windows, in float32."""
    import torch

    from anysize.models.execution import make_execution

    execution = make_execution(network, "cpu")
    with torch.inference_mode():
        parts = [
            execution(examples[start : start + _AT_ONCE])
            for start in range(0, len(examples), _AT_ONCE)
        ]
    return {name: torch.cat([part[name].float() for part in parts]) for name in parts[0]}
