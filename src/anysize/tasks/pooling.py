"""Pooling of window logits with gradients: the training twin of ``mergers.pool``."""

from __future__ import annotations

import torch
from torch import Tensor


def pool_windows(
    logits: Tensor,
    scores: Tensor | None,
    weights: Tensor,
    owners: Tensor,
    records: int,
    rule: str,
) -> Tensor:
    """Joins ``logits`` ``[windows, classes]`` into ``[records, classes]``.

    Args:
        logits: of every window.
        scores: learned attention scores ``[windows]``; only for ``attention``.
        weights: extents of the windows' cores ``[windows]``; only for ``mean``.
        owners: each window's record, ``[windows]``.
        records: how many records.
        rule: ``mean``, ``max`` or ``attention``; see ``mergers.pool``.
    """
    logits = logits.float()
    index = owners.unsqueeze(1).expand_as(logits)
    if rule == "max":
        lowest = torch.full((records, logits.shape[1]), -torch.inf, device=logits.device)
        return lowest.scatter_reduce(0, index, logits, "amax")
    if rule == "mean":
        shares = weights.to(logits).clamp_min(1)
    else:
        if scores is None:
            raise ValueError("attention pooling needs scores")
        scores = scores.float()
        top = torch.full((records,), -torch.inf, device=logits.device)
        top = top.scatter_reduce(0, owners, scores.detach(), "amax")
        shares = torch.exp(scores - top[owners])
    total = torch.zeros(records, device=logits.device).index_add(0, owners, shares)
    summed = torch.zeros(records, logits.shape[1], device=logits.device)
    return summed.index_add(0, owners, logits * shares.unsqueeze(1)) / total.unsqueeze(1)
