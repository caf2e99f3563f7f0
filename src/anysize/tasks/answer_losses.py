"""Losses of question answering: over the tokens of a window at which an answer may begin or end.

These are the tokens of the context, and the one that says that there is no answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from anysize.core.examples import Example
from anysize.heads.soft import divergence, wide
from anysize.mergers.answers import OUTPUTS
from anysize.models.execution import Tensors
from anysize.tasks.distilling import SoftLoss
from anysize.tasks.protocols import LossBatch

# Instead of minus infinity, of which differences could not be taken.
_NEVER = -1e4


def answer_loss(outputs: Tensors, batch: LossBatch) -> Tensor:
    """The records' cross entropies of first and last token, summed."""
    examples, smoothing = batch.examples, batch.options.label_smoothing
    places = torch.from_numpy(np.stack([each.aside["rows"] for each in examples]))
    losses: list[Tensor] = []
    for place, name in enumerate(OUTPUTS):
        logits, allowed = _padded(outputs[name], examples)
        likely = logits.log_softmax(1)
        right = places[:, place, None].to(logits.device)
        found = -likely.gather(1, right)[:, 0]
        if smoothing:
            every = -likely.masked_fill(~allowed, 0.0).sum(1) / allowed.sum(1)
            found = (1 - smoothing) * found + smoothing * every
        losses.append(found / len(OUTPUTS))
    return (torch.stack(losses).sum(0) * answer_shares(batch)).sum()


def answer_shares(batch: LossBatch) -> Tensor:
    """How much each window counts in its record, float32 ``[windows]``."""
    weights = np.array([float(each.aside["weight"]) for each in batch.examples], np.float32)
    return torch.from_numpy(weights).to(batch.weights.device)


def soft_answers(temperature: float) -> SoftLoss:
    """The mean divergence of where a student and its teacher see answers begin and end.

    Args:
        temperature: logits are divided by it.
    """

    def loss(own: Tensors, wanted: Tensors, examples: Sequence[Example]) -> Tensor:
        found = [
            divergence(_padded(own[name], examples)[0], _padded(wanted[name], examples)[0],
                       temperature)
            for name in OUTPUTS
        ]  # fmt: skip
        return torch.stack(found).mean(0)

    return loss


def _padded(logits: Tensor, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Logits of all windows' tokens as a matrix, and which places may be an answer's.

    Args:
        logits: ``[tokens]``, window after window.
        examples: the windows.

    Returns:
        Float32 ``[windows, longest]``, far below all others where no answer may be, and bool.
    """
    lengths = [len(each.arrays["input_ids"]) for each in examples]
    mask = np.zeros((len(lengths), max(lengths)), np.bool_)
    for row, each in enumerate(examples):
        first = int(each.aside["first"])
        mask[row, first : first + int(each.aside["tokens"])] = True
        mask[row, int(each.aside["none"])] = True
    allowed = torch.from_numpy(mask).to(logits.device)
    rows = list(wide(logits).split(lengths))
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return padded.masked_fill(~allowed, _NEVER), allowed
