"""Layers that compute as in 8 bits, so that weights can be trained for it, and exported as such.

Of every linear and convolutional layer the weight is rounded to int8, symmetric, with a scale for
each output channel, and the input to uint8 with one step and zero point for the whole tensor;
embeddings have their weights rounded alone (Jacob et al. 2018, arXiv:1712.05877). Rounding lets
gradients through as if it were not there (Bengio et al. 2013, arXiv:1308.3432), and the steps of
the inputs are learned (LSQ, Esser et al. 2020, arXiv:1902.08153).

OpenVINO reads torch's own operations for this, folds the weights to int8 and computes in int8, so
what is trained is what is executed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.core.errors import BundleError
from anysize.core.examples import Example
from anysize.models.convolution import Convolution
from anysize.models.execution import make_execution
from anysize.models.network import Network

_LEVELS = 255
_LARGEST = 127
_TINY = 1e-12
# Steps are learned as factors; they may move this many times faster than weights do.
_PACE = 10.0
_KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, Convolution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """What the inputs of layers are rounded with.

    Attributes:
        layers: the place of each layer's input in the tensors, by the layer's name; layers that are
            given the same tensor share one.
        steps: float32 ``[inputs]``.
        zeros: int64 ``[inputs]``, what zero is rounded to, from 0 to 255.
    """

    layers: Mapping[str, int]
    steps: Tensor
    zeros: Tensor

    def save(self, path: Path) -> None:
        """Writes them as safetensors."""
        from anysize.models.tensor_file import write_tensors

        names = {f"layer {name}": str(place) for name, place in self.layers.items()}
        write_tensors(path, {"steps": self.steps, "zeros": self.zeros}, names)

    @staticmethod
    def load(path: str | Path) -> Ranges:
        """Reads what `save` wrote.

        Raises:
            BundleError: the file cannot be read or does not fit together.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                steps, zeros = file.get_tensor("steps"), file.get_tensor("zeros")
                names = {
                    key.removeprefix("layer "): int(place)
                    for key, place in (file.metadata() or {}).items()
                    if key.startswith("layer ")
                }
        except (OSError, SafetensorError, ValueError) as error:
            raise BundleError(str(path), f"ranges cannot be read: {error}") from error
        if len(steps) != len(zeros) or not all(0 <= each < len(steps) for each in names.values()):
            raise BundleError(str(path), "ranges do not fit together")
        return Ranges(layers=names, steps=steps, zeros=zeros)


def layers_of(module: nn.Module) -> dict[str, nn.Module]:
    """The layers whose inputs and weights are rounded, by name."""
    return {name: layer for name, layer in module.named_modules() if type(layer) in _KINDS}


