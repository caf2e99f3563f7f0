"""What networks with classes have in common: their names in the configuration, and the last layer.

``id2label`` is where Hugging Face configurations keep names of classes; their JSON has the numbers
as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def class_entries(labels: Iterable[str]) -> dict[str, Any]:
    """``id2label`` and ``label2id`` of a configuration."""
    named = dict(enumerate(labels))
    return {"id2label": named, "label2id": {label: place for place, label in named.items()}}


def name_classes(config: Any, labels: Iterable[str]) -> None:
    """Writes the names of the classes into a configuration."""
    for key, value in class_entries(labels).items():
        setattr(config, key, value)


def class_names(config: Any) -> tuple[str, ...]:
    """The names of the classes of a configuration, in their order; empty where it has none.

    Those that share a name, as ImageNet's two cranes do, have their number behind it.
    """
    named = {int(number): str(name) for number, name in (config.id2label or {}).items()}
    times = Counter(named.values())
    return tuple(
        name if times[name] == 1 else f"{name} ({number})" for number, name in sorted(named.items())
    )


def last_linear(module: nn.Module, classes: int) -> nn.Linear | None:
    """The last linear layer with so many outputs, whose inputs are the features of a classifier."""
    from torch import nn

    linears = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.Linear) and layer.out_features == classes
    ]
    return linears[-1] if linears else None
