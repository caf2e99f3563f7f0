"""The student of a model of numbers: a fresh built-in net with half the units of its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anysize.core.errors import ConfigurationError
from anysize.modalities.numbers.settings import FeatureSettings

if TYPE_CHECKING:
    from torch import nn

_LEAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrower:
    """A fresh model.

    Attributes:
        model: its spec.
        units: of each of its hidden layers.
    """

    model: str
    units: tuple[int, ...]


def narrower(source: Path, layers: int) -> Narrower | None:
    """The student of a bundle; None where the bundle is of something else than numbers.

    Args:
        source: the teacher.
        layers: how many hidden layers the student has, evenly spread; 0 is all of the teacher's.

    Raises:
        ConfigurationError: the teacher has other layers than such a net, or fewer.
    """
    from anysize.models.bundle import read_card
    from anysize.models.spec import open_network
    from anysize.models.thinned import kept

    card = read_card(source)
    settings = card.settings
    if not isinstance(settings, FeatureSettings):
        return None
    network, _ = open_network(str(source))
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
    return Narrower(
        model="conv1d" if sequences else "dense",
        units=tuple(max(units[place] // 2, min(_LEAST, units[place])) for place in chosen),
    )


def _units(module: nn.Module, *, sequences: bool) -> list[int]:
    """Units of the hidden layers, from below; of sequences those that go along time."""
    from torch import nn

    if sequences:
        return [each.out_channels for each in module.modules() if isinstance(each, nn.Conv1d)]
    linears = [each for each in module.modules() if isinstance(each, nn.Linear)]
    return [each.out_features for each in linears[:-1]]
