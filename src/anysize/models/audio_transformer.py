"""A transformer over log-mel frames, for windows of any length.

Convolutions bring four frames to one, as in Gulati et al. 2020 (arXiv:2005.08100, section 2);
layers of attention with the norm before each part follow (Xiong et al. 2020, arXiv:2002.04745).
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.models.acoustic import (
    AcousticClassifier,
    AcousticConfig,
    Convolutions,
    Family,
    build_network,
    mels_left,
    pooled,
    register,
)
from anysize.models.network import BuildRequest, Network

PROVIDES = ("audio-transformer",)

_SLOWEST = 10_000.0


class AudioTransformerConfig(AcousticConfig):
    """Configuration of :class:`AudioTransformerForAudioClassification`.

    Each stage of ``hidden_sizes`` halves the time.

    Args:
        num_layers: layers of attention.
        num_heads: heads of each; ``hidden_size`` must be an even multiple of it.
        intermediate_size: width of the feed-forward part.
        **kwargs: see :class:`AcousticConfig`.
    """

    model_type = "anysize_audio_transformer"

    def __init__(
        self,
        num_layers: int = 4,
        num_heads: int = 4,
        intermediate_size: int = 576,
        **kwargs: Any,
    ) -> None:
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_size = intermediate_size
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        found += [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name in ("num_layers", "num_heads", "intermediate_size")
            if not isinstance(value := getattr(self, name), int) or value < 1
        ]
        if not found and self.hidden_size % (2 * self.num_heads):
            found.append(
                f"hidden_size must be a multiple of twice num_heads ({2 * self.num_heads}), not "
                f"{self.hidden_size}"
            )
        return found


class Layer(nn.Module):
    """Self-attention and a feed-forward part; what is behind the end is never attended to."""

    def __init__(self, config: AudioTransformerConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.dropped = config.num_heads, config.dropout
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.output_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, config.intermediate_size)
        self.narrow = nn.Linear(config.intermediate_size, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        """States ``[n, time, width]``; ``seen`` ``[n, 1, 1, time]`` is true at frames."""
        count, length, width = states.shape
        split = self.query_key_value(self.attention_norm(states))
        split = split.view(count, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()
        found = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, dropout_p=self.dropped if self.training else 0.0
        )
        found = found.transpose(1, 2).reshape(count, length, width)
        states = states + self.dropout(self.attended(found))
        wide = functional.relu(self.widen(self.output_norm(states)))
        return cast(Tensor, states + self.dropout(self.narrow(wide)))


class AudioTransformerForAudioClassification(AcousticClassifier):
    """Convolutions, layers of attention over sinusoids of the place, mean and maximum over time."""

    config_class = AudioTransformerConfig

    def __init__(self, config: AudioTransformerConfig) -> None:
        super().__init__(config)
        sizes, width = config.hidden_sizes, config.hidden_size
        self.stages = Convolutions(sizes, len(sizes))
        self.hidden = nn.Linear(sizes[-1] * mels_left(config.feature_size, len(sizes)), width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(width)
        self.finish(2 * width)

    def features(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``[n, 2 * hidden_size]``: mean and maximum over time."""
        maps, mask = self.stages(frames, mask)
        # What the layers add up stays in float32 where products are in bfloat16.
        states = self.hidden(maps).float()
        states = self.dropout(states + sinusoids(states))
        seen = (mask != 0)[:, None, None, :]
        for layer in self.layers:
            states = layer(states, seen)
        return pooled(self.norm(states), mask)


def sinusoids(states: Tensor) -> Tensor:
    """The places of states ``[n, time, width]`` as waves ``[time, width]``.

    After Vaswani et al. 2017 (arXiv:1706.03762, section 3.5), sines before cosines.
    """
    half = states.shape[2] // 2
    steps = torch.arange(half, device=states.device, dtype=torch.float32)
    rates = torch.exp(-math.log(_SLOWEST) / half * steps)
    places = torch.arange(states.shape[1], device=states.device, dtype=torch.float32)
    angles = places[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1).to(states.dtype)


FAMILY = Family(
    config=AudioTransformerConfig,
    model=AudioTransformerForAudioClassification,
    options={
        "hidden_sizes": (32, 48), "hidden_size": 144, "num_layers": 4, "num_heads": 4,
        "intermediate_size": 576, "dropout": 0.1,
    },
)  # fmt: skip


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``acoustic.build_network``."""
    return build_network(FAMILY, key, request)


register(FAMILY)
