"""Transformers with fewer layers: some of a trained model's own, the rest left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from anysize.core.errors import ConfigurationError
from anysize.models.altered import describe, replace
from anysize.models.network import Network

OPTIONS = ("layers", "decoder_layers")
"""How many layers stay of the stacks of `stacks_of`, as options of a model."""


def layers_of(module: nn.Module) -> tuple[str, nn.ModuleList] | None:
    """Name and list of an encoder's layers; None where it is not a stack of them.

    A stack is the one list of modules that is as long as the configuration says, or that the
    module names itself (``stack``). Of Whisper's classifiers it is the encoder, all that they have.
    """
    config = getattr(module, "config", None)
    own = getattr(module, "stack", None)
    if isinstance(own, str):
        return own, cast(nn.ModuleList, module.get_submodule(own))
    count = getattr(config, "num_hidden_layers", None)
    if not isinstance(count, int):
        return None
    if getattr(config, "is_encoder_decoder", False) and not _has_encoder_alone(module):
        return None
    found = [
        (name, each)
        for name, each in module.named_modules()
        if isinstance(each, nn.ModuleList) and len(each) == count
    ]
    return found[0] if len(found) == 1 else None


def _has_encoder_alone(module: nn.Module) -> bool:
    """Whether a module whose configuration has two sides was built with the encoder alone."""
    config = getattr(module, "config", None)
    if not getattr(config, "is_encoder_decoder", False):
        return False
    names = {name.rpartition(".")[2] for name, _ in module.named_modules()}
    return "encoder" in names and "decoder" not in names


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of layers.

    Attributes:
        name: of the list in the module.
        layers: the list.
        setting: what the configuration calls their number.
    """

    name: str
    layers: nn.ModuleList
    setting: str


def stacks_of(module: nn.Module) -> tuple[Stack, ...]:
    """The stacks that layers can be left out of: one, or of an encoder-decoder two.

    None where there are no such stacks. Of T5 there are none: its first layers hold the positions
    of all.
    """
    found = layers_of(module)
    if found is not None:
        setting = "num_layers" if hasattr(module, "stack") else "num_hidden_layers"
        if _has_encoder_alone(module):
            setting = "encoder_layers"
        return (Stack(*found, setting),)
    stacks = []
    for side in ("encoder", "decoder"):
        count = getattr(getattr(module, "config", None), f"{side}_layers", None)
        lists = [
            Stack(name, each, f"{side}_layers")
            for name, each in module.named_modules()
            if isinstance(each, nn.ModuleList)
            and len(each) == count
            and f".{name}".endswith(f".{side}.layers")
        ]
        if len(lists) != 1:
            return ()
        stacks += lists
    return tuple(stacks)


def kept(count: int, layers: int) -> tuple[int, ...]:
    """Which of ``count`` layers stay: evenly spread, the last one always (6 to 3: 1, 3, 5).

    Each then represents those below it that are left out, so that its output may be compared with
    the original's at the same place (Jiao et al. 2020, arXiv:1909.10351, the uniform mapping).
    """
    return tuple((place + 1) * count // layers - 1 for place in range(layers))


def thin(network: Network, layers: int | None, decoder_layers: int | None = None) -> None:
    """Leaves a network some of its layers, evenly spread; all else stays as it is.

    Initialising a student so is what DistilBERT does (Sanh et al. 2019, arXiv:1910.01108).

    Args:
        network: a transformer; changed in place.
        layers: how many stay; of an encoder-decoder, of its encoder. None is all.
        decoder_layers: how many of a decoder's; None is as many as ``layers``, as far as it has
            them.

    Raises:
        ConfigurationError: it is not a stack of layers, or has fewer.
    """
    stacks = stacks_of(network.module)
    if not stacks:
        raise ConfigurationError(
            f"layers: {network.spec} is not a stack of transformer layers; name a smaller model "
            "instead"
        )
    if decoder_layers is not None and len(stacks) == 1:
        raise ConfigurationError(
            f"model {network.spec!r} has no option 'decoder_layers': it is no encoder-decoder"
        )
    counts = [len(stack.layers) for stack in stacks]
    wanted = [counts[0] if layers is None else layers]
    if len(stacks) == 2:
        same = counts[1] if layers is None else min(layers, counts[1])
        wanted.append(same if decoder_layers is None else decoder_layers)
    for name, number, count in zip(OPTIONS, wanted, counts, strict=False):
        if not 1 <= number <= count:
            raise ConfigurationError(
                f"{name} must be from 1 to {count}, the layers of {network.spec}, not {number}"
            )
    for stack, number, count in zip(stacks, wanted, counts, strict=True):
        _keep(network, stack, kept(count, number))


def keep(network: Network, places: Sequence[int]) -> None:
    """Leaves a network the layers at ``places``, in that order.

    Args:
        network: for which `layers_of` finds layers; changed in place.
        places: 0-based.
    """
    (stack,) = stacks_of(network.module)
    _keep(network, stack, places)


def _keep(network: Network, stack: Stack, places: Sequence[int]) -> None:
    chosen = nn.ModuleList(stack.layers[place] for place in places)
    for number, layer in enumerate(chosen):
        for part in layer.modules():
            if isinstance(getattr(part, "layer_idx", None), int):
                part.layer_idx = number  # type: ignore[assignment]
    replace(network.module, stack.name, chosen)
    config = network.module.config
    setattr(config, stack.setting, len(places))
    if stack.setting == "encoder_layers":
        config.num_hidden_layers = len(places)
    if network.altered:
        network.altered = describe(network.module)


def apply_options(network: Network, options: Mapping[str, str]) -> None:
    """Changes a network from a folder or the hub as a recipe's model options say.

    Args:
        network: as loaded; changed in place.
        options: ``layers``, how many of its layers stay, and of an encoder-decoder
            ``decoder_layers``.

    Raises:
        ConfigurationError: another option, or one that does not fit.
    """
    problems = [
        f"model {network.spec!r} has no option {name!r}; it has: {', '.join(OPTIONS)}"
        for name in options
        if name not in OPTIONS
    ]
    problems += [
        f"option {name!r} must be a whole number, not {options[name]!r}"
        for name in OPTIONS
        if not options.get(name, "1").isdigit()
    ]
    if problems:
        raise ConfigurationError(problems)
    if options:
        layers, decoder_layers = (options.get(name) for name in OPTIONS)
        thin(
            network,
            None if layers is None else int(layers),
            None if decoder_layers is None else int(decoder_layers),
        )
