"""Losses of logits that have a teacher's logits for a target."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the student's softened distribution from the teacher's.

    Times the square of the temperature, so that its gradient keeps its size beside that of the
    targets (Hinton et al. 2015, arXiv:1503.02531, section 2).

    Args:
        student: logits ``[..., classes]``.
        teacher: the same of the teacher.
        temperature: both are divided by it.

    Returns:
        ``[...]``, at least zero.
    """
    log_student = functional.log_softmax(wide(student) / temperature, -1)
    log_teacher = functional.log_softmax(wide(teacher) / temperature, -1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(-1) * temperature**2


def bernoulli_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The mean over the outputs of the divergence of yes and no, softened as in `divergence`.

    Args:
        student: logits of sigmoids ``[n, outputs]``.
        teacher: the same of the teacher.
        temperature: both are divided by it.

    Returns:
        ``[n]``, at least zero.
    """
    own, wanted = wide(student) / temperature, wide(teacher) / temperature
    likely = wanted.sigmoid()
    yes = likely * (functional.logsigmoid(wanted) - functional.logsigmoid(own))
    no = (1 - likely) * (functional.logsigmoid(-wanted) - functional.logsigmoid(-own))
    return (yes + no).mean(-1) * temperature**2


def wide(values: Tensor) -> Tensor:
    """In float32 at least: bfloat16 has too few digits for a log-softmax."""
    return values if values.dtype == torch.float64 else values.float()
