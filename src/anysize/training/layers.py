"""Fine-tuning parts of a network: frozen parameters, and slower ones the lower they lie."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from anysize.core.errors import ConfigurationError

# A stage's own list of layers: ``stages.1.layers.2`` is one layer, ``blocks.3.opening.0`` is part
# of the layer ``blocks.3``.
_INNER = frozenset({"layers", "layer", "blocks", "block"})


def freeze(module: nn.Module, patterns: Sequence[str]) -> None:
    """Chooses which parameters are trained; all of them without patterns.

    A pattern fits a name (``*`` any characters, dots included) or the beginning of a name up to a
    dot. Behind ``!`` it says what is trained after all; the last pattern that fits decides. A batch
    norm with nothing to train keeps its statistics too.

    Args:
        module: the network.
        patterns: in order.

    Raises:
        ConfigurationError: a pattern fits no parameter, or nothing is left to train.
    """
    names = [name for name, _ in module.named_parameters()]
    problems = [
        f"freeze: {pattern!r} fits no parameter of the model; their names begin with "
        f"{', '.join(_beginnings(names))}"
        for pattern in patterns
        if not any(_fits(name, pattern.removeprefix("!")) for name in names)
    ]
    frozen = {name for name in names if _is_frozen(name, patterns)}
    if not problems and len(frozen) == len(names):
        problems.append(
            f"freeze leaves nothing to train; add a part that is, such as '!{names[-1]}'"
        )
    if problems:
        raise ConfigurationError(problems)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in frozen)
    for part in module.modules():
        if isinstance(part, _BatchNorm) and patterns and not _trains(part):
            part.register_forward_pre_hook(_stay)


def trained_part(module: nn.Module, patterns: Sequence[str]) -> float:
    """The part of all weights that `freeze` leaves to be trained."""
    sizes = {name: item.numel() for name, item in module.named_parameters()}
    trained = sum(size for name, size in sizes.items() if not _is_frozen(name, patterns))
    return trained / max(sum(sizes.values()), 1)


def trained_count(module: nn.Module) -> str | None:
    """How many parameters are trained of all, in words; None where all of them are."""
    sizes = [(item.numel(), item.requires_grad) for item in module.parameters()]
    trained = sum(size for size, trains in sizes if trains)
    total = sum(size for size, _ in sizes)
    if trained == total:
        return None
    return f"{trained:,} of {total:,} parameters are trained ({100 * trained / total:.2g} %)"


def below_last_blocks(module: nn.Module, count: int) -> tuple[str, ...]:
    """Names of the parameters below the last ``count`` blocks of layers.

    Blocks are the layers of `layer_scales`.

    Raises:
        ConfigurationError: the network has no blocks, or fewer.
    """
    names = [name for name, _ in module.named_parameters()]
    keys = [_layer(name) for name in names]
    blocks = list(dict.fromkeys(key for key in keys if key is not None))
    if count > len(blocks) or not blocks:
        raise ConfigurationError(
            f"last_blocks must be at most {len(blocks)}, the blocks of layers that the model has, "
            f"not {count}"
        )
    last = max(place for place, key in enumerate(keys) if key is not None)
    first = keys.index(blocks[-count]) if count else last + 1
    return tuple(names[:first])


def layer_scales(module: nn.Module, decay: float) -> dict[str, float]:
    """A factor of the learning rate for every parameter, by name (Howard and Ruder 2018, ULMFiT).

    Layers are the entries of the network's list of layers, or of the lists in its stages, in the
    order of registration; what comes before them lies below the first, what comes behind them above
    the last, with the factor 1.

    Args:
        module: the network.
        decay: from each layer to the one below it.
    """
    names = [name for name, _ in module.named_parameters()]
    keys = [_layer(name) for name in names]
    layers = list(dict.fromkeys(key for key in keys if key is not None))
    numbered = [place for place, key in enumerate(keys) if key is not None]
    last = numbered[-1] if numbered else -1
    top = len(layers) + 1
    below = {key: number for number, key in enumerate(layers, start=1)}
    scales: dict[str, float] = {}
    level = 0
    for place, (name, key) in enumerate(zip(names, keys, strict=True)):
        if key is not None:
            level = below[key]
        elif place > last:
            level = top
        scales[name] = decay ** (top - level)
    return scales


def _is_frozen(name: str, patterns: Sequence[str]) -> bool:
    frozen = False
    for pattern in patterns:
        if _fits(name, pattern.removeprefix("!")):
            frozen = not pattern.startswith("!")
    return frozen


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _beginnings(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))[:20]


def _trains(part: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in part.parameters(recurse=False))


def _stay(part: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
    """Keeps a norm as in prediction, although the network around it is put into training mode."""
    part.training = False


def _layer(name: str) -> tuple[str, ...] | None:
    """The beginning of a parameter's name that names its layer; None outside of any list."""
    parts = name.split(".")
    place = next((place for place, part in enumerate(parts) if part.isdigit()), None)
    if place is None:
        return None
    inner = parts[place + 1 : place + 3]
    if len(inner) == 2 and inner[0] in _INNER and inner[1].isdigit():
        place += 2
    return tuple(parts[: place + 1])
