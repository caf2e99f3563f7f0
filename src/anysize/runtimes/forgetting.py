"""What a bounded cache of keys and values lets go, and where what stays then is.

The first tokens stay (attention sinks: Xiao et al., arXiv:2309.17453), and the last ones; what is
between them goes, the oldest first. Positions are counted in the cache, so that they never exceed
those of the model: keys that move nearer to the beginning are turned back by as many positions,
which rotary embeddings allow (Su et al., arXiv:2104.09864).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anysize.core.generation import SINKS

# Their keys are turned by halves, by frequencies that do not depend on the length.
_ROTARY = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3"})
_VARYING = frozenset({"dynamic", "longrope"})


class Turning:
    """Turns keys of a model with rotary embeddings back.

    Args:
        frequencies: of the pairs of a head's halves, ``[head_size / 2]``.
    """

    def __init__(self, frequencies: Tensor) -> None:
        self._frequencies = frequencies.float()

    @classmethod
    def of(cls, module: nn.Module) -> Turning | None:
        """That of a model; None where its keys cannot be moved."""
        config: Any = module.config
        rotary = getattr(getattr(module, "model", None), "rotary_emb", None)
        frequencies = getattr(rotary, "inv_freq", None)
        kind = str(getattr(rotary, "rope_type", "default"))
        if config.model_type not in _ROTARY or frequencies is None or kind in _VARYING:
            return None
        return cls(frequencies)

    def back(self, keys: Tensor, positions: Tensor) -> Tensor:
        """Keys ``[rows, heads, tokens, size]``, each by so many positions ``[rows, tokens]``."""
        angles = positions[:, None, :, None].float() * self._frequencies.to(keys.device)
        cos, sin = angles.cos(), angles.sin()
        first, second = keys.float().chunk(2, -1)
        turned = torch.cat([first * cos + second * sin, second * cos - first * sin], -1)
        return turned.to(keys.dtype)


def kept_columns(mask: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Which columns of a batch stay when each row loses so many.

    Padding (before the tokens) goes first, then the tokens behind the first `SINKS`.

    Args:
        mask: ``[rows, columns]``, 1 at tokens.
        number: of columns that go.

    Returns:
        The columns of each row that stay, in order, ``[rows, columns - number]``, and how many
        tokens each row loses, ``[rows, 1]``.
    """
    rows, columns = mask.shape
    padding = columns - mask.sum(1, keepdim=True)
    lost = (number - padding).clamp(min=0)
    place = torch.arange(columns - number, device=mask.device).expand(rows, -1)
    # Of rows that lose tokens all padding is gone: the first columns are sinks.
    sink = (lost > 0) & (place < SINKS)
    return torch.where(sink, place + padding, place + number), lost
