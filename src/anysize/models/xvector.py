"""x-vectors: convolutions over time, mean and deviation of what they give, one layer.

Snyder et al. 2018, "X-vectors: robust DNN embeddings for speaker recognition", with two changes.
Each frame is normalised over its channels instead of over the batch, so that nothing depends on the
padding; and the embedding is the first layer behind the pooling, trained with the margin loss.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init

from anysize.core.errors import ConfigurationError
from anysize.core.pooled_statistics import Closing
from anysize.modalities.sounds.settings import AudioFacts, AudioOptions, settings_for
from anysize.models.classifier import class_entries
from anysize.models.embedding import EmbeddingOutput
from anysize.models.first_weights import before_relu
from anysize.models.frame_statistics import FrameStatistics
from anysize.models.given_options import defaults_of, read_options
from anysize.models.margin import MarginHead
from anysize.models.network import BuildRequest, Network
from anysize.models.voices import (
    SpeakerConfig,
    SpeakerModel,
    affine,
    check_task,
    register,
    wrapped,
)

PROVIDES = ("xvector",)

# Kernel and dilation of each layer over time.
_LAYERS = ((5, 1), (3, 2), (3, 3), (1, 1), (1, 1))
HALO = sum((kernel - 1) // 2 * dilation for kernel, dilation in _LAYERS)
"""Frames on either side that a state depends on."""
SECONDS = 3
"""Of a window: what is drawn of a recording in training, and read at once in prediction."""
_LEAST_VARIANCE = 1e-6


class XVectorConfig(SpeakerConfig):
    """Configuration of :class:`XVectorSpeakerModel`.

    Args:
        hidden_size: channels of the layers over time.
        pooled_size: channels of the last one, whose mean and deviation are taken.
        dropout: probability with which a pooled number is set to zero in training.
        **kwargs: see :class:`SpeakerConfig`.
    """

    model_type = "anysize_xvector"

    def __init__(
        self,
        hidden_size: int = 256,
        pooled_size: int = 512,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.hidden_size = hidden_size
        self.pooled_size = pooled_size
        self.dropout = dropout
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        found += [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name in ("hidden_size", "pooled_size")
            if not isinstance(value := getattr(self, name), int) or value < 1
        ]
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class XVectorSpeakerModel(FrameStatistics, SpeakerModel):
    """Layers over time, statistics, one linear layer."""

    config_class = XVectorConfig
    given = ("embeddings", "states")

    def __init__(self, config: XVectorConfig) -> None:
        super().__init__(config)
        self.add_statistics(config.feature_size)
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        before = config.feature_size
        for place, (kernel, dilation) in enumerate(_LAYERS):
            last = place == len(_LAYERS) - 1
            size = config.pooled_size if last else config.hidden_size
            reach = (kernel - 1) // 2 * dilation
            self.layers.append(nn.Conv1d(before, size, kernel, dilation=dilation, padding=reach))
            self.norms.append(nn.LayerNorm(size))
            before = size
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(2 * config.pooled_size, config.width)
        self.add_head()

    def embed(self, frames: Tensor, mask: Tensor) -> EmbeddingOutput:
        """See `SpeakerModel.embed`; a state for each frame, zero at the padding."""
        weights = mask.unsqueeze(-1)
        states = self.normalized(frames, mask)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            found = layer(states.transpose(1, 2)).transpose(1, 2)
            # What the next layer sees behind the end is 0, as without padding.
            states = norm(functional.relu(found)) * weights
        count = weights.sum(1).clamp(min=1)
        mean = states.sum(1) / count
        squares = ((states - mean.unsqueeze(1)).square() * weights).sum(1) / count
        pooled = torch.cat([mean, (squares + _LEAST_VARIANCE).sqrt()], -1)
        return EmbeddingOutput(embeddings=self.projection(self.dropout(pooled)), states=states)

    def closing(self) -> Closing:
        """See `SpeakerModel.closing`."""
        weight, bias = affine(self.projection)
        return Closing(weight=weight, bias=bias, least=_LEAST_VARIANCE, halo=HALO)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if module is self.projection:
            init.xavier_normal_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Conv1d):
            init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, MarginHead):
            init.normal_(module.centres, std=0.01)
        else:
            before_relu(module, self.projection)


def xvector(
    *,
    feature_size: int,
    hidden_size: int = 256,
    pooled_size: int = 512,
    width: int = 192,
    dropout: float = 0.1,
    margin: float = 0.2,
    scale: float = 30.0,
    **labels: Any,
) -> XVectorSpeakerModel:
    """Make an embedder with fresh weights, drawn from torch's global generator."""
    return XVectorSpeakerModel(
        XVectorConfig(
            feature_size=feature_size,
            hidden_size=hidden_size,
            pooled_size=pooled_size,
            width=width,
            dropout=dropout,
            margin=margin,
            scale=scale,
            **labels,
        )
    )


def build(key: str, request: BuildRequest) -> Network:
    """A fresh embedder.

    Raises:
        ConfigurationError: another task, an option that it does not have, or wishes that
            contradict each other.
    """
    check_task(key, request)
    options, problems = read_options(key, request.options, defaults_of(xvector))
    wishes = request.wished(AudioOptions)
    settings = settings_for(request.known(AudioFacts), wishes)
    hop = settings.front.hop
    if wishes.window is None:
        settings = dataclasses.replace(settings, window=SECONDS * settings.sample_rate)
    if wishes.overlap is None:
        # So much that no state at the border of a core sees the border of its window.
        if settings.frames <= 2 * HALO:
            problems.append(
                f"window must be more than {2 * HALO * hop} samples ({2 * HALO} frames), not "
                f"{settings.window}"
            )
        else:
            settings = dataclasses.replace(settings, overlap=2 * HALO * hop)
    if problems:
        raise ConfigurationError(problems)
    module = xvector(feature_size=settings.front.width, **class_entries(request.labels), **options)
    return wrapped(module, key, settings, "Apache-2.0")


register(XVectorConfig, XVectorSpeakerModel)
