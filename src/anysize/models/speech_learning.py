"""How a model that speaks is run: with frames of recordings to learn from, or to speak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from anysize.core.examples import Example
from anysize.models.execution import Tensors
from anysize.models.speaking import SpeakingExecution
from anysize.models.speech_layers import mask_of
from anysize.synthesis.alignment import durations

_LOG_DURATION = 0.2  # weight of its error beside those of the frames
_PACE = 0.15  # deviation of where a phoneme is, as a part of the whole


class SpeechExecution:
    """An ``Execution``: windows that have frames give ``losses`` ``[windows]``, others speak.

    A window's loss is the mean squared error of its phonemes' mean spectra, half of it, the mean
    absolute error of the decoded frames, and the squared error of the logarithms of durations.

    Args:
        module: the model.
    """

    packed = True
    side = 1.0

    def __init__(self, module: Any) -> None:
        self._module = module
        self._speaking = SpeakingExecution(module)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        if "frames" not in examples[0].arrays:
            return self._speaking(examples)
        module = self._module
        device = module.mean.device
        ids = [torch.from_numpy(each.arrays["input_ids"].astype(np.int64)) for each in examples]
        lengths = [len(each) for each in ids]
        given = pad_sequence(ids, batch_first=True).to(device)
        states, means, logarithms = module.encoded(given, mask_of(lengths, device))
        wanted = [
            (torch.from_numpy(each.arrays["frames"]).to(device) - module.mean) / module.scale
            for each in examples
        ]
        counts = [
            _aligned(mean[:length].detach(), frames)
            for mean, length, frames in zip(means, lengths, wanted, strict=True)
        ]
        kept = [state[:length] for state, length in zip(states, lengths, strict=True)]
        found = module.decoded(kept, counts)
        losses = []
        for row, frames in enumerate(wanted):
            count, length = counts[row], lengths[row]
            prior = means[row, :length].repeat_interleave(count, 0)
            error = logarithms[row, :length].float() - count.float().log()
            losses.append(
                0.5 * (prior.float() - frames).square().mean()
                + (found[row].float() - frames).abs().mean()
                + _LOG_DURATION * error.square().mean()
            )
        return {"losses": torch.stack(losses)}


def _aligned(means: Tensor, frames: Tensor) -> Tensor:
    """Frames of each phoneme, by the likelihood of unit variance and an even pace.

    The pace decides while nothing is learned, and next to nothing later (Badlani et al. 2021, "One
    TTS alignment to rule them all", arXiv:2108.10447, has such a prior too).
    """
    distance = torch.cdist(means.float(), frames.float()).square()
    rows, columns = (
        (torch.arange(count, device=means.device) + 0.5) / count for count in distance.shape
    )
    pace = ((rows[:, None] - columns) / _PACE).square()
    found = durations((-0.5 * (distance + pace)).cpu().numpy())
    return torch.from_numpy(found).to(means.device)
