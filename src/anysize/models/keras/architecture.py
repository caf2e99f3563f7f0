"""A Keras model's architecture as a plain list of layer calls, read from its JSON; no Keras needed.

Keras 3 writes ``Sequential`` and ``Functional`` models as nested JSON objects; here nested models
are laid open, so that what follows sees one flat graph. What the last layer does to its scores
(softmax, sigmoid) is taken off, because losses and mergers here work on logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anysize.core.errors import BundleError

_MODELS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer.

    Attributes:
        path: names from the outermost model to the layer; a shared layer is called several times.
        kind: its class (``Dense``).
        config: of the layer.
        inputs: places of the calls whose outputs it takes.
    """

    path: tuple[str, ...]
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A flat graph with one input (call 0) and one output.

    Attributes:
        calls: in an order in which each comes after its inputs.
        output: place of the call that is the result.
        input_shape: of one record; None is a free axis.
    """

    calls: tuple[Call, ...]
    output: int
    input_shape: tuple[int | None, ...]


def flatten(entries: Mapping[str, Any], origin: str) -> Architecture:
    """The flat graph of a model's JSON (``model.to_json()``).

    Raises:
        BundleError: several inputs or outputs, a model that is not a graph of layers, or damage.
    """
    try:
        calls: list[Call] = []
        ends = _model(entries, (), None, calls, origin)
        inputs = [call for call in calls if call.kind == "InputLayer" and not call.inputs]
        if len(inputs) != 1 or len(ends) != 1:
            raise BundleError(
                origin,
                f"has {len(inputs)} inputs and {len(ends)} outputs; a model with one of each is "
                "needed",
            )
        shape = _input_shape(calls[0].config)
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise BundleError(
            origin, f"its architecture cannot be understood ({type(error).__name__}: {error})"
        ) from error
    if calls[0].kind != "InputLayer" or shape is None:
        raise BundleError(origin, "does not say the shape of its input: build the model, save it")
    return Architecture(tuple(calls), ends[0], shape)


def _input_shape(config: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    batched = config.get("batch_shape") or config.get("batch_input_shape")
    return None if batched is None else tuple(batched[1:])


def _model(
    entries: Mapping[str, Any],
    path: tuple[str, ...],
    given: Sequence[int] | None,
    calls: list[Call],
    origin: str,
) -> list[int]:
    """Appends a model's calls; returns the places of its outputs."""
    kind, config = entries["class_name"], entries["config"]
    if kind not in _MODELS:
        raise BundleError(
            origin,
            f"is a {kind}, a class with code of its own; only Sequential and functional models can "
            "be read",
        )
    if kind == "Sequential":
        layers = config["layers"] if isinstance(config, Mapping) else config
        return _sequential(entries, layers, path, given, calls, origin)
    return _functional(config, path, given, calls, origin)


def _sequential(
    entries: Mapping[str, Any],
    layers: Sequence[Mapping[str, Any]],
    path: tuple[str, ...],
    given: Sequence[int] | None,
    calls: list[Call],
    origin: str,
) -> list[int]:
    here = list(given or ())
    if not here and (not layers or layers[0]["class_name"] != "InputLayer"):
        built = (entries.get("build_config") or {}).get("input_shape") or entries["config"].get(
            "build_input_shape"
        )
        calls.append(Call((*path, ""), "InputLayer", {"batch_shape": built}, ()))
        here = [len(calls) - 1]
    for layer in layers:
        if layer["class_name"] == "InputLayer" and here:
            continue
        here = _layer(layer, path, here, calls, origin)
    return here


def _functional(
    config: Mapping[str, Any],
    path: tuple[str, ...],
    given: Sequence[int] | None,
    calls: list[Call],
    origin: str,
) -> list[int]:
    known: dict[tuple[str, int], list[int]] = {}
    if given is not None:
        names = [name for name, *_ in _references(config["input_layers"])]
        known |= {(name, 0): [place] for name, place in zip(names, given, strict=True)}
    waiting = [
        (layer, number, node)
        for layer in config["layers"]
        for number, node in enumerate(layer.get("inbound_nodes") or [None])
    ]
    while waiting:
        left = []
        for layer, number, node in waiting:
            name = layer["config"]["name"] if "name" not in layer else layer["name"]
            if (name, number) in known:
                continue
            sources = [] if node is None else list(_sources(node))
            if not all(source in known for source in sources):
                left.append((layer, number, node))
                continue
            inputs = [place for source in sources for place in known[source]]
            known[name, number] = _layer(layer, path, inputs, calls, origin)
        if len(left) == len(waiting):
            raise BundleError(origin, "its layers do not form a graph")
        waiting = left
    return [
        place
        for name, number, *_ in _references(config["output_layers"])
        for place in known[name, int(number)]
    ]


def _references(entries: Any) -> list[Any]:
    """``[[name, node, tensor], …]``, of which a single one may be without the outer list."""
    return [entries] if entries and isinstance(entries[0], str) else list(entries)


def _sources(node: Any) -> Iterator[tuple[str, int]]:
    """The calls that a call takes its tensors from, in order."""
    if isinstance(node, Mapping):
        for found in _tensors(node.get("args", ())):
            name, number, *_ = found
            yield name, int(number)
        if any(True for _ in _tensors(list(node.get("kwargs", {}).values()))):
            raise ValueError("tensors as named arguments of a layer")
        return
    for name, number, *_ in node:  # Keras 2: [[name, node, tensor, {}], …]
        yield name, int(number)


def _tensors(item: Any) -> Iterator[Sequence[Any]]:
    if isinstance(item, Mapping):
        if item.get("class_name") == "__keras_tensor__":
            yield item["config"]["keras_history"]
        return
    if isinstance(item, list | tuple):
        for each in item:
            yield from _tensors(each)


def _layer(
    layer: Mapping[str, Any],
    path: tuple[str, ...],
    inputs: Sequence[int],
    calls: list[Call],
    origin: str,
) -> list[int]:
    kind, config = layer["class_name"], layer["config"]
    name = layer.get("name") or config["name"]
    if kind in _MODELS:
        return _model(layer, (*path, name), inputs, calls, origin)
    if kind == "InputLayer" and inputs:
        return list(inputs)
    calls.append(Call((*path, name), kind, config, tuple(inputs)))
    return [len(calls) - 1]
