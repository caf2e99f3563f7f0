"""Architectures of Keras models changed in their JSON: the output, the classes, sizes of layers.

What the last layer does to its scores (softmax, sigmoid) is taken off, because losses and mergers
here work on logits.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from anysize.models.keras.architecture import Architecture
from anysize.models.keras.code import objects

Output: TypeAlias = Literal["softmax", "log_softmax", "sigmoid", "linear"]
"""What the last layer of the file does to its scores."""


def without_output(
    entries: Mapping[str, Any], architecture: Architecture
) -> tuple[dict[str, Any], Output]:
    """The JSON without what the last layer does to its scores, and what that was.

    Args:
        entries: a model's JSON.
        architecture: of it.
    """
    last = architecture.calls[architecture.output]
    stripped = copy.deepcopy(dict(entries))
    layer = _find(stripped, last.path)
    config = layer["config"]
    if last.kind == "Softmax" and _last_axis(config.get("axis", -1)):
        layer["class_name"] = "Activation"
        layer["config"] = {
            **{key: config[key] for key in ("name", "trainable", "dtype") if key in config},
            "activation": "linear",
        }
        return stripped, "softmax"
    found = activation_name(config.get("activation"))
    for kind in ("softmax", "log_softmax", "sigmoid"):
        if found == kind:
            config["activation"] = "linear"
            return stripped, kind
    return stripped, "linear"


def _last_axis(axis: Any) -> bool:
    return axis in (-1, [-1])


def activation_name(entries: Any) -> str | None:
    """The name of an activation as configurations write it; None where it is not a plain one."""
    if entries is None:
        return "linear"
    if isinstance(entries, str):
        return entries
    if isinstance(entries, Mapping) and entries.get("class_name") == "function":
        return str(entries.get("config"))
    return None


def _find(entries: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The JSON of the layer at a path."""
    config = entries["config"]
    layers = config["layers"] if isinstance(config, dict) else config
    for layer in layers:
        if (layer.get("name") or layer["config"].get("name")) == path[0]:
            found: dict[str, Any] = layer if len(path) == 1 else _find(layer, path[1:])
            return found
    raise KeyError(path[0])


def resized_head(
    entries: Mapping[str, Any], architecture: Architecture, classes: int
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The JSON with another number of classes, and the path of the layer that gives them.

    None where the last layers are not a dense one, with nothing but activations and dropout behind.
    """
    place = architecture.output
    while architecture.calls[place].kind in ("Activation", "Softmax", "Dropout"):
        (place,) = architecture.calls[place].inputs
    call = architecture.calls[place]
    shared = sum(each.path == call.path for each in architecture.calls) > 1
    if call.kind != "Dense" or shared:
        return None
    resized = copy.deepcopy(dict(entries))
    _find(resized, call.path)["config"]["units"] = classes
    return resized, call.path


def with_output(
    entries: Mapping[str, Any], architecture: Architecture, output: Output
) -> dict[str, Any]:
    """The JSON with what the last layer did to its scores put back; see `without_output`."""
    restored = copy.deepcopy(dict(entries))
    if output != "linear":
        path = architecture.calls[architecture.output].path
        _find(restored, path)["config"]["activation"] = output
    return restored


def with_sizes(
    entries: Mapping[str, Any], sizes: Mapping[tuple[str, ...], Mapping[str, Any]]
) -> dict[str, Any]:
    """The JSON with other settings of some layers, by their paths.

    The shapes that layers were built for are left out: Keras finds them anew.
    """
    changed = copy.deepcopy(dict(entries))
    for found in list(objects(changed["config"])):
        if "class_name" in found and isinstance(found, dict):
            found.pop("build_config", None)
    for path, values in sizes.items():
        _find(changed, path)["config"].update(values)
    return changed
