"""The loss of encoder-decoders: what they should have written, token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import Tensors
    from anysize.tasks.protocols import LossBatch


def sequence_loss(outputs: Tensors, batch: LossBatch) -> Tensor:
    """The cross entropy of every target token, once, summed.

    Args:
        outputs: ``target_logits`` of all tokens in ``labels`` of the examples, in a row.
        batch: the examples, and label smoothing.
    """
    import torch

    from anysize.models.cross_entropy import cross_entropy

    logits = outputs["target_logits"]
    wanted = np.concatenate([example.arrays["labels"] for example in batch.examples])
    right = torch.from_numpy(wanted.astype(np.int64)).to(logits.device)
    return cross_entropy(logits, right, batch.options.label_smoothing).sum()