def calibrate(network: Network, examples: Sequence[Example]) -> Ranges:
    """Ranges from what the layers are given on some windows: their mean least and largest value.

    Args:
        network: in float32, on the CPU.
        examples: the windows, at least one.
    """
    network.module.eval()
    layers = layers_of(network.module)
    low, high = (dict.fromkeys(layers, 0.0) for _ in range(2))
    seen: dict[int, tuple[Tensor, list[str]]] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def note(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            (given, *_) = inputs
            # The tensor is kept, so that no other has its identity.
            seen.setdefault(id(given), (given, []))[1].append(name)
            least, largest = torch.aminmax(given)
            low[name] += min(float(least), 0.0)
            high[name] += max(float(largest), 0.0)

        return note

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    execution = make_execution(network, packed=False)
    groups: list[list[str]] = []
    try:
        for example in examples:
            with torch.inference_mode():
                execution([example])
            groups = groups or [names for _, names in seen.values()]
            seen.clear()
    finally:
        for hook in hooks:
            hook.remove()
    steps, zeros = [], []
    for names in groups:
        least = min(low[name] for name in names) / len(examples)
        largest = max(high[name] for name in names) / len(examples)
        step = max((largest - least) / _LEVELS, _TINY)
        steps.append(step)
        zeros.append(min(max(round(-least / step), 0), _LEVELS))
    places = {name: place for place, names in enumerate(groups) for name in names}
    return Ranges(layers=places, steps=torch.tensor(steps), zeros=torch.tensor(zeros))


class FakeQuantizer(nn.Module):
    """Rounds what the layers of a module compute with; its parameters are the steps of inputs.

    Args:
        ranges: to begin with.
    """

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self._places = dict(ranges.layers)
        self.factors = nn.Parameter(torch.zeros_like(ranges.steps))
        self.register_buffer("steps", ranges.steps.clone())
        self._zeros: list[int] = ranges.zeros.tolist()

    def attach(self, module: nn.Module) -> None:
        """Lets the module's layers compute with rounded weights and inputs, for training."""
        self._put(module, _rounded_weight, self._rounded)

    @contextlib.contextmanager
    def exported(self, module: nn.Module) -> Iterator[None]:
        """The same with operations that compilers know, without gradients, while the block runs."""
        steps = self._current().tolist()

        def rounded(inputs: Tensor, place: int) -> Tensor:
            return torch.fake_quantize_per_tensor_affine(
                inputs, steps[place], self._zeros[place], 0, _LEVELS
            )

        self._put(module, _exported_weight, rounded)
        try:
            yield
        finally:
            for layer in module.modules():
                layer.__dict__.pop("forward", None)

    def _put(
        self,
        module: nn.Module,
        weight: Callable[[Tensor], Tensor],
        inputs: Callable[[Tensor, int], Tensor],
    ) -> None:
        layers = dict(module.named_modules())
        unknown = [name for name in self._places if type(layers.get(name)) not in _KINDS]
        if unknown:
            raise BundleError("ranges", f"are of another model: it has no layer {unknown[0]}")
        for name, layer in layers.items():
            if name in self._places:
                forward = _layer_forward(weight, inputs, self._places[name])
            elif type(layer) is nn.Embedding:
                forward = _embedding_forward(weight)
            else:
                continue
            layer.forward = MethodType(forward, layer)

    def _current(self) -> Tensor:
        steps = self.get_buffer("steps")
        return steps * (_PACE * self.factors.detach()).exp()

    def _rounded(self, inputs: Tensor, place: int) -> Tensor:
        # Gradients of a step are sums over all values (Esser et al., section 2.2).
        part = (inputs.numel() * _LEVELS) ** -0.5
        factor = _PACE * self.factors[place]
        factor = factor * part + (factor * (1 - part)).detach()
        step = self.get_buffer("steps")[place] * factor.exp()
        rounded: Tensor = LearnedStep.apply(  # type: ignore[no-untyped-call]
            inputs, step, self._zeros[place]
        )
        return rounded


class LearnedStep(torch.autograd.Function):
    """Rounding to uint8; gradients of the input inside of the range, of the step by LSQ."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, step: Tensor, zero: int) -> Tensor:
        ctx.save_for_backward(inputs, step)
        ctx.zero = zero
        return inputs.div(step).round_().clamp_(-zero, _LEVELS - zero).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        inputs, step = ctx.saved_tensors
        value = inputs / step
        rounded = value.round()
        limited = rounded.clamp(-ctx.zero, _LEVELS - ctx.zero)
        inside = rounded == limited
        by_step = torch.where(inside, rounded - value, limited)
        return gradient * inside, (gradient * by_step).sum(), None


def _layer_forward(
    weight: Callable[[Tensor], Tensor], inputs: Callable[[Tensor, int], Tensor], place: int
) -> Callable[[Any, Tensor], Tensor]:
    def forward(layer: Any, given: Tensor) -> Tensor:
        rounded = inputs(given, place)
        if isinstance(layer, nn.Linear):
            return functional.linear(rounded, weight(layer.weight), layer.bias)
        result: Tensor = layer._conv_forward(rounded, weight(layer.weight), layer.bias)
        return result

    return forward


def _embedding_forward(weight: Callable[[Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    def forward(layer: Any, given: Tensor) -> Tensor:
        return functional.embedding(given, weight(layer.weight), layer.padding_idx)

    return forward


def _scale(weight: Tensor) -> Tensor:
    """Of each output channel."""
    return weight.detach().abs().amax(tuple(range(1, weight.ndim))).clamp_min(_TINY) / _LARGEST


def _rounded_weight(weight: Tensor) -> Tensor:
    scale = _scale(weight).view(-1, *[1] * (weight.ndim - 1))
    return weight + (weight.detach().div(scale).round_().mul_(scale) - weight.detach())


def _exported_weight(weight: Tensor) -> Tensor:
    scale = _scale(weight)
    zeros = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -_LARGEST, _LARGEST)
