"""What embedders of voices have in common: the margin head, the bundle, how a network is made.

A family turns windows of frames into vectors, ``embeddings``; recordings of one speaker point in
one direction. A family that pools over time gives its ``states`` too, the vectors that it pools:
with them the statistics of a recording of any length are added up exactly, window by window.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from anysize.core.errors import ConfigurationError
from anysize.core.pooled_statistics import Closing
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.embedding import EmbeddingOutput
from anysize.models.margin import MarginHead, margin_problems
from anysize.models.network import BuildRequest, Network

TASK = "speaker-recognition"


class SpeakerConfig(PretrainedConfig):
    """Settings that every embedder of voices has.

    Args:
        feature_size: numbers of a frame.
        width: of the embeddings.
        margin: of the loss, in radians.
        scale: of the loss.
        strangers: usual cosine of the embeddings of two speakers, a second or two of each.
        **kwargs: what every configuration has; ``num_labels`` is the number of speakers.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    def __init__(
        self,
        feature_size: int = 64,
        width: int = 192,
        margin: float = 0.2,
        scale: float = 30.0,
        strangers: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.feature_size = feature_size
        self.width = width
        self.margin = margin
        self.scale = scale
        self.strangers = strangers
        super().__init__(**kwargs)
        problems = self.problems()
        if problems:
            raise ConfigurationError(problems)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = margin_problems(self.margin, self.scale)
        if not isinstance(self.feature_size, int) or self.feature_size < 1:
            found.append(
                f"feature_size must be a whole number of at least 1, not {self.feature_size!r}"
            )
        if not isinstance(self.width, int) or not 2 <= self.width <= 4096:
            found.append(f"width must be from 2 to 4096, not {self.width!r}")
        if not -1 <= self.strangers < 1:
            found.append(f"strangers must be from -1 to below 1, not {self.strangers!r}")
        return found


class SpeakerModel(PreTrainedModel, ABC):
    """An embedder, and for training the speakers' centres.

    Attributes:
        given: the fields of its output that are taken.
    """

    config_class: type[PretrainedConfig] = SpeakerConfig
    main_input_name = "input_features"
    input_modalities = "audio"
    given: ClassVar[tuple[str, ...]] = ("embeddings",)
    head: MarginHead

    def add_head(self) -> None:
        """Adds the speakers' centres and draws all weights."""
        config = self.config
        self.head = MarginHead(
            config.width, config.num_labels or 0, margin=config.margin, scale=config.scale
        )
        self.post_init()  # type: ignore[no-untyped-call]

    @abstractmethod
    def embed(self, frames: Tensor, mask: Tensor) -> EmbeddingOutput:
        """Embeds frames ``[n, length, feature_size]``; ``mask`` ``[n, length]`` is 1 at frames."""

    def closing(self) -> Closing | None:
        """What comes after the pooling of ``states``; None where nothing is pooled."""
        return None

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> EmbeddingOutput | tuple[Tensor, ...]:
        """Embed windows of frames.

        Args:
            input_features: ``[n, length, feature_size]``, floating point.
            attention_mask: ``[n, length]``, 1 at frames, 0 at the padding behind them; all are
                frames where it is missing.
            return_dict: false gives the fields that are set as a tuple.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_features[..., 0])
        output = self.embed(input_features, attention_mask.to(input_features.dtype))
        if return_dict is False:
            fields: tuple[Tensor, ...] = output.to_tuple()
            return fields
        return output


def note_outputs(network: Network) -> None:
    """Notes in a network what its module gives."""
    given = getattr(type(network.module), "given", ("embeddings",))
    network.outputs = given
    network.per_token = tuple(name for name in given if name == "states")


def wrapped(module: SpeakerModel, key: str, settings: AudioSettings, licence: str) -> Network:
    """A network of a module and the preprocessing that belongs to its weights."""
    module.eval()  # type: ignore[no-untyped-call]
    network = Network(module=module, spec=key, settings=settings, licence=licence)
    note_outputs(network)
    return network


def check_task(key: str, request: BuildRequest) -> None:
    """Refuses other tasks."""
    if request.task != TASK:
        raise ConfigurationError(f"model {key!r} is for {TASK}, not for {request.task}")


def affine(layer: nn.Linear) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight and bias of a layer in float64."""
    weight, bias = layer.weight.detach(), layer.bias.detach()
    return weight.double().cpu().numpy().copy(), bias.double().cpu().numpy().copy()


def register(config: type[SpeakerConfig], model: type[SpeakerModel]) -> None:
    """Make ``AutoConfig`` and ``AutoModel`` load this family's folders."""
    AutoConfig.register(config.model_type, config, exist_ok=True)
    AutoModel.register(config, model, exist_ok=True)
