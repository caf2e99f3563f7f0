"""Running a network's module on examples, with or without gradients.

An ``Execution`` is the one way from examples to outputs in training; the torch runtime uses the
same one for prediction, so both see the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from anysize.core.examples import Example, Outputs, Ragged, Rows, same_shapes
from anysize.models.network import Network
from anysize.models.padded_text import PaddedInputs, token_lengths
from anysize.models.picture_batches import PictureBatches

if TYPE_CHECKING:
    from anysize.models.packing import PackedRow

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
        classes = int(network.module.config.num_labels or 0)
        linears = [
            layer
            for layer in network.module.modules()
            if isinstance(layer, nn.Linear) and layer.out_features == classes
        ]
        if linears:
            linears[-1].register_forward_pre_hook(self._catch)

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


def collect(tensors: Tensors, examples: Sequence[Example], per_token: Sequence[str]) -> Outputs:
    """What an execution gave as arrays on the processor, one row an example.

    Args:
        tensors: of the execution.
        examples: that it ran on.
        per_token: names of the tensors with a row for each token; see ``Network``.
    """
    arrays: dict[str, Rows] = {}
    lengths = token_lengths(examples) if per_token else None
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


class PaddedText:
    """Token sequences padded to the longest of the batch."""

    packed = False
    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        self._module = network.module
        self._device = device
        self._inputs = PaddedInputs(network)
        self._names = network.outputs
        self._per_token = network.per_token
        self._tap = FeatureTap(network)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        arrays = self._inputs(examples, int(token_lengths(examples).max()))
        given = {name: torch.from_numpy(each).to(self._device) for name, each in arrays.items()}
        outputs = self._module(**given)
        if self._names == ("logits",) and not self._per_token:
            return self._tap.scored(outputs.logits)
        real = given["attention_mask"].bool()
        return {
            name: getattr(outputs, name)[real]
            if name in self._per_token
            else getattr(outputs, name)
            for name in self._names
        }


class PackedText:
    """Token sequences side by side, attention inside each; see ``models.packing``.

    Attributes:
        row: how the sequences of the last call lay, for those who listen to the layers.
    """

    packed = True
    side = 1.0

    def __init__(self, network: Network) -> None:
        from anysize.models.packing import PackedClassifier

        self._classifier = PackedClassifier(network.module)
        self._pool = network.pool
        self._beside = network.beside
        self.row: PackedRow | None = None

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        self.row = self._classifier.pack(*laid_beside(examples, self._beside))
        outputs = self._classifier.run(self.row)
        return with_scores(self._pool, outputs.logits, outputs.features)


class PackedTokens:
    """Token sequences side by side, with outputs for each token; see ``models.packed_tokens``.

    Attributes:
        row: how the sequences of the last call lay, for those who listen to the layers.
    """

    packed = True
    side = 1.0

    def __init__(self, network: Network) -> None:
        from anysize.models.packed_tokens import PackedTokenModel

        self._model = PackedTokenModel(network.module)
        self._names = network.outputs
        self._beside = network.beside
        self.row: PackedRow | None = None

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        self.row = self._model.pack(*laid_beside(examples, self._beside))
        return self._model.run(self.row, self._names)


def laid_beside(
    examples: Sequence[Example], beside: Sequence[str]
) -> tuple[list[NDArray[Any]], dict[str, list[NDArray[Any]]]]:
    """Token ids of examples, and their other arrays by name, to be packed."""
    ids = [example.arrays["input_ids"] for example in examples]
    return ids, {name: [example.arrays[name] for example in examples] for name in beside}


class Pictures:
    """uint8 pictures of one size, normalised on the device."""

    packed = False
    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        if network.image is None:
            raise TypeError("a picture execution needs picture settings")
        self._module = network.module
        self._names = network.outputs
        self._targets = network.targets
        self._levels = bool(getattr(network.module, "takes_levels", False))
        self._device = device
        self._normalised = PictureBatches(network.image.mean, network.image.std, device)
        self._tap = FeatureTap(network)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        pictures = [example.arrays["pixels"] for example in examples]
        if self._levels:
            outputs = self._module(pixel_values=torch.from_numpy(np.stack(pictures)))
            return {name: getattr(outputs, name) for name in self._names}
        values = self._normalised(pictures)
        if self.side < 1:
            height, width = (max(round(self.side * side), 1) for side in values.shape[2:])
            values = interpolate(values, (height, width), mode="bilinear", antialias=True)
        if self._targets is not None and self._module.training:
            told = self._targets(examples, self._device)
            loss = self._module(pixel_values=values, **told).loss
            # A mean over the windows, as every one of them: what is summed is their sum.
            return {"loss": loss.float().expand(len(examples))}
        outputs = self._module(pixel_values=values)
        if self._names == ("logits",):
            return self._tap.scored(outputs.logits)
        return {name: getattr(outputs, name) for name in self._names}


class Numbers:
    """Vectors, or sequences of numbers: those of one length together, none of them padded.

    What a model gives for a sequence then never depends on what it was batched with.
    """

    packed = True
    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        self._module = network.module
        self._device = device
        self._tap = FeatureTap(network)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        groups = same_shapes(examples, "features")
        found = [self._run([examples[place] for place in group]) for group in groups]
        if len(found) == 1:
            return found[0]
        places = torch.tensor(list(chain.from_iterable(groups)))
        order = torch.argsort(places).to(self._device)
        return {name: torch.cat([part[name] for part in found])[order] for name in found[0]}

    def _run(self, examples: Sequence[Example]) -> Tensors:
        values = torch.from_numpy(np.stack([example.arrays["features"] for example in examples]))
        return self._tap.scored(self._module(features=values.to(self._device)).logits)


def make_execution(
    network: Network, device: torch.device | str = "cpu", *, packed: bool | None = None
) -> Execution:
    """The execution for a network.

    Args:
        network: on ``device`` already.
        device: where it runs.
        packed: for text, side by side without padding; None packs on a CPU where the
            architecture allows it.
    """
    device = torch.device(device)
    if network.image is not None:
        return Pictures(network, device)
    if network.features is not None:
        return Numbers(network, device)
    if packed is None or packed:
        from anysize.models.packed_tokens import supports_packed_tokens
        from anysize.models.packing import supports_packing

        if packed or device.type == "cpu":
            if not network.per_token and supports_packing(network.module):
                return PackedText(network)
            if set(network.outputs) == set(network.per_token) and supports_packed_tokens(
                network.module
            ):
                return PackedTokens(network)
    return PaddedText(network, device)
