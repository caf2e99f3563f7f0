"""Running a network's module on examples, with or without gradients.

An ``Execution`` is the one way from examples to outputs in training; the torch runtime uses the
same one for prediction, so both see the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from anysize.core.examples import Example, Outputs, Ragged, Rows, same_shapes
from anysize.modalities import modality_of
from anysize.models.classifier import last_linear
from anysize.models.network import Network

Tensors: TypeAlias = dict[str, Tensor]
"""What a network gives, by name; the first axis of every tensor is the window.

Of outputs that ``Network.per_token`` names it is the token instead: those of all windows one after
the other, without padding. Classifiers give ``logits`` ``[windows, classes]`` and, with learned
attention pooling, ``scores`` ``[windows]``; other networks what ``Network.outputs`` names, or in
training, where they make it themselves, their ``loss`` ``[windows]``.
"""


class Execution(Protocol):
    """Examples to outputs; gradients, autocast and train mode are as the caller set them.

    Attributes:
        packed: whether padding is free, so that a batch costs the sum of its examples.
        side: of pictures as they go into the network, as a part of the model's input; training
            sets it for progressive resizing (Tan and Le 2021, arXiv:2104.00298, section 4).
    """

    packed: bool
    side: float

    def __call__(self, examples: Sequence[Example]) -> Tensors: ...


class FeatureTap:
    """Catches what the final linear layer reads, in any classifier of transformers.

    It listens only where the network has learned pooling, which is what the features are for.
    """

    def __init__(self, network: Network) -> None:
        self._pool = network.pool
        self._caught: Tensor | None = None
        if network.pool is None:
            return
        layer = last_linear(network.module, int(network.module.config.num_labels or 0))
        if layer is not None:
            layer.register_forward_pre_hook(self._catch)

    def _catch(self, _layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._caught = inputs[0]

    def scored(self, logits: Tensor) -> Tensors:
        """``logits``, with the ``scores`` of the forward pass that gave them.

        Where the model has no final linear layer of its own, the logits are scored themselves.
        """
        caught, self._caught = self._caught, None
        if caught is None or caught.shape[0] != logits.shape[0]:
            caught = logits
        return with_scores(self._pool, logits, caught.reshape(caught.shape[0], -1))


def collect(tensors: Tensors, examples: Sequence[Example], network: Network) -> Outputs:
    """What an execution gave as arrays on the processor, one row an example.

    Args:
        tensors: of the execution.
        examples: that it ran on.
        network: whose they are; some of its tensors may have a row for each token.
    """
    arrays: dict[str, Rows] = {}
    per_token = network.per_token
    lengths = modality_of(network.settings).lengths(examples, network) if per_token else None
    for name, tensor in tensors.items():
        array = tensor.float().cpu().numpy()
        arrays[name] = array if name not in per_token else Ragged(array, cast(Any, lengths))
    return Outputs(arrays)


def with_scores(pool: nn.Linear | None, logits: Tensor, features: Tensor) -> Tensors:
    """``logits``, and with learned pooling ``scores`` ``[windows]`` of ``features``, in float32."""
    if pool is None:
        return {"logits": logits}
    if not torch.is_autocast_enabled(features.device.type):
        return {"logits": logits, "scores": pool(features.float()).squeeze(-1)}
    with torch.autocast(features.device.type, enabled=False):
        return {"logits": logits, "scores": pool(features.float()).squeeze(-1)}


class Stacked:
    """Examples of one shape as one array; those of other shapes are run apart, never padded.

    What a model gives for an example then never depends on what it was batched with.

    Args:
        network: on ``device`` already; its module takes the array under ``main_input_name``.
        device: where it runs.
        array: name of the array in the examples.
    """

    packed = True
    side = 1.0

    def __init__(self, network: Network, device: torch.device, array: str) -> None:
        self._module = network.module
        self._device = device
        self._array = array
        self._names = network.outputs
        self._tap = FeatureTap(network)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        return by_shape(self._run, examples, self._array, self._device)

    def _run(self, examples: Sequence[Example]) -> Tensors:
        values = torch.from_numpy(np.stack([example.arrays[self._array] for example in examples]))
        outputs = self._module(**{self._module.main_input_name: values.to(self._device)})
        if self._names == ("logits",):
            return self._tap.scored(outputs.logits)
        return {name: getattr(outputs, name) for name in self._names}


def by_shape(
    run: Callable[[Sequence[Example]], Tensors],
    examples: Sequence[Example],
    array: str,
    device: torch.device,
) -> Tensors:
    """What ``run`` gives for all examples, called once for each shape of an array of theirs.

    Args:
        run: takes examples whose arrays are of one shape.
        examples: of any shapes.
        array: name of the array.
        device: where the outputs are.
    """
    groups = same_shapes(examples, array)
    found = [run([examples[place] for place in group]) for group in groups]
    if len(found) == 1:
        return found[0]
    places = torch.tensor(list(chain.from_iterable(groups)))
    order = torch.argsort(places).to(device)
    return {name: torch.cat([part[name] for part in found])[order] for name in found[0]}


def make_execution(
    network: Network, device: torch.device | str = "cpu", *, packed: bool | None = None
) -> Execution:
    """The execution for a network: the one that its module brings, or that of what it reads.

    Args:
        network: on ``device`` already.
        device: where it runs.
        packed: side by side without padding, where the modality has such a way (texts); None
            chooses by the device and the architecture.
    """
    own: Callable[[], Execution] | None = getattr(network.module, "execution", None)
    if own is not None:
        return own()
    return modality_of(network.settings).execution(network, torch.device(device), packed=packed)
