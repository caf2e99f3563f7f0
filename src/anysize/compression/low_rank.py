"""Linear layers as products of two thinner ones, by their singular values.

The truncated singular value decomposition is the nearest matrix of its rank (Eckart and Young
1936). The rank of each layer is the smallest that keeps a part of the energy, the sum of the
squared singular values; layers whose two factors would have as many weights as they have stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.compression.altering import Altering
from anysize.compression.fitting import tuning_problems
from anysize.compression.protocols import Context, Method
from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import nn

    from anysize.models.altered import FactoredLinear
    from anysize.models.bundle import Card
    from anysize.models.network import Network

PROVIDES = ("low-rank",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is kept.

    Attributes:
        energy: part of each layer's squared singular values that is kept, at least.
        epochs: of training afterwards; 0 does not train.
        learning_rate: the highest; None derives it from how the bundle was trained.
    """

    energy: float = 0.9
    epochs: float = 0.0
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if not 0 < self.energy <= 1:
            problems.append(f"energy must be above 0 and at most 1, not {self.energy:g}")
        if problems:
            raise ConfigurationError(problems)


def make(key: str) -> Method:
    """``low-rank``."""
    return LowRank(key)


class LowRank(Altering):
    """Factored linear layers."""

    needs_data = False
    options = Options

    def unfit(self, network: Network) -> list[str]:
        return [] if _layers(network) else ["it has no linear layers that could be factored"]

    def altered(self, source: Path, options: Any, context: Context) -> tuple[Network, Card]:
        from anysize.models.spec import open_network

        network, card = open_network(str(source))
        before = sum(weight.numel() for weight in network.module.parameters())
        layers = factor(network, options.energy)
        if not layers:
            raise ConfigurationError(
                f"{self.key}: no linear layer of {card.model} has fewer weights at energy "
                f"{options.energy:g}; lower energy, or prune instead"
            )
        after = sum(weight.numel() for weight in network.module.parameters())
        context.say(f"{layers} linear layers factored, {after / before:.3f} of the weights left")
        return network, card


def factor(network: Network, energy: float) -> int:
    """Factors the linear layers that have fewer weights then, and notes it in the network.

    Args:
        network: changed in place.
        energy: that is kept of each layer.

    Returns:
        How many were factored.
    """
    from anysize.models.altered import describe, replace

    count = 0
    for name, layer in _layers(network).items():
        product = factored(layer, energy)
        if product is not None:
            replace(network.module, name, product)
            count += 1
    if count:
        network.altered = describe(network.module)
    return count


def factored(layer: nn.Linear, energy: float) -> FactoredLinear | None:
    """A linear layer as the product of two; None where that has no fewer weights.

    Args:
        layer: stays as it is.
        energy: part of the squared singular values that is kept, at least; 1 keeps all of them.
    """
    outputs, inputs = layer.weight.shape
    most = (outputs * inputs - 1) // (outputs + inputs)
    product, rank = factors(layer, energy)
    return product if rank <= most else None


def factors(layer: nn.Linear, energy: float) -> tuple[FactoredLinear, int]:
    """The product of two layers, and its rank, whatever their size."""
    import torch

    from anysize.models.altered import FactoredLinear

    with torch.no_grad():
        left, values, right = torch.linalg.svd(layer.weight.double(), full_matrices=False)
        shares = values.square().cumsum(0)
        needed = int((shares < energy * shares[-1]).sum()) + 1
        rank = len(values) if energy >= 1 else min(needed, len(values))
        roots = values[:rank].sqrt()
        product = FactoredLinear(
            layer.in_features, layer.out_features, rank, layer.bias is not None
        ).to(layer.weight.dtype)
        product.inner.weight.copy_(roots[:, None] * right[:rank])
        product.outer.weight.copy_(left[:, :rank] * roots)
        if layer.bias is not None:
            product.outer.bias.copy_(layer.bias)
    return product, rank


def _layers(network: Network) -> dict[str, nn.Linear]:
    """Linear layers that are called as such, are trained, and are not an embedding as well.

    The last one stays: its inputs are the features that learned pooling reads.
    """
    from torch import nn

    from anysize.models.altered import FactoredLinear
    from anysize.training.sparsity import prunable

    weights = {id(weight) for weight in prunable(network.module).values()}
    factors = {
        part
        for layer in network.module.modules()
        if isinstance(layer, FactoredLinear)
        for part in layer.children()
    }
    classes = int(getattr(network.module.config, "num_labels", 0) or 0)
    found = {
        name: layer
        for name, layer in network.module.named_modules()
        # Others' weights are used behind their backs, as in nn.MultiheadAttention.
        if type(layer) is nn.Linear and id(layer.weight) in weights and layer not in factors
    }
    return {name: layer for name, layer in found.items() if layer.out_features != classes}
