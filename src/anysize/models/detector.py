"""A small anchor-free detector that learns from scratch on a few hundred pictures on a CPU.

One prediction a point and no anchors (FCOS, Tian et al. 2019, arXiv:1904.01355) over a feature
pyramid with strides 8, 16 and 32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForObjectDetection, PretrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from anysize.core.errors import ConfigurationError, DataError
from anysize.modalities.pictures.settings import ImageFacts, ImageOptions
from anysize.models.classifier import name_classes
from anysize.models.detection_targets import detection_targets
from anysize.models.detector_input import STRIDES, input_settings
from anysize.models.detector_layers import Backbone, Head, Pyramid, points
from anysize.models.detector_loss import Objects, detection_loss
from anysize.models.network import BuildRequest, Network
from anysize.models.patches import whiten
from anysize.models.resnet import ConvolutionNorm, ZeroScaleNorm
from anysize.models.vision import given_options, size_problems

PROVIDES = ("detector-small",)


@dataclass
class DetectorOutput(ModelOutput):
    """Result of the detector; the names are those of transformers' detectors.

    Attributes:
        loss: mean over the pictures, a scalar; only where labels were given.
        logits: ``[n, points, num_labels]``; the score of a class is its sigmoid.
        pred_boxes: ``[n, points, 4]``: centre x, centre y, width and height as parts of the input's
            sides.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    pred_boxes: Tensor | None = None


