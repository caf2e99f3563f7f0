"""Transformers with fewer layers: some of a trained model's own, the rest left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from anysize.core.errors import ConfigurationError
from anysize.models.altered import describe, replace
from anysize.models.network import Network


def layers_of(module: nn.Module) -> tuple[str, nn.ModuleList] | None:
    """Name and list of an encoder's layers; None where it is not a stack of them.

    A stack is the one list of modules that is as long as the configuration says.
    """
    config = getattr(module, "config", None)
    count = getattr(config, "num_hidden_layers", None)
    if not isinstance(count, int) or getattr(config, "is_encoder_decoder", False):
        return None
    found = [
        (name, each)
        for name, each in module.named_modules()
        if isinstance(each, nn.ModuleList) and len(each) == count
    ]
    return found[0] if len(found) == 1 else None


def kept(count: int, layers: int) -> tuple[int, ...]:
    """Which of ``count`` layers stay: evenly spread, the last one always (6 to 3: 1, 3, 5).

    Each then represents those below it that are left out, so that its output may be compared with
    the original's at the same place (Jiao et al. 2020, arXiv:1909.10351, the uniform mapping).
    """
    return tuple((place + 1) * count // layers - 1 for place in range(layers))


def thin(network: Network, layers: int) -> None:
    """Leaves a network some of its layers, evenly spread; all else stays as it is.

    Initialising a student so is what DistilBERT does (Sanh et al. 2019, arXiv:1910.01108).

    Args:
        network: a transformers encoder; changed in place.
        layers: how many stay.

    Raises:
        ConfigurationError: it is not a stack of layers, or has fewer.
    """
    found = layers_of(network.module)
    if found is None:
        raise ConfigurationError(
            f"layers: {network.spec} is not a stack of transformer layers; name a smaller model "
            "instead"
        )
    count = len(found[1])
    if not 1 <= layers <= count:
        raise ConfigurationError(
            f"layers must be from 1 to {count}, the layers of {network.spec}, not {layers}"
        )
    keep(network, kept(count, layers))


def keep(network: Network, places: Sequence[int]) -> None:
    """Leaves a network the layers at ``places``, in that order.

    Args:
        network: for which `layers_of` finds layers; changed in place.
        places: 0-based.
    """
    found = layers_of(network.module)
    assert found is not None
    name, stack = found
    chosen = nn.ModuleList(stack[place] for place in places)
    for number, layer in enumerate(chosen):
        for part in layer.modules():
            if isinstance(getattr(part, "layer_idx", None), int):
                part.layer_idx = number  # type: ignore[assignment]
    replace(network.module, name, chosen)
    network.module.config.num_hidden_layers = len(places)
    if network.altered:
        network.altered = describe(network.module)


def apply_options(network: Network, options: Mapping[str, str]) -> None:
    """Changes a network from a folder or the hub as a recipe's model options say.

    Args:
        network: as loaded; changed in place.
        options: ``layers``, how many of its layers stay.

    Raises:
        ConfigurationError: another option, or one that does not fit.
    """
    problems = [
        f"model {network.spec!r} has no option {name!r}; it has: layers"
        for name in options
        if name != "layers"
    ]
    layers = options.get("layers", "1")
    if not layers.isdigit():
        problems.append(f"option 'layers' must be a whole number, not {layers!r}")
    if problems:
        raise ConfigurationError(problems)
    if "layers" in options:
        thin(network, int(layers))
