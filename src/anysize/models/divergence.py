"""Divergence from a teacher over a large vocabulary, a few rows at a time, each in the cache.

It is that of ``heads.soft.divergence``. Written with torch's own functions it goes through a tensor
of tokens times classes for each of them; here a block of rows gives its divergences and their
gradient at once, as in ``models.cross_entropy``.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from anysize.models.cross_entropy import AT_ONCE, of_rows


def token_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the student's softened distribution from the teacher's.

    Times the square of the temperature (Hinton et al. 2015, arXiv:1503.02531, section 2).

    Args:
        student: logits ``[tokens, classes]``, of any floating type; the work is in float32.
        teacher: the same of the teacher, without a gradient.
        temperature: both are divided by it.

    Returns:
        float32 ``[tokens]``, at least zero but for rounding.
    """
    return of_rows(student, partial(_by_blocks, teacher=teacher, temperature=temperature))


def _by_blocks(
    student: Tensor, gradient: Tensor | None, *, teacher: Tensor, temperature: float
) -> Tensor:
    tokens, classes = student.shape
    found = torch.empty(tokens, dtype=torch.float32, device=student.device)
    rows = max(AT_ONCE // classes, 1)
    for start in range(0, tokens, rows):
        part = slice(start, start + rows)
        own = (student[part].float() / temperature).log_softmax(1)
        wanted = (teacher[part].float() / temperature).log_softmax(1)
        likely = wanted.exp()
        found[part] = (likely * (wanted - own)).sum(1) * temperature**2
        if gradient is not None:
            gradient[part] = (own.exp() - likely) * temperature
    return found
