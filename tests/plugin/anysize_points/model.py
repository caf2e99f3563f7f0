"""PointNet in small: a layer for each point, the largest of all, a linear head.

After Qi et al. 2017, "PointNet", arXiv:1612.00593.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from anysize.core.errors import ConfigurationError
from anysize.models.network import BuildRequest, Network
from anysize_points.settings import PointOptions, PointSettings

PROVIDES = ("pointnet",)


class PointNetConfig(PreTrainedConfig):
    """Configuration of `PointNetForPointClassification`."""

    model_type = "points_pointnet"

    def __init__(self, width: int = 32, **kwargs: Any) -> None:
        self.width = width
        super().__init__(**kwargs)


class PointNetForPointClassification(PreTrainedModel):
    """Classifies sets of points ``[n, points, 3]``, whatever their order."""

    config_class = PointNetConfig
    main_input_name = "points"
    base_model_prefix = "pointnet"
    supports_gradient_checkpointing = False

    def __init__(self, config: PointNetConfig) -> None:
        super().__init__(config)
        self.point = nn.Sequential(
            nn.Linear(3, config.width), nn.ReLU(), nn.Linear(config.width, config.width), nn.ReLU()
        )
        self.classifier = nn.Linear(config.width, config.num_labels)
        self.post_init()

    def forward(self, points: Tensor, labels: Tensor | None = None) -> SequenceClassifierOutput:
        """Logits ``[n, num_labels]``."""
        return SequenceClassifierOutput(logits=self.classifier(self.point(points).amax(1)))


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; the option ``width`` is the units of its layers.

    Raises:
        ConfigurationError: another task or option.
    """
    if request.task != "point-classification" or not {"width"} >= request.options.keys():
        raise ConfigurationError(f"model {key!r} is for point-classification; its option is width")
    config = PointNetConfig(
        width=int(request.options.get("width", 32)),
        id2label=dict(enumerate(request.labels)),
        label2id={label: place for place, label in enumerate(request.labels)},
    )
    wishes = request.wished(PointOptions)
    settings = PointSettings(window=wishes.window or 64, overlap=wishes.overlap or 0)
    module = PointNetForPointClassification(config)
    module.apply(_start)
    return Network(module=module.eval(), spec=key, settings=settings, licence="Apache-2.0")


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        torch.nn.init.zeros_(module.bias)


AutoConfig.register(PointNetConfig.model_type, PointNetConfig, exist_ok=True)
AutoModel.register(PointNetConfig, PointNetForPointClassification, exist_ok=True)
