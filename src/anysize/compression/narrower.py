"""A student of half the width: a fresh built-in net where layers cannot be left out.

Of a model of numbers it is a plain net with half the units of each layer. Other built-in models
that are no stack of layers (``attention``, ``lstm``, ``cnn``, ``mlp``), or of one layer, are built
once more, with half of what their configuration calls ``hidden_size`` or ``hidden_sizes``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.modalities.numbers.settings import FeatureSettings

if TYPE_CHECKING:
    from torch import nn

    from anysize.models.bundle import Card
    from anysize.models.network import Network

_LEAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrower:
    """A fresh model.

    Attributes:
        model: its spec.
        options: of its family.
    """

    model: str
    options: Mapping[str, str]


def narrower(source: Path, layers: int) -> Narrower | None:
    """The student of a bundle; None where another one is needed.

    Args:
        source: the teacher.
        layers: how many hidden layers the student has, evenly spread; 0 is all of the teacher's.
            Of other models than those of numbers only 0.

    Raises:
        ConfigurationError: the teacher has other layers than such a net, or fewer.
    """
    from anysize.models.bundle import read_card
    from anysize.models.spec import open_network
    from anysize.models.thinned import kept

    card = read_card(source)
    settings = card.settings
    network, _ = open_network(str(source))
    if not isinstance(settings, FeatureSettings):
        return None if layers else _half_as_wide(card, network)
    sequences = bool(settings.steps)
    units = _units(network.module, sequences=sequences)
    if not units:
        raise ConfigurationError(
            f"distil: {source} has no {'convolutions' if sequences else 'hidden dense layers'} of "
            "which the student could have fewer; name a smaller model: distil(student=SPEC)"
        )
    if layers > len(units):
        raise ConfigurationError(
            f"distil: layers must be at most {len(units)}, the hidden layers of {source}, not "
            f"{layers}"
        )
    chosen = kept(len(units), layers or len(units))
    hidden = "x".join(str(_half(units[place])) for place in chosen)
    return Narrower(model="conv1d" if sequences else "dense", options={"hidden": hidden})


def _half(units: int) -> int:
    return max(units // 2, min(_LEAST, units))


def _half_as_wide(card: Card, network: Network) -> Narrower | None:
    """A built-in model once more; None where it is a stack of several layers, or without sizes."""
    from anysize.models.thinned import stacks_of

    stacks = stacks_of(network.module)
    if not plugins.has("models", card.model) or any(len(each.layers) > 1 for each in stacks):
        return None
    before = (card.provenance.get("recipe") or {}).get("options") or {}
    config = network.module.config
    family = plugins.load("models", card.model)
    if hasattr(family, "half_as_wide"):
        return Narrower(model=card.model, options={**before, **family.half_as_wide(config)})
    builder = getattr(family, card.model.replace("-", "_"), None)
    taken = () if builder is None else inspect.signature(builder).parameters
    sizes = getattr(config, "hidden_sizes", ()) if "hidden_sizes" in taken else ()
    size = getattr(config, "hidden_size", 0) if "hidden_size" in taken else 0
    if len(sizes) > 1:
        halves = {"hidden_sizes": "x".join(str(_half(each)) for each in sizes)}
    elif size:
        heads = int(getattr(config, "num_heads", getattr(config, "num_attention_heads", 1)))
        halves = {"hidden_size": str(max(_half(size) // heads, 1) * heads)}
    else:
        return None
    return Narrower(model=card.model, options={**before, **halves})


def _units(module: nn.Module, *, sequences: bool) -> list[int]:
    """Units of the hidden layers, from below; of sequences those that go along time."""
    from torch import nn

    if sequences:
        return [each.out_channels for each in module.modules() if isinstance(each, nn.Conv1d)]
    linears = [each for each in module.modules() if isinstance(each, nn.Linear)]
    return [each.out_features for each in linears[:-1]]
