"""Running a network's module on examples, with or without gradients.

An ``Execution`` is the one way from examples to logits in training; the torch runtime uses the
same one for prediction, so both see the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from anysize.core.examples import Example
from anysize.models.network import Network


class NetworkOutputs(NamedTuple):
    """``logits`` ``[windows, classes]`` and ``features`` ``[windows, hidden]``.

    The features are what the final linear layer reads.
    """

    logits: Tensor
    features: Tensor


class Execution(Protocol):
    """Examples to outputs; gradients, autocast and train mode are as the caller set them.

    ``packed`` says whether padding is free, so that a batch costs the sum of its examples.
    """

    packed: bool

    def __call__(self, examples: Sequence[Example]) -> NetworkOutputs: ...


class FeatureTap:
    """Catches what the final linear layer reads, in any classifier of transformers."""

    def __init__(self, module: nn.Module, classes: int) -> None:
        linears = [
            layer
            for layer in module.modules()
            if isinstance(layer, nn.Linear) and layer.out_features == classes
        ]
        self._caught: Tensor | None = None
        if linears:
            linears[-1].register_forward_pre_hook(self._catch)

    def _catch(self, _layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._caught = inputs[0]

    def take(self, logits: Tensor) -> Tensor:
        """The features of the forward pass that gave ``logits``.

        Where the model has no final linear layer of its own: the logits.
        """
        caught, self._caught = self._caught, None
        if caught is None or caught.shape[0] != logits.shape[0]:
            return logits
        return caught.reshape(caught.shape[0], -1)


def feature_tap(network: Network) -> FeatureTap:
    """A tap on the network's final linear layer."""
    return FeatureTap(network.module, int(network.module.config.num_labels or 0))


class PaddedText:
    """Token sequences padded to the longest of the batch."""

    packed = False

    def __init__(self, network: Network, device: torch.device) -> None:
        self._module = network.module
        self._device = device
        self._padding = int(getattr(network.module.config, "pad_token_id", None) or 0)
        self._tap = feature_tap(network)

    def __call__(self, examples: Sequence[Example]) -> NetworkOutputs:
        lengths = [example.arrays["input_ids"].shape[0] for example in examples]
        ids = np.full((len(examples), max(lengths)), self._padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, example in enumerate(examples):
            ids[row, : lengths[row]] = example.arrays["input_ids"]
            mask[row, : lengths[row]] = 1
        logits = self._module(
            input_ids=torch.from_numpy(ids).to(self._device),
            attention_mask=torch.from_numpy(mask).to(self._device),
        ).logits
        return NetworkOutputs(logits, self._tap.take(logits))


class PackedText:
    """Token sequences side by side, attention inside each; see ``models.packing``."""

    packed = True

    def __init__(self, network: Network) -> None:
        from anysize.models.packing import PackedClassifier

        self._classifier = PackedClassifier(network.module)

    def __call__(self, examples: Sequence[Example]) -> NetworkOutputs:
        outputs = self._classifier([example.arrays["input_ids"] for example in examples])
        return NetworkOutputs(outputs.logits, outputs.features)


class Pictures:
    """uint8 pictures of one size, normalised on the device."""

    packed = False

    def __init__(self, network: Network, device: torch.device) -> None:
        if network.image is None:
            raise TypeError("a picture execution needs picture settings")
        self._module = network.module
        self._device = device
        self._mean = 255 * torch.tensor(network.image.mean, device=device).view(1, 3, 1, 1)
        self._scale = 1 / (255 * torch.tensor(network.image.std, device=device).view(1, 3, 1, 1))
        self._tap = feature_tap(network)

    def __call__(self, examples: Sequence[Example]) -> NetworkOutputs:
        stacked = np.stack([example.arrays["pixels"] for example in examples])
        # A permuted view of HWC is already channels-last, the layout that convolutions like.
        pixels = torch.from_numpy(stacked).to(self._device).permute(0, 3, 1, 2)
        values = (pixels.to(torch.float32) - self._mean) * self._scale
        logits = self._module(pixel_values=values).logits
        return NetworkOutputs(logits, self._tap.take(logits))


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
    if packed is None or packed:
        from anysize.models.packing import supports_packing

        possible = supports_packing(network.module)
        if possible and (packed or device.type == "cpu"):
            return PackedText(network)
    return PaddedText(network, device)
