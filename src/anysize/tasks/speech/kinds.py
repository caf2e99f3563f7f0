"""The kinds of networks that recognise speech: each has its windows and its step.

A kind is a module of this folder with ``preprocess`` and ``step``; `kind_of` tells them apart by
the network's configuration. What both give to the merger is the same (``mergers.transcript``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation
    from anysize.core.protocols import Preprocess
    from anysize.core.steps import Step
    from anysize.models.network import Network
    from anysize.tasks.speech.options import SpeechOptions


class Kind(Protocol):
    """What a module of a kind has."""

    def preprocess(
        self,
        network: Network,
        options: SpeechOptions,
        *,
        augment: Augmentation | None = None,
        seed: int = 0,
    ) -> Preprocess:
        """How a recording becomes windows and examples; see ``tasks.protocols.Task``."""
        ...

    def step(self, network: Network, options: SpeechOptions) -> Step:
        """What is done with a batch of them."""
        ...


def kind_of(network: Network) -> Kind:
    """What a network is run by.

    Raises:
        ConfigurationError: it is of a kind that is not known here.
    """
    config: Any = network.module.config
    if getattr(config, "is_encoder_decoder", False) and config.model_type == "whisper":
        from anysize.tasks.speech import whisper

        return whisper
    if network.per_token:
        from anysize.tasks.speech import ctc

        return ctc
    raise ConfigurationError(
        f"{network.spec} (model_type {config.model_type}) is not supported for speech "
        "recognition: use a Whisper model, or one with a CTC head"
    )


def knows_languages(network: Network) -> bool:
    """Whether a network is to be said which language is spoken."""
    from anysize.models.whisper_tokens import WhisperTokens

    if getattr(network.module.config, "model_type", "") != "whisper":
        return False
    return WhisperTokens.of_network(network).multilingual
