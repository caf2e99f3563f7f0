"""A small conformer for speech recognition by CTC, from scratch.

Convolutions make one step of four frames, conformer blocks follow, and each step gives the
logits of the tokens and of the blank (Graves et al. 2006). Attention reaches so many steps to
either side (``attention_context``), so that what a step gives depends on a known stretch of the
recording: windows that share as much give exactly what the whole recording would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCTC, PretrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from anysize.core.errors import ConfigurationError
from anysize.modalities.sounds.settings import (
    AudioFacts,
    AudioOptions,
    AudioSettings,
    settings_for,
)
from anysize.models.acoustic import Convolutions, mels_left
from anysize.models.architectures import architecture_of
from anysize.models.conformer_layers import Band, Block
from anysize.models.ctc_vocabulary import BLANK, train_vocabulary, wrap_vocabulary
from anysize.models.frame_statistics import FrameStatistics
from anysize.models.given_options import defaults_of, read_options
from anysize.models.network import BuildRequest, Network
from anysize.models.vision import size_problems

PROVIDES = ("conformer-ctc-small",)

_TASK = "automatic-speech-recognition"
_SUBSAMPLING = 4
_SECONDS = 30
_SHARED = 4
_OWN = {"vocabulary": "characters", "vocabulary_size": 0}
_SIZES = {"characters": 8000, "subwords": 500}


@dataclass
class CTCOutput(ModelOutput):
    """Result of a model that gives logits for each step.

    Attributes:
        loss: mean CTC loss of a token, a scalar; present only when labels were given.
        logits: ``[n, steps, vocab_size]``.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None


class ConformerCTCConfig(PretrainedConfig):
    """Settings of :class:`ConformerForCTC`.

    Args:
        feature_size: numbers of a frame.
        vocab_size: tokens with the blank.
        channels: of the two stages of convolutions, each of which halves time and mels.
        hidden_size: width of the blocks.
        num_layers: blocks.
        num_heads: heads of attention.
        kernel: steps of the convolutions of the blocks, odd.
        attention_context: steps to either side that a step attends to; 0 is the whole window.
        dropout: probability with which a number is set to zero in training.
        **kwargs: what every transformers configuration has.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    model_type = "anysize_conformer_ctc"

    def __init__(
        self,
        feature_size: int = 64,
        vocab_size: int = 32,
        channels: Sequence[int] = (24, 32),
        hidden_size: int = 128,
        num_layers: int = 4,
        num_heads: int = 4,
        kernel: int = 15,
        attention_context: int = 16,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.feature_size = feature_size
        self.vocab_size = vocab_size
        self.channels = list(channels)
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.kernel = kernel
        self.attention_context = attention_context
        self.dropout = dropout
        self.subsampling = _SUBSAMPLING
        kwargs.setdefault("pad_token_id", BLANK)
        super().__init__(**kwargs)
        problems = self.problems()
        if problems:
            raise ConfigurationError(problems)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = size_problems("channels", self.channels)
        if not found and len(self.channels) != 2:
            found.append(f"channels must be two numbers, not {len(self.channels)}")
        found += [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name in ("feature_size", "hidden_size", "num_layers", "num_heads", "kernel")
            if not isinstance(value := getattr(self, name), int) or value < 1
        ]
        if found:
            return found
        if self.hidden_size % (2 * self.num_heads):
            found.append(
                f"hidden_size must be a multiple of twice num_heads ({2 * self.num_heads}), not "
                f"{self.hidden_size}"
            )
        if self.kernel % 2 == 0:
            found.append(f"kernel must be odd, not {self.kernel}")
        if not isinstance(self.attention_context, int) or self.attention_context < 0:
            found.append(
                "attention_context must be a whole number of at least 0, not "
                f"{self.attention_context!r}"
            )
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found

    @property
    def context_steps(self) -> int | None:
        """Steps to either side that a step's logits depend on; None where that is the window."""
        if not self.attention_context:
            return None
        # The convolutions reach 9 frames to either side (1 + 2 + 2 + 4), which are within 3 steps.
        return 3 + self.num_layers * (self.attention_context + self.kernel // 2)


class ConformerForCTC(FrameStatistics, PreTrainedModel):
    """Convolutions, conformer blocks, and a linear layer over the tokens.

    Attributes:
        stack: the list of layers that can be left out, see ``models.thinned``.
    """

    config_class = ConformerCTCConfig
    main_input_name = "input_features"
    input_modalities = "audio"
    stack = "blocks"

    def __init__(self, config: ConformerCTCConfig) -> None:
        super().__init__(config)
        self.add_statistics(config.feature_size)
        sizes, width = config.channels, config.hidden_size
        self.stages = Convolutions(sizes, len(sizes))
        self.entry = nn.Linear(sizes[-1] * mels_left(config.feature_size, len(sizes)), width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(width, config.num_heads, config.kernel, config.dropout)
            for _ in range(config.num_layers)
        )
        self.lm_head = nn.Linear(width, config.vocab_size)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> CTCOutput | tuple[Tensor, ...]:
        """Logits of windows of frames.

        Args:
            input_features: ``[n, length, feature_size]``, floating point.
            attention_mask: ``[n, length]``, 1 at frames, 0 at the padding behind them; all are
                frames where it is missing.
            labels: ``[n, most]`` token ids, -100 behind each; the mean loss of a token is returned
                as ``loss``.
            return_dict: false gives the fields that are set as a tuple.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_features[..., 0])
        mask = attention_mask.to(input_features.dtype)
        frames = self.normalized(input_features, mask)
        maps, mask = self.stages(frames, mask)
        # What the blocks add up stays in float32 where products are in bfloat16.
        states = self.dropout(self.entry(maps)).float()
        band = Band(
            mask, self.config.attention_context, self.config.hidden_size // self.config.num_heads
        )
        column = mask.unsqueeze(-1).to(states.dtype)
        for block in self.blocks:
            states = block(states, column, band)
        logits = self.lm_head(states)
        loss = None
        if labels is not None:
            lengths = (labels >= 0).sum(1)
            loss = functional.ctc_loss(
                logits.float().log_softmax(-1).transpose(0, 1),
                labels.clamp(min=0),
                mask.sum(1).long(),
                lengths,
                blank=self.config.pad_token_id,
            )
        output = CTCOutput(loss=loss, logits=logits)
        if return_dict is False:
            fields: tuple[Tensor, ...] = output.to_tuple()
            return fields
        return output

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Glorot and Bengio (2010) for linear layers, He et al. (2015) for convolutions."""
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Conv1d | nn.Conv2d):
            init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


