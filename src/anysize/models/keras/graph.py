"""A Keras architecture as one torch module: the layers' counterparts, called in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysize.models.keras.architecture import Architecture, Call
from anysize.models.keras.layers import Arrays, Conv, Dense, NoCounterpart, Separable, Sizes
from anysize.models.keras.layers import activation as make_activation
from anysize.models.keras.norms import BatchNorm, LayerNorm, Normalization, Rescaling
from anysize.models.keras.recurrent import Recurrent, bidirectional
from anysize.models.keras.shaping import (
    Concatenate,
    GlobalPool,
    KerasOrder,
    Merge,
    Pool,
    Reshape,
    ZeroPad,
)

SAMPLE = 128
"""Size of a free axis where shapes are found by trying."""

# Only in training do they do anything; pictures are augmented by anysize itself.
_NOTHING = (
    "ActivityRegularization", "GaussianNoise", "Identity", "RandomBrightness", "RandomContrast",
    "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
)  # fmt: skip
# Number by number, so that flattened values stay in the order that they are in.
_TRANSPARENT = ("Activation", "Dropout", "ELU", "LeakyReLU", "ReLU", *_NOTHING)

Maker = Callable[[Mapping[str, Any], Sizes], nn.Module]


def _relu(config: Mapping[str, Any], _shape: Sizes) -> nn.Module:
    most, slope, threshold = (
        config.get(name) for name in ("max_value", "negative_slope", "threshold")
    )
    if threshold or (most not in (None, 6, 6.0)) or (most and slope):
        raise NoCounterpart("a ReLU with limits")
    if slope:
        return nn.LeakyReLU(float(slope))
    return nn.ReLU6() if most else nn.ReLU()


def _softmax(config: Mapping[str, Any], _shape: Sizes) -> nn.Module:
    if config.get("axis", -1) not in (-1, [-1]):
        raise NoCounterpart("softmax of another axis than the last")
    return nn.Softmax(1)


def _spatial_dropout(config: Mapping[str, Any], shape: Sizes) -> nn.Module:
    return (nn.Dropout1d if len(shape) == 2 else nn.Dropout2d)(config["rate"])


_MAKERS: Mapping[str, Maker] = {
    "Dense": Dense,
    "Conv1D": Conv,
    "Conv2D": Conv,
    "DepthwiseConv1D": partial(Conv, depthwise=True),
    "DepthwiseConv2D": partial(Conv, depthwise=True),
    "SeparableConv1D": Separable,
    "SeparableConv2D": Separable,
    "MaxPooling1D": partial(Pool, largest=True),
    "MaxPooling2D": partial(Pool, largest=True),
    "AveragePooling1D": partial(Pool, largest=False),
    "AveragePooling2D": partial(Pool, largest=False),
    "GlobalMaxPooling1D": lambda config, _: GlobalPool(config, largest=True),
    "GlobalMaxPooling2D": lambda config, _: GlobalPool(config, largest=True),
    "GlobalAveragePooling1D": lambda config, _: GlobalPool(config, largest=False),
    "GlobalAveragePooling2D": lambda config, _: GlobalPool(config, largest=False),
    "BatchNormalization": BatchNorm,
    "LayerNormalization": LayerNorm,
    "Normalization": Normalization,
    "Rescaling": lambda config, _: Rescaling(config),
    "Dropout": lambda config, _: nn.Dropout(config["rate"]),
    "SpatialDropout1D": _spatial_dropout,
    "SpatialDropout2D": _spatial_dropout,
    "Flatten": lambda _, __: nn.Flatten(),
    "Reshape": lambda config, _: Reshape(config),
    "ZeroPadding1D": ZeroPad,
    "ZeroPadding2D": ZeroPad,
    "Activation": lambda config, _: make_activation(config["activation"]),
    "ReLU": _relu,
    "LeakyReLU": lambda config, _: nn.LeakyReLU(config.get("negative_slope", 0.3)),
    "ELU": lambda config, _: nn.ELU(config.get("alpha", 1.0)),
    "Softmax": _softmax,
    "LSTM": partial(Recurrent, "LSTM"),
    "GRU": partial(Recurrent, "GRU"),
    "Bidirectional": bidirectional,
    "Concatenate": Concatenate,
    "Add": lambda _, __: Merge(torch.add),
    "Subtract": lambda _, __: Merge(torch.subtract),
    "Multiply": lambda _, __: Merge(torch.multiply),
    "Average": lambda _, __: Merge(torch.add, mean=True),
    "Maximum": lambda _, __: Merge(torch.maximum),
    "Minimum": lambda _, __: Merge(torch.minimum),
    **dict.fromkeys(_NOTHING, lambda _, __: nn.Identity()),
}


@dataclass(frozen=True, slots=True)
class _Step:
    """One call: the layer's name, where its inputs are, and what is not needed behind it."""

    name: str
    inputs: tuple[int, ...]
    over: tuple[int, ...]


