"""Convolutions over log-mel frames, and recurrent layers in both directions over time.

After Choi et al. 2017, "Convolutional recurrent neural networks for music classification".
"""

from __future__ import annotations

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

PROVIDES = ("crnn",)

_HALVINGS = 2


class CRNNConfig(AcousticConfig):
    """Configuration of :class:`CRNNForAudioClassification`.

    The first two stages halve the time, and ``hidden_size`` is the width of one direction.
    """

    model_type = "anysize_crnn"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class CRNNForAudioClassification(AcousticClassifier):
    """Convolutions, gated recurrent units in both directions, mean and maximum over time.

    The backward direction goes over each window turned round by itself, so that it begins at the
    last frame and never sees the padding.
    """

    config_class = CRNNConfig

    def __init__(self, config: CRNNConfig) -> None:
        super().__init__(config)
        sizes, width = config.hidden_sizes, config.hidden_size
        self.stages = Convolutions(sizes, _HALVINGS)
        self.hidden = nn.Linear(sizes[-1] * mels_left(config.feature_size, len(sizes)), width)
        self.ahead = nn.GRU(width, width, batch_first=True)
        self.back = nn.GRU(width, width, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.finish(4 * width)

    def features(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``[n, 4 * hidden_size]``: mean and maximum over time, both directions."""
        maps, mask = self.stages(frames, mask)
        states = functional.relu(self.hidden(maps))
        lengths = mask.sum(1, keepdim=True).long()
        places = torch.arange(states.shape[1], device=states.device).unsqueeze(0)
        turned = torch.where(places < lengths, lengths - 1 - places, places).unsqueeze(-1)
        forward, _ = self.ahead(states)
        backward, _ = self.back(states.gather(1, turned.expand_as(states)))
        backward = backward.gather(1, turned.expand_as(backward))
        return cast(Tensor, self.dropout(pooled(torch.cat([forward, backward], -1), mask)))


FAMILY = Family(
    config=CRNNConfig,
    model=CRNNForAudioClassification,
    options={"hidden_sizes": (24, 48, 64), "hidden_size": 96, "dropout": 0.3},
)


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``acoustic.build_network``."""
    return build_network(FAMILY, key, request)


register(FAMILY)
