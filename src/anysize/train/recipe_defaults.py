"""What a recipe leaves open, chosen by the kind of model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from anysize.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Defaults:
    """What a kind of model is trained with unless the recipe says otherwise."""

    epochs: float
    batch: int
    learning_rate: float
    optimizer: Literal["adamw", "sgd"]
    weight_decay: float
    schedule: Literal["linear", "cosine", "one-cycle"]
    warmup: float
    clip: float
    label_smoothing: float


_DEFAULTS: Mapping[tuple[str, bool], _Defaults] = {
    # By role, and whether the weights are pretrained.
    ("text", True): _Defaults(
        epochs=3, batch=32, learning_rate=5e-5, optimizer="adamw", weight_decay=0.01,
        schedule="linear", warmup=0.08, clip=1.0, label_smoothing=0.0,
    ),
    ("text", False): _Defaults(
        epochs=8, batch=32, learning_rate=1e-3, optimizer="adamw", weight_decay=0.05,
        schedule="cosine", warmup=0.05, clip=1.0, label_smoothing=0.0,
    ),
    ("image", True): _Defaults(
        epochs=5, batch=32, learning_rate=1e-4, optimizer="adamw", weight_decay=0.05,
        schedule="cosine", warmup=0.08, clip=1.0, label_smoothing=0.1,
    ),
    ("image", False): _Defaults(
        epochs=20, batch=128, learning_rate=2e-3, optimizer="adamw", weight_decay=0.05,
        schedule="one-cycle", warmup=0.25, clip=1.0, label_smoothing=0.1,
    ),
}  # fmt: skip
_SGD_RATES: Mapping[tuple[str, bool], float] = {
    ("text", True): 1e-2, ("text", False): 0.1, ("image", True): 1e-2, ("image", False): 0.1,
}  # fmt: skip


def resolve(recipe: Recipe, *, role: str, pretrained: bool) -> Recipe:
    """Fills in what the recipe leaves to the kind of model.

    Args:
        recipe: what the user asked for.
        role: ``text`` or ``image``.
        pretrained: whether the weights are fine-tuned rather than drawn.
    """
    defaults = _DEFAULTS[role, pretrained]
    chosen: dict[str, Any] = {
        item.name: getattr(defaults, item.name)
        for item in dataclasses.fields(defaults)
        if item.name != "epochs" and getattr(recipe, item.name) is None
    }
    if recipe.optimizer == "sgd" and recipe.learning_rate is None:
        chosen["learning_rate"] = _SGD_RATES[role, pretrained]
    if recipe.epochs is None and recipe.steps is None and recipe.minutes is None:
        chosen["epochs"] = float(defaults.epochs)
    return dataclasses.replace(recipe, **chosen)