def conformer(
    *,
    feature_size: int,
    vocab_size: int,
    channels: Sequence[int] = (24, 32),
    hidden_size: int = 128,
    num_layers: int = 4,
    num_heads: int = 4,
    kernel: int = 15,
    attention_context: int = 16,
    dropout: float = 0.1,
) -> ConformerForCTC:
    """Make a conformer with fresh weights, drawn from torch's global generator."""
    return ConformerForCTC(
        ConformerCTCConfig(
            feature_size=feature_size,
            vocab_size=vocab_size,
            channels=channels,
            hidden_size=hidden_size,
            num_layers=num_layers,
            num_heads=num_heads,
            kernel=kernel,
            attention_context=attention_context,
            dropout=dropout,
            num_labels=0,
        )
    )


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network, with a vocabulary that is learned from the transcripts of the data.

    Its options are those of `conformer`, and ``vocabulary`` (``characters`` or ``subwords``) with
    ``vocabulary_size``, its most tokens. Windows are 30 seconds long and share what the logits of a
    step depend on, or 4 seconds where that is the whole window.

    Raises:
        ConfigurationError: another task, no transcripts, or options that break their rules.
    """
    if request.task != _TASK:
        raise ConfigurationError(f"model {key!r} is for {_TASK}, not for {request.task}")
    options, problems = read_options(key, request.options, {**_OWN, **defaults_of(conformer)})
    kind = str(options.pop("vocabulary", _OWN["vocabulary"]))
    if kind not in _SIZES:
        problems.append(f"vocabulary must be one of {', '.join(_SIZES)}, not {kind!r}")
    if problems:
        raise ConfigurationError(problems)
    facts, wishes = request.known(AudioFacts), request.wished(AudioOptions)
    if facts.texts is None:
        raise ConfigurationError(
            f"model {key!r} learns its vocabulary from the training transcripts, and there are none"
        )
    size = int(options.pop("vocabulary_size", 0)) or _SIZES[kind]
    tokenizer = train_vocabulary(facts.texts(), kind, size)
    settings = settings_for(facts, wishes)
    module: PreTrainedModel = conformer(
        feature_size=settings.front.width, vocab_size=tokenizer.get_vocab_size(), **options
    )
    network = Network(
        module=module.eval(),
        spec=key,
        settings=_windows(settings, wishes, cast(ConformerCTCConfig, module.config)),
        tokenizer=tokenizer,
        hub_tokenizer=wrap_vocabulary(tokenizer),
        licence="Apache-2.0",
    )
    architecture_of(request.task).apply(network)
    return network


def _windows(
    settings: AudioSettings, wishes: AudioOptions, config: ConformerCTCConfig
) -> AudioSettings:
    """Settings with the windows of this family where none were asked for."""
    rate = settings.sample_rate
    window = settings.window if wishes.window is not None else _SECONDS * rate
    if wishes.overlap is not None:
        return dataclasses.replace(settings, window=window)
    steps = config.context_steps
    shared = _SHARED * rate if steps is None else 2 * steps * _SUBSAMPLING * settings.front.hop
    if shared > window // 2:
        shared = window // 4  # not exact, and the receipt says so
    return dataclasses.replace(settings, window=window, overlap=shared)


AutoConfig.register(ConformerCTCConfig.model_type, ConformerCTCConfig, exist_ok=True)
AutoModelForCTC.register(ConformerCTCConfig, ConformerForCTC, exist_ok=True)
