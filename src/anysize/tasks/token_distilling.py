"""What models that write text learn of a teacher: its distribution of each token that comes next.

Both are given the same tokens, those of the data. A record's divergence is summed over its tokens,
as its loss is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.tasks.distilling import Side, SoftTargets, alone

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import Tensors
    from anysize.models.token_losses import BeforeHead


def soft_tokens(
    student: Side, teacher: Side, temperature: float, *, per_record: float
) -> SoftTargets:
    """How language models are compared, without logits of all tokens at once.

    Args:
        student: in training.
        teacher: trained.
        temperature: logits are divided by it.
        per_record: tokens of an average record, which a record's loss is divided by.

    Raises:
        ConfigurationError: they do not know the same tokens.
    """
    vocabulary = _vocabulary(student, teacher)

    def divergence(own: BeforeHead, other: BeforeHead, examples: Sequence[Example]) -> Tensor:
        import torch

        from anysize.models.token_losses import token_divergences

        labels = np.concatenate([example.arrays["labels"] for example in examples])
        wanted = torch.from_numpy(labels.astype(np.int64)).to(own.states.device)
        found = token_divergences(own, other, wanted, vocabulary, temperature)
        return _by_window(found, examples) / per_record

    return SoftTargets(of_heads=divergence, shares=alone)


def soft_sequences(student: Side, teacher: Side, temperature: float) -> SoftTargets:
    """How encoder-decoders are compared: at every token of the target, which both are given.

    Raises:
        ConfigurationError: they do not know the same tokens.
    """
    _vocabulary(student, teacher)

    def divergence(own: Tensors, wanted: Tensors, examples: Sequence[Example]) -> Tensor:
        from anysize.modalities.texts.pairs import TARGET_LOGITS
        from anysize.models.divergence import token_divergence

        found = token_divergence(own[TARGET_LOGITS], wanted[TARGET_LOGITS], temperature)
        return _by_window(found, examples)

    return SoftTargets(loss=divergence, shares=alone)


def _vocabulary(student: Side, teacher: Side) -> int:
    """How many tokens both know."""
    own, other = (int(each.network.module.config.vocab_size) for each in (student, teacher))
    if own != other:
        raise ConfigurationError(
            "student and teacher must know the same tokens: the student's vocabulary has "
            f"{own:,}, and the teacher's {other:,}"
        )
    return own


def _by_window(values: Tensor, examples: Sequence[Example]) -> Tensor:
    """Values of all labels in a row, summed for each window."""
    import torch

    lengths = torch.tensor([len(example.arrays["labels"]) for example in examples])
    owners = torch.arange(len(examples)).repeat_interleave(lengths).to(values.device)
    return torch.zeros(len(examples), device=values.device).index_add(0, owners, values)