class DetectorConfig(PretrainedConfig):
    """Configuration of :class:`DetectorForObjectDetection`.

    Args:
        image_size: ``(height, width)`` in pixels that the model was made for; it takes others.
        num_channels: channels of the input picture.
        hidden_sizes: channels of the four backbone stages.
        depths: residual blocks of the four stages.
        neck_size: channels of the pyramid and the head.
        head_depth: convolutions before each prediction.
        **kwargs: what every transformers configuration has, ``num_labels`` for one.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    model_type = "anysize_detector"

    def __init__(
        self,
        image_size: Sequence[int] = (320, 416),
        num_channels: int = 3,
        hidden_sizes: Sequence[int] = (32, 64, 128, 192),
        depths: Sequence[int] = (1, 2, 2, 1),
        neck_size: int = 64,
        head_depth: int = 2,
        **kwargs: Any,
    ) -> None:
        self.image_size = list(image_size)
        self.num_channels = num_channels
        self.hidden_sizes = list(hidden_sizes)
        self.depths = list(depths)
        self.neck_size = neck_size
        self.head_depth = head_depth
        super().__init__(**kwargs)
        problems = self.problems()
        if problems:
            raise ConfigurationError(problems)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = size_problems("image_size", self.image_size)
        for name in ("hidden_sizes", "depths"):
            found += size_problems(name, getattr(self, name))
            if len(getattr(self, name)) != 4:
                found.append(f"{name} must have one value for each of the four stages")
        for name in ("num_channels", "neck_size", "head_depth"):
            found += size_problems(name, [getattr(self, name)])
        found += size_problems("num_labels", [self.num_labels or 0])
        if len(self.image_size) != 2:
            found.append(f"image_size must be (height, width), not {tuple(self.image_size)!r}")
        return found


class DetectorForObjectDetection(PreTrainedModel):
    """Backbone, pyramid, head; see ``detector_layers``."""

    config_class = DetectorConfig
    main_input_name = "pixel_values"
    input_modalities = "image"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        levels = len(STRIDES)
        self.backbone = Backbone(config.num_channels, config.hidden_sizes, config.depths, levels)
        self.pyramid = Pyramid(config.hidden_sizes[-levels:], config.neck_size)
        self.head = Head(config.neck_size, config.head_depth, levels, config.num_labels or 0)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        pixel_values: Tensor,
        labels: Sequence[Mapping[str, Tensor]] | None = None,
        return_dict: bool | None = None,
    ) -> DetectorOutput | tuple[Tensor, ...]:
        """Detect in normalised pictures.

        Args:
            pixel_values: ``[n, channels, height, width]``, floating point.
            labels: of each picture ``class_labels`` ``[k]`` and ``boxes`` ``[k, 4]`` (centre and
                sides, as parts of the input's sides), perhaps ``ignored`` ``[j, 4]``.
            return_dict: false gives the fields that are set as a tuple.

        Raises:
            DataError: the number of channels does not fit.
        """
        if pixel_values.shape[1] != self.config.num_channels:
            raise DataError(
                "pixel_values",
                f"must have {self.config.num_channels} channels (num_channels of the model), but "
                f"the shape is {tuple(pixel_values.shape)}; convert the pictures",
            )
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        logits, distances = self.head(self.pyramid(self.backbone(pixel_values)))
        height, width = pixel_values.shape[2:]
        centres, strides = points(height, width, STRIDES, pixel_values.device)
        reach = distances * strides[:, None]
        corners = torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], dim=-1)
        sides = reach.new_tensor([width, height])
        loss = None
        if labels is not None:
            pictures = [_objects(entry, sides) for entry in labels]
            total = detection_loss(logits, corners, centres, strides, pictures)
            loss = total / max(len(pictures), 1)
        parts = _centred(corners) / sides.repeat(2)
        output = DetectorOutput(loss=loss, logits=logits, pred_boxes=parts)
        if return_dict is False:
            fields: tuple[Tensor, ...] = output.to_tuple()
            return fields
        return output

    @property
    def starts_from_data(self) -> bool:
        """Whether ``start_from`` should be called: few pictures teach first filters slowly."""
        return True

    def start_from(self, batches: Iterable[Tensor]) -> None:
        """Takes the first filters from normalised pictures ``[n, channels, height, width]``."""
        first = self.backbone.stem[0]
        assert isinstance(first, ConvolutionNorm)
        whiten(first.convolution, batches)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He normal before ReLU; the class bias starts at a score of 0.01 (arXiv:1708.02002)."""
        if module in (self.head.logits, self.head.distances):
            assert isinstance(module, nn.Conv2d)
            assert module.bias is not None
            init.normal_(module.weight, std=0.01)
            # Boxes begin four strides wide, near the middle of what a level is for.
            start = -math.log(99.0) if module is self.head.logits else math.log(2.0)
            init.constant_(module.bias, start)
        elif isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            (init.zeros_ if isinstance(module, ZeroScaleNorm) else init.ones_)(module.weight)
            init.zeros_(module.bias)
            for name, buffer in module.named_buffers(recurse=False):
                (init.ones_ if name == "running_var" else init.zeros_)(buffer)
        elif module is self.head:
            init.ones_(module.scales)


def _objects(entry: Mapping[str, Tensor], sides: Tensor) -> Objects:
    scale = sides.repeat(2)
    ignored = entry.get("ignored")
    return Objects(
        boxes=_cornered(entry["boxes"].float() * scale),
        classes=entry["class_labels"],
        ignored=sides.new_zeros(0, 4) if ignored is None else _cornered(ignored.float() * scale),
    )


def _centred(corners: Tensor) -> Tensor:
    low, high = corners.split(2, dim=-1)
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def _cornered(boxes: Tensor) -> Tensor:
    middle, sides = boxes.split(2, dim=-1)
    return torch.cat([middle - sides / 2, middle + sides / 2], dim=-1)


def detector_small(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    hidden_sizes: Sequence[int] = (32, 64, 128, 192),
    depths: Sequence[int] = (1, 2, 2, 1),
    neck_size: int = 64,
) -> PreTrainedModel:
    """Make a detector of 1.5 M weights with fresh weights, drawn from torch's global generator."""
    return DetectorForObjectDetection(
        DetectorConfig(
            image_size=image_size,
            num_labels=num_labels,
            hidden_sizes=hidden_sizes,
            depths=depths,
            neck_size=neck_size,
        )
    )


def build(key: str, request: BuildRequest) -> Network:
    """A fresh detector.

    Its input has the shape of the typical picture; ``detector_input`` says how large it is, and
    which pictures are seen whole.

    Raises:
        ConfigurationError: another task, or an option that the family does not have.
    """
    if request.task != "object-detection":
        raise ConfigurationError(f"model {key!r} is for object-detection, not for {request.task}")
    facts = request.known(ImageFacts)
    wish = request.wished(ImageOptions).image_size
    settings = input_settings(facts.size, facts.object_side, wish)
    module = detector_small(
        num_labels=len(request.labels),
        image_size=(settings.height, settings.width),
        **given_options(detector_small, key, request.options),
    )
    name_classes(module.config, request.labels)
    return Network(
        module=module,
        spec=key,
        settings=settings,
        licence="Apache-2.0",
        outputs=("logits", "pred_boxes"),
        targets=detection_targets,
    )


AutoConfig.register(DetectorConfig.model_type, DetectorConfig, exist_ok=True)
AutoModelForObjectDetection.register(DetectorConfig, DetectorForObjectDetection, exist_ok=True)