class Graph(nn.Module):
    """The layers of an architecture without its input, each a torch module.

    Args:
        architecture: flat.

    Raises:
        NoCounterpart: a layer that Keras has to run itself.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.layers = nn.Module()
        self.by_path: dict[tuple[str, ...], str] = {}
        self._steps: list[_Step] = []
        self._output = architecture.output
        self._build(architecture)

    def forward(self, values: Tensor) -> Tensor:
        """Channels first in, channels first out."""
        held: list[Tensor | None] = [values]
        for step in self._steps:
            inputs = [held[place] for place in step.inputs]
            held.append(getattr(self.layers, step.name)(*inputs))
            for place in step.over:
                held[place] = None
        found = held[-1]
        assert found is not None
        return found

    def weighted(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Each layer that has weights, with its path."""
        for path, name in self.by_path.items():
            layer = getattr(self.layers, name)
            if hasattr(layer, "take"):
                yield path, layer

    def take(self, arrays: Mapping[tuple[str, ...], Arrays]) -> None:
        """Takes over Keras's weights by the layers' paths."""
        for path, layer in self.weighted():
            layer.take(arrays[path])

    def give(self) -> dict[tuple[str, ...], list[NDArray[Any]]]:
        """The weights as Keras has them, by the layers' paths."""
        return {path: layer.give() for path, layer in self.weighted()}

    @property
    def by_size(self) -> bool:
        """Whether some padding depends on the input's size."""
        paddings = (getattr(layer, "padding", None) for layer in self.modules())
        return any(getattr(padding, "by_size", False) for padding in paddings)

    @torch.no_grad()
    def _build(self, architecture: Architecture) -> None:
        """Makes the layers one by one, and runs each on zeros to know what the next one gets."""
        trial = _Trial(self.layers, architecture.input_shape)
        places = [0]  # of the calls' results, behind the modules that reorder
        for call in architecture.calls[1:]:
            given = [places[place] for place in call.inputs]
            keeps = call.kind == "Dense" or (call.kind in _TRANSPARENT and len(given) == 1)
            if not keeps:
                given = [trial.reordered(place) for place in given]
            if not given or (call.kind != "Concatenate" and not trial.alike(given)):
                raise NoCounterpart(f"{call.kind} of inputs of several ranks")
            shape, spatial = tuple(trial.values[given[0]].shape[1:]), trial.spatial[given[0]]
            name = self._layer(call, shape, spatial)
            flat: Sizes = spatial if keeps and call.kind != "Dense" else ()
            if call.kind == "Flatten":
                flat = shape[1:]
            places.append(trial.run(name, tuple(given), flat))
        last = trial.reordered(places[architecture.output])
        self._steps = _steps(trial.calls, last)

    def _layer(self, call: Call, shape: Sizes, spatial: Sizes) -> str:
        if call.path in self.by_path:
            name = self.by_path[call.path]
            if spatial != getattr(getattr(self.layers, name), "spatial", spatial):
                raise NoCounterpart(f"layer {name!r} shared by inputs of several shapes")
            return name
        if call.kind not in _MAKERS:
            raise NoCounterpart(f"a layer of the class {call.kind}")
        name = "_".join(call.path).replace(".", "_").replace("/", "_")
        while hasattr(self.layers, name):
            name += "_"
        made = (
            Dense(call.config, shape, spatial)
            if call.kind == "Dense"
            else _MAKERS[call.kind](call.config, shape)
        )
        self.layers.add_module(name, made)
        self.by_path[call.path] = name
        return name


class _Trial:
    """One record of zeros on its way through the layers, while they are made.

    Args:
        layers: that run, by name; those that reorder are added.
        shape: of the input.

    Attributes:
        values: the input and each call's result, one record each.
        spatial: of each value that was flattened, what it had been; else empty.
        calls: names of the layers, and the places of the values that they took.
    """

    def __init__(self, layers: nn.Module, shape: Sequence[int | None]) -> None:
        sizes = tuple(SAMPLE if size is None else size for size in shape)
        self._layers = layers
        self.values: list[Tensor] = [torch.zeros(1, sizes[-1], *sizes[:-1])]
        self.spatial: list[Sizes] = [()]
        self.calls: list[tuple[str, tuple[int, ...]]] = []

    def run(self, name: str, given: tuple[int, ...], flat: Sizes) -> int:
        """Calls a layer; returns the place of its result.

        Raises:
            NoCounterpart: it cannot take these values.
        """
        layer = getattr(self._layers, name).eval()
        try:
            self.values.append(layer(*(self.values[place] for place in given)))
        except (RuntimeError, IndexError) as error:
            raise NoCounterpart(f"layer {name!r}: {error}") from error
        layer.train()
        self.calls.append((name, given))
        self.spatial.append(flat)
        return len(self.values) - 1

    def reordered(self, place: int) -> int:
        """The place of a value in Keras's order: what was flattened has channels last there."""
        if prod(self.spatial[place]) == 1:
            return place
        name = f"order_{place}"
        self._layers.add_module(name, KerasOrder(self.spatial[place]))
        return self.run(name, (place,), ())

    def alike(self, places: Sequence[int]) -> bool:
        """Whether the values have one rank."""
        return len({self.values[place].ndim for place in places}) == 1


def _steps(inputs: list[tuple[str, tuple[int, ...]]], last: int) -> list[_Step]:
    """The calls up to the last one that counts, each with what nobody needs any more behind it."""
    used = {place: number for number, (_, given) in enumerate(inputs) for place in given}
    return [
        _Step(
            name,
            given,
            tuple({place for place in given if used[place] == number}),
        )
        for number, (name, given) in enumerate(inputs[:last])
    ]
