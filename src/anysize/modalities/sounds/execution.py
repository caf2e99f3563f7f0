"""Windows of frames through a network, padded to the longest of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from anysize.core.examples import Example, same_shapes
from anysize.modalities.sounds import padding
from anysize.modalities.sounds.padding import FRAMES, frame_counts, padded
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.execution import FeatureTap, Tensors, by_shape
from anysize.models.layout import Layout
from anysize.models.network import Network
from anysize.models.step_grid import step_counts


class Sounds:
    """Frames with a mask, which a model must not depend on the padding of.

    Models that take no mask run windows of different lengths apart: they are never padded.
    """

    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        self._module = network.module
        self._names = network.outputs
        self._device = device
        self._tap = FeatureTap(network)
        self._layout = padding.Layout.of(network.reads(AudioSettings))
        self.packed = not self._layout.masked
        self._network = network

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        if self._layout.masked:
            return self._run(examples)
        if self._network.per_token:
            return self._apart(examples)
        return by_shape(self._run, examples, FRAMES, self._device)

    def layout(self, examples: Sequence[Example]) -> Layout:
        """See ``models.layout.layout_of``: the steps of each window, without what is behind it."""
        if not self._layout.masked:
            return Layout(len(examples))
        counts = step_counts(self._network.module.config, frame_counts(examples)).tolist()
        longest = max(counts)
        rows = [torch.arange(count) + longest * row for row, count in enumerate(counts)]
        owners = torch.arange(len(examples)).repeat_interleave(torch.tensor(counts))
        first = torch.arange(len(examples)) * longest
        return Layout(len(examples), torch.cat(rows), owners, first)

    def _run(self, examples: Sequence[Example]) -> Tensors:
        arrays = self._layout.arrays(*padded(examples, int(frame_counts(examples).max())))
        outputs = self._module(
            **{
                item.name: torch.from_numpy(array).to(self._device)
                for item, array in zip(self._layout.inputs, arrays, strict=True)
            }
        )
        per_token = self._network.per_token
        if self._names == ("logits",) and not per_token:
            return self._tap.scored(outputs.logits)
        return {
            name: self._rows(getattr(outputs, name), examples)
            if name in per_token
            else getattr(outputs, name)
            for name in self._names
        }

    def _apart(self, examples: Sequence[Example]) -> Tensors:
        """The steps of windows that are run apart by their lengths, in the order of the windows."""
        found: list[Tensors] = [{} for _ in examples]
        config = self._network.module.config
        for places in same_shapes(examples, FRAMES):
            group = [examples[place] for place in places]
            counts = step_counts(config, frame_counts(group)).tolist()
            for name, values in self._run(group).items():
                for place, rows in zip(places, values.split(counts), strict=True):
                    found[place][name] = rows
        return {name: torch.cat([each[name] for each in found]) for name in found[0]}

    def _rows(self, values: torch.Tensor, examples: Sequence[Example]) -> torch.Tensor:
        """Of values ``[n, steps, …]`` those of all steps, without what is behind each window."""
        config = self._network.module.config
        counts = torch.from_numpy(step_counts(config, frame_counts(examples))).to(self._device)
        places = torch.arange(values.shape[1], device=self._device)
        return values[places[None, :] < counts[:, None]]
