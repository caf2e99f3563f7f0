"""What the built-in picture classifiers have in common: output, settings, loss, registration."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from anysize.core.errors import ConfigurationError, DataError
from anysize.modalities.pictures.settings import ImageFacts, ImageOptions, ImageSettings
from anysize.models.classifier import name_classes
from anysize.models.first_weights import before_relu
from anysize.models.network import BuildRequest, Network


@dataclass
class PictureClassifierOutput(ModelOutput):
    """Result of a built-in picture classifier.

    Attributes:
        loss: mean cross entropy, a scalar; present only when labels were given.
        logits: ``[n, num_labels]``.
        features: ``[n, classifier.in_features]``, the vectors before the last linear layer.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    features: Tensor | None = None


class PictureClassifierConfig(PretrainedConfig):
    """Settings every built-in picture classifier has.

    Args:
        image_size: ``(height, width)`` in pixels that the model was made for.
        num_channels: channels of the input picture.
        **kwargs: what every transformers configuration has, ``num_labels`` for one.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    def __init__(
        self, image_size: Sequence[int] = (32, 32), num_channels: int = 3, **kwargs: Any
    ) -> None:
        self.image_size = list(image_size)
        self.num_channels = num_channels
        super().__init__(**kwargs)
        problems = self.problems()
        if problems:
            raise ConfigurationError(problems)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = size_problems("image_size", self.image_size)
        found += size_problems("num_channels", [self.num_channels])
        found += size_problems("num_labels", [self.num_labels or 0])
        if len(self.image_size) != 2:
            found.append(f"image_size must be (height, width), not {tuple(self.image_size)!r}")
        return found


class PictureClassifier(PreTrainedModel, ABC):
    """A feature extractor with one linear layer, ``classifier``, on top."""

    config_class: type[PretrainedConfig] = PictureClassifierConfig
    main_input_name = "pixel_values"
    input_modalities = "image"
    classifier: nn.Linear

    @abstractmethod
    def features(self, pixel_values: Tensor) -> Tensor:
        """Vectors ``[n, classifier.in_features]`` of pictures ``[n, channels, height, width]``."""

    def forward(
        self,
        pixel_values: Tensor,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> PictureClassifierOutput | tuple[Tensor, ...]:
        """Classify normalised pictures.

        Args:
            pixel_values: ``[n, channels, height, width]``, floating point.
            labels: ``[n]`` class numbers; the mean cross entropy is returned as ``loss``.
            return_dict: false gives the fields that are set as a tuple.

        Raises:
            DataError: the number of channels, or the size where it matters, does not fit.
        """
        if pixel_values.shape[1] != self.config.num_channels:
            raise DataError(
                "pixel_values",
                f"must have {self.config.num_channels} channels (num_channels of the model), but "
                f"the shape is {tuple(pixel_values.shape)}; convert the pictures or build the "
                "model for them",
            )
        features = self.features(pixel_values)
        logits = self.classifier(features)
        # The loss is taken in float32: bfloat16 has 8 bits of mantissa, too few for log-softmax.
        loss = None if labels is None else functional.cross_entropy(logits.float(), labels)
        output = PictureClassifierOutput(loss=loss, logits=logits, features=features)
        if return_dict is False:
            fields: tuple[Tensor, ...] = output.to_tuple()
            return fields
        return output

    def finish(self, width: int) -> None:
        """Add the linear layer over ``width`` features and draw all weights."""
        self.classifier = nn.Linear(width, self.config.num_labels or 0)
        self.post_init()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As for ReLU, with unit scale and zero shift for norms."""
        before_relu(module, self.classifier)
        if isinstance(module, nn.BatchNorm2d):
            init.ones_(module.weight)
            for name, buffer in module.named_buffers(recurse=False):
                (init.ones_ if name == "running_var" else init.zeros_)(buffer)


def size_problems(name: str, sizes: Sequence[int]) -> list[str]:
    """A sentence if one of ``sizes`` is not a positive whole number, or if there is none."""
    if sizes and all(isinstance(size, int) and size >= 1 for size in sizes):
        return []
    return [f"{name} must hold whole numbers of at least 1, not {list(sizes)!r}"]


def register(config: type[PictureClassifierConfig], model: type[PictureClassifier]) -> None:
    """Make ``AutoConfig`` and ``AutoModelForImageClassification`` load this family's folders."""
    AutoConfig.register(config.model_type, config, exist_ok=True)
    AutoModelForImageClassification.register(config, model, exist_ok=True)


def build_network(
    builders: Mapping[str, Callable[..., PreTrainedModel]],
    key: str,
    request: BuildRequest,
    side: int,
) -> Network:
    """A fresh network of a picture family.

    The input size is the one asked for, else that of the data where its pictures are small (both
    sides at most 64 pixels), else ``side`` squared.

    Args:
        builders: the family's constructors by key.
        key: which of them.
        request: labels, sizes and options; options are passed on as keyword arguments.
        side: input size for pictures that are not small.

    Raises:
        ConfigurationError: another task, or an option that the family does not have.
    """
    if request.kind != "image-classification":
        raise ConfigurationError(
            f"model {key!r} is for pictures (image-classification, image-regression), not for "
            f"{request.task}"
        )
    size = request.wished(ImageOptions).image_size
    if size is None:
        found = request.known(ImageFacts).size
        size = found if found is not None and max(found) <= 64 else (side, side)
    builder = builders[key]
    module = builder(
        num_labels=len(request.labels),
        image_size=(size[1], size[0]),
        **given_options(builder, key, request.options),
    )
    name_classes(module.config, request.labels)
    return Network(
        module=module,
        spec=key,
        settings=ImageSettings(width=size[0], height=size[1]),
        licence="Apache-2.0",
    )


def given_options(
    builder: Callable[..., PreTrainedModel], key: str, given: Mapping[str, str]
) -> dict[str, Any]:
    """The request's texts as the builder's types: numbers, or numbers with ``x`` between."""
    allowed = inspect.signature(builder).parameters.keys() - {"num_labels", "image_size"}
    problems = [
        f"model {key!r} has no option {name!r}; it has: {', '.join(sorted(allowed))}"
        for name in given
        if name not in allowed
    ]
    if problems:
        raise ConfigurationError(problems)
    return {name: _value(text) for name, text in given.items()}


def _value(text: str) -> int | float | tuple[int, ...] | str:
    parts = text.split("x")
    if all(part.isdigit() for part in parts):
        return int(text) if len(parts) == 1 else tuple(map(int, parts))
    try:
        return float(text)
    except ValueError:
        return text
