"""What networks with a CTC head learn of a teacher: its distribution at each step.

Student and teacher read the same frames on the same grid, so that their steps correspond (Takashima
et al. 2018, "An investigation of a knowledge distillation method for CTC acoustic models"). A
transcript's divergence is summed over its steps and divided by its tokens, as its loss is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.examples import Example
from anysize.models.ctc_vocabulary import CTCTokens
from anysize.models.network import Network
from anysize.models.step_grid import StepGrid, step_counts
from anysize.tasks.distilling import Side, SoftTargets, alone
from anysize.tasks.speech.ctc import TARGET

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import Tensors


def soft_steps(student: Side, teacher: Side, temperature: float) -> SoftTargets:
    """How two networks are compared.

    Args:
        student: in training.
        teacher: trained.
        temperature: logits are divided by it.

    Raises:
        ConfigurationError: they do not know the same tokens, or give steps of other lengths.
    """
    if problems := _problems(student.network, teacher.network):
        raise ConfigurationError(problems)
    config = student.network.module.config

    def loss(own: Tensors, wanted: Tensors, examples: Sequence[Example]) -> Tensor:
        import numpy as np
        import torch

        from anysize.models.divergence import token_divergence

        found = token_divergence(own["logits"], wanted["logits"], temperature)
        frames = np.array([len(each.arrays["frames"]) for each in examples], np.int64)
        counts = torch.from_numpy(step_counts(config, frames))
        tokens = torch.tensor([max(len(each.aside[TARGET]), 1) for each in examples])
        owners = torch.arange(len(examples)).repeat_interleave(counts).to(found.device)
        sums = torch.zeros(len(examples), device=found.device).index_add(0, owners, found)
        return sums / tokens.to(found.device)

    return SoftTargets(loss=loss, shares=alone)


def _problems(student: Network, teacher: Network) -> list[str]:
    found = []
    try:
        own, theirs = CTCTokens.of(student), CTCTokens.of(teacher)
        grids = StepGrid.of(student), StepGrid.of(teacher)
    except BundleError as error:
        return [str(error)]
    if (own.pieces, own.blank) != (theirs.pieces, theirs.blank):
        found.append(
            "student and teacher must know the same tokens: the student's vocabulary has "
            f"{len(own.pieces):,}, and the teacher's {len(theirs.pieces):,}, or they are others; "
            "a student of the teacher's own layers, distil(layers=N), has the same"
        )
    if (grids[0].samples, grids[0].rate) != (grids[1].samples, grids[1].rate):
        found.append(
            f"student and teacher must have steps of one length: {grids[0].samples} samples at "
            f"{grids[0].rate} Hz of the student, {grids[1].samples} at {grids[1].rate} Hz of the "
            "teacher"
        )
    return found
