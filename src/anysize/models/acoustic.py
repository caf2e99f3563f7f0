"""What the built-in models of recordings have in common: input, output, loss, registration.

A family turns frames of a spectrum into features; nothing that it gives for a window depends on
the padding behind it, so that windows of any lengths are run together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForAudioClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from anysize.core.errors import ConfigurationError
from anysize.modalities.sounds.settings import AudioFacts, AudioOptions, settings_for
from anysize.models.classifier import class_entries
from anysize.models.first_weights import before_relu, recurrent
from anysize.models.frame_statistics import FrameStatistics
from anysize.models.given_options import read_options
from anysize.models.network import BuildRequest, Network
from anysize.models.vision import size_problems


@dataclass
class AcousticOutput(ModelOutput):
    """Result of a built-in model of recordings.

    Attributes:
        loss: mean cross entropy, a scalar; present only when labels were given.
        logits: ``[n, num_labels]``.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None


class AcousticConfig(PretrainedConfig):
    """Settings that every built-in model of recordings has.

    Args:
        hidden_sizes: channels of each stage of convolutions.
        feature_size: numbers of a frame.
        hidden_size: width of the layer before the last one.
        dropout: probability with which a feature is set to zero in training.
        **kwargs: what every transformers configuration has, ``num_labels`` for one.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (32, 64, 96),
        feature_size: int = 64,
        hidden_size: int = 128,
        dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        self.hidden_sizes = list(hidden_sizes)
        self.feature_size = feature_size
        self.hidden_size = hidden_size
        self.dropout = dropout
        super().__init__(**kwargs)
        problems = self.problems()
        if problems:
            raise ConfigurationError(problems)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = size_problems("hidden_sizes", self.hidden_sizes)
        found += [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name in ("feature_size", "hidden_size")
            if not isinstance(value := getattr(self, name), int) or value < 1
        ]
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class AcousticClassifier(FrameStatistics, PreTrainedModel, ABC):
    """Features of frames, and one linear layer, ``classifier``, on top."""

    config_class: type[PretrainedConfig] = AcousticConfig
    main_input_name = "input_features"
    input_modalities = "audio"
    classifier: nn.Linear

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.add_statistics(config.feature_size)

    @abstractmethod
    def features(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Vectors ``[n, classifier.in_features]`` of frames ``[n, length, feature_size]``.

        ``mask`` ``[n, length]`` is 1 at frames and 0 at the padding behind them, where the frames
        are 0.
        """

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> AcousticOutput | tuple[Tensor, ...]:
        """Classify windows of frames.

        Args:
            input_features: ``[n, length, feature_size]``, floating point.
            attention_mask: ``[n, length]``, 1 at frames, 0 at the padding behind them; all are
                frames where it is missing.
            labels: ``[n]`` class numbers; the mean cross entropy is returned as ``loss``.
            return_dict: false gives the fields that are set as a tuple.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_features[..., 0])
        mask = attention_mask.to(input_features.dtype)
        frames = self.normalized(input_features, mask)
        logits = self.classifier(self.features(frames, mask))
        # The loss is taken in float32: bfloat16 has 8 bits of mantissa, too few for log-softmax.
        loss = None if labels is None else functional.cross_entropy(logits.float(), labels)
        output = AcousticOutput(loss=loss, logits=logits)
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
        """As for ReLU, with orthogonal recurrences and unit norms."""
        before_relu(module, self.classifier)
        if isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
        elif isinstance(module, nn.GRU):
            recurrent(module)


class Convolutions(nn.Module):
    """Stages of 3 x 3 convolutions over time and mels; each halves the mels, and some the time.

    A normalisation over the channels of each place follows (Ba et al. 2016): unlike one over the
    batch, or over time, it does not see the padding.

    Args:
        sizes: channels of each stage.
        halvings: how many of the stages, the first ones, halve the time.
    """

    def __init__(self, sizes: list[int], halvings: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        self.halving = []
        before = 1
        for stage, size in enumerate(sizes):
            step = 2 if stage < halvings else 1
            for inputs, stride in ((before, (step, 2)), (size, (1, 1))):
                self.convolutions.append(nn.Conv2d(inputs, size, 3, stride=stride, padding=1))
                self.norms.append(nn.LayerNorm(size))
                self.halving.append(stride[0] == 2)
            before = size

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Maps ``[n, time, channels * mels]`` of frames ``[n, length, mels]``, and their mask."""
        maps = frames.unsqueeze(1)
        for convolution, norm, halved in zip(
            self.convolutions, self.norms, self.halving, strict=True
        ):
            maps = convolution(maps)
            if halved:
                mask = mask[:, ::2]
            maps = functional.relu(norm(maps.permute(0, 2, 3, 1)))
            # What the next convolution sees behind the end is 0, as without padding.
            maps = (maps * mask[:, :, None, None]).permute(0, 3, 1, 2)
        return maps.transpose(1, 2).flatten(2), mask


def mels_left(mels: int, stages: int) -> int:
    """Of so many mels, how many are left behind so many stages."""
    for _ in range(stages):
        mels = -(-mels // 2)
    return mels


def pooled(states: Tensor, mask: Tensor) -> Tensor:
    """Mean and maximum over time: ``[n, time, width]`` to ``[n, 2 * width]``."""
    weights = mask.unsqueeze(-1)
    mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
    low = torch.finfo(states.dtype).min
    return torch.cat([mean, states.masked_fill(weights == 0, low).amax(1)], -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Networks of one kind.

    Attributes:
        config: their configuration.
        model: their module.
        options: what a user may choose of the configuration, with the defaults.
    """

    config: type[AcousticConfig]
    model: type[AcousticClassifier]
    options: Mapping[str, Any]


def register(family: Family) -> None:
    """Make ``AutoConfig`` and ``AutoModelForAudioClassification`` load this family's folders."""
    AutoConfig.register(family.config.model_type, family.config, exist_ok=True)
    AutoModelForAudioClassification.register(family.config, family.model, exist_ok=True)


def build_network(family: Family, key: str, request: BuildRequest) -> Network:
    """A fresh network of a family that reads recordings, drawn from torch's global generator.

    Args:
        family: of the network.
        key: the family's name.
        request: labels, what is known of the recordings, wishes and options.

    Raises:
        ConfigurationError: another task, an option that the family does not have, or wishes that
            contradict each other.
    """
    if request.kind != "audio-classification":
        raise ConfigurationError(
            f"model {key!r} is for recordings (audio-classification, audio-regression), not for "
            f"{request.task}"
        )
    options, problems = read_options(key, request.options, family.options)
    if problems:
        raise ConfigurationError(problems)
    settings = settings_for(request.known(AudioFacts), request.wished(AudioOptions))
    config = family.config(
        feature_size=settings.front.width,
        num_labels=len(request.labels),
        **class_entries(request.labels),
        **{**family.options, **options},
    )
    module: PreTrainedModel = family.model(config)
    return Network(module=module.eval(), spec=key, settings=settings, licence="Apache-2.0")
