"""Pictures through a network: normalised on its device, targets beside them in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from anysize.core.examples import Example
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.execution import FeatureTap, Tensors
from anysize.models.network import Network
from anysize.models.picture_batches import PictureBatches


class Pictures:
    """uint8 pictures of one size, normalised on the device."""

    packed = False
    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        settings = network.reads(ImageSettings)
        self._module = network.module
        self._names = network.outputs
        self._targets = network.targets
        self._levels = bool(getattr(network.module, "takes_levels", False))
        self._device = device
        self._normalised = PictureBatches(settings.mean, settings.std, device)
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
