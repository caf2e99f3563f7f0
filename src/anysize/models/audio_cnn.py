"""A small convolutional net over log-mel frames: for windows of any length."""

from __future__ import annotations

from typing import Any

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

PROVIDES = ("audio-cnn",)


class AudioCNNConfig(AcousticConfig):
    """Configuration of :class:`AudioCNNForAudioClassification`.

    Its stages halve time and mels.
    """

    model_type = "anysize_audio_cnn"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class AudioCNNForAudioClassification(AcousticClassifier):
    """Convolutions over time and mels, a layer for each time, mean and maximum over time."""

    config_class = AudioCNNConfig

    def __init__(self, config: AudioCNNConfig) -> None:
        super().__init__(config)
        sizes = config.hidden_sizes
        self.stages = Convolutions(sizes, len(sizes))
        width = sizes[-1] * mels_left(config.feature_size, len(sizes))
        self.hidden = nn.Linear(width, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.finish(2 * config.hidden_size)

    def features(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``[n, 2 * hidden_size]``: mean and maximum over time."""
        maps, mask = self.stages(frames, mask)
        states = functional.relu(self.hidden(maps))
        features: Tensor = self.dropout(pooled(states, mask))
        return features


FAMILY = Family(
    config=AudioCNNConfig,
    model=AudioCNNForAudioClassification,
    options={"hidden_sizes": (32, 64, 96), "hidden_size": 128, "dropout": 0.3},
)


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``acoustic.build_network``."""
    return build_network(FAMILY, key, request)


register(FAMILY)
