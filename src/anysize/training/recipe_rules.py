"""What a recipe's fields must fulfil; all faults are found at once."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

from anysize.core import plugins
from anysize.core.memory import format_size
from anysize.readers.pages import pages_problems

LIMITS = ("epochs", "steps", "minutes")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "sgd"),
    "schedule": ("constant", "linear", "cosine", "one-cycle"),
    "merge": ("mean", "max", "attention"),
    "tiles": ("auto", "always", "never"),
    "precision": ("auto", "bfloat16", "float32"),
    "sparsity_pattern": ("global", "2:4"),
}
# (field, smallest, whether the smallest itself is allowed, largest)
_RANGES: tuple[tuple[str, float, bool, float], ...] = (
    ("epochs", 0, False, 1e6),
    ("steps", 1, True, 2**53),
    ("minutes", 0, False, 1e7),
    ("batch", 1, True, 1 << 24),
    ("learning_rate", 0, False, 1e3),
    ("weight_decay", 0, True, 1e3),
    ("momentum", 0, True, 0.9999),
    ("warmup", 0, True, 0.9999),
    ("clip", 0, True, 1e9),
    ("label_smoothing", 0, True, 0.9999),
    ("layer_decay", 0, False, 1),
    ("ema", 0, True, 0.999999),
    ("window", 4, True, 1 << 24),
    ("overlap", 0, True, 1 << 24),
    ("tile", 1, True, 1 << 20),
    ("crop", 0, True, 1),
    ("threshold", 0, True, 1),
    ("nms_iou", 0, False, 1),
    ("progressive", 0.125, True, 1),
    ("workers", 1, True, 4096),
    ("loaders", 0, True, 1024),
    ("memory", 1 << 20, True, 1 << 60),
    ("micro_cost", 0, True, 1 << 50),
    ("seed", 0, True, 2**63 - 1),
    ("validate_every", 1, True, 2**53),
    ("patience", 0, True, 1e9),
    ("checkpoint_steps", 0, True, 2**53),
    ("checkpoint_seconds", 0, True, 1e9),
    ("log_every", 1, True, 2**53),
    ("validation", 0, True, 0.9999),
    ("test", 0, True, 0.9999),
    ("sparsity", 0, True, 0.9999),
    ("distil_weight", 0, True, 1),
    ("temperature", 0, False, 1000),
    ("hidden_weight", 0, True, 1e6),
)


def problems(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[str]:
    """One sentence for each fault, naming the field, the rule and the value.

    Args:
        values: of the fields, by name.
        kinds: annotations of the fields, resolved.
    """
    return [*_type_problems(values, kinds), *_value_problems(values)]


def _value_problems(values: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{name} must not be empty"
        for name in ("task", "data", "model", "out")
        if values[name] in ("", ()) or (isinstance(values[name], tuple) and "" in values[name])
    ]
    engines = tuple(plugins.keys("scale"))
    for name, choices in {**_CHOICES, "engine": engines}.items():
        value = values[name]
        if isinstance(value, str) and value not in choices:
            problems.append(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    for name, smallest, included, largest in _RANGES:
        value = values[name]
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        # A comparison with not-a-number is false, so it is refused as well.
        enough = value >= smallest if included else value > smallest
        if not (enough and value <= largest):
            bound = "at least" if included else "above"
            least, most, found = (_shown(name, each) for each in (smallest, largest, value))
            problems.append(f"{name} must be {bound} {least} and at most {most}, not {found}")
    limits = [name for name in LIMITS if values[name] is not None]
    if len(limits) > 1:
        problems.append(f"only one of epochs, steps and minutes can limit a run, not {limits}")
    size = values["image_size"]
    if isinstance(size, tuple) and (len(size) != 2 or min(size) < 1):
        problems.append(f"image_size must be width and height of at least 1 pixel, not {size!r}")
    window, overlap = values["window"], values["overlap"]
    if isinstance(window, int) and isinstance(overlap, int) and overlap >= window - 2:
        problems.append(f"overlap must be below window - 2 ({window - 2}), not {overlap}")
    sparsity = values["sparsity"]
    if values["sparsity_pattern"] == "2:4" and sparsity != 0.5:
        problems.append(f"sparsity must be 0.5 with sparsity_pattern 2:4, not {sparsity!r}")
    labels = values["labels"]
    if labels is not None and len(set(labels)) != len(labels):
        problems.append(f"labels must differ from each other, not {labels!r}")
    pages = values["pages"]
    if isinstance(pages, str):
        problems += pages_problems(pages)
    shares = (values["validation"], values["test"])
    if all(isinstance(share, int | float) for share in shares) and sum(shares) >= 1:
        problems.append(
            "validation and test together must leave records for training, not "
            f"{shares[0]:g} + {shares[1]:g}"
        )
    return problems


def _shown(name: str, value: float) -> str:
    """A size as a size, a large number with its digits."""
    if name == "memory":
        return format_size(value)
    return f"{value:,.0f}" if value >= 1000 and value == int(value) else f"{value!r}"


def _type_problems(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} must be {_described(hint)}, not {value!r}"
        for name, hint in kinds.items()
        if not _fits(value := values[name], hint)
    ]


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, item) for item in arguments)
    if origin is tuple:
        inner = arguments[0]
        return isinstance(value, tuple) and all(_fits(item, inner) for item in value)
    if origin is not None:
        return isinstance(value, Mapping) and all(
            isinstance(item, str) for pair in value.items() for item in pair
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _described(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        kinds = [_described(item) for item in arguments if item is not types.NoneType]
        return " or ".join(kinds)
    if origin is tuple:
        return "a list of numbers" if arguments[0] is int else "a list of texts"
    if origin is not None:
        return "a table of texts"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint]
