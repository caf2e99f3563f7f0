"""A small acoustic model that speaks: phonemes in, durations and frames of a spectrum out.

An encoder of convolutions gives each phoneme a mean spectrum; the frames of a recording are aligned
to these (``synthesis.alignment``), as Glow-TTS has it, so that durations need no other model. The
states of the phonemes, repeated by their durations, go through a decoder of convolutions
(FastSpeech; Ren et al. 2019, arXiv:1905.09263). Frames become samples by Griffin and Lim.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoConfig,
    AutoModelForTextToWaveform,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers import initialization as init

from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextOptions, TextSettings
from anysize.models.classifier import class_entries
from anysize.models.given_options import read_options
from anysize.models.network import BuildRequest, Network
from anysize.models.speaking import OUTPUTS
from anysize.models.speech_layers import Convolutions, mask_of, places
from anysize.models.speech_learning import SpeechExecution
from anysize.readers.spectra.front import FrontEnd, log_mel
from anysize.synthesis.griffin_lim import samples_of
from anysize.synthesis.phonemes import END, PAD, START, CharacterReader, EspeakReader, Reader
from anysize.synthesis.vocabulary import SpeechFacts, symbols

PROVIDES = ("speech-small",)

_TASK = "text-to-speech"
_WINDOW = 512
_OPTIONS: dict[str, Any] = {
    "hidden_size": 160, "encoder_layers": 3, "decoder_layers": 5, "mels": 64, "dropout": 0.1,
    "reading": "espeak", "language": "en-us", "sample_rate": 0,
}  # fmt: skip


class SpeechSmallConfig(PretrainedConfig):
    """Settings of :class:`SpeechSmall`.

    Args:
        symbols: phonemes or characters; the place of each is its id.
        reading: ``espeak`` for phonemes, ``characters``.
        language: espeak-ng's voice.
        sample_rate: samples a second.
        mels: numbers of a frame.
        hidden_size: width of all layers.
        encoder_layers, decoder_layers: how many.
        dropout: probability with which a feature is set to zero in training.
        window: symbols that are spoken at once, at most.
        **kwargs: what every configuration has.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    model_type = "anysize_speech_small"

    def __init__(
        self,
        symbols: Sequence[str] = (PAD, START, END, " "),
        reading: str = "espeak",
        language: str = "en-us",
        sample_rate: int = 16_000,
        mels: int = 64,
        hidden_size: int = 160,
        encoder_layers: int = 3,
        decoder_layers: int = 5,
        dropout: float = 0.1,
        window: int = 512,
        **kwargs: Any,
    ) -> None:
        self.window = window
        self.symbols = list(symbols)
        self.vocab_size = len(self.symbols)
        self.reading, self.language = reading, language
        self.sample_rate, self.mels, self.hidden_size = sample_rate, mels, hidden_size
        self.encoder_layers, self.decoder_layers = encoder_layers, decoder_layers
        self.dropout = dropout
        super().__init__(**kwargs)
        if problems := self.problems():
            raise ConfigurationError(problems)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        bounds = {
            "sample_rate": (4_000, 48_000), "mels": (8, 256), "hidden_size": (4, 2048),
            "encoder_layers": (1, 64), "decoder_layers": (1, 64),
        }  # fmt: skip
        found = [
            f"{name} must be a whole number from {low} to {high}, not {value!r}"
            for name, (low, high) in bounds.items()
            if type(value := getattr(self, name)) is not int or not low <= value <= high
        ]
        if self.reading not in ("espeak", "characters"):
            found.append(f"reading must be espeak or characters, not {self.reading!r}")
        if not 0 <= self.dropout < 1:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class SpeechSmall(PreTrainedModel):
    """See the module, and ``models.speaking.Voice``."""

    config_class = SpeechSmallConfig
    main_input_name = "input_ids"
    own_runtime = True
    """Its durations decide how much it calculates: no graph of it has one shape."""
    rewritable = True
    """Its weights may be stored in fewer bits."""
    starts_from_data = True
    speakers: tuple[str, ...] = ()
    mean: Tensor
    scale: Tensor

    def __init__(self, config: SpeechSmallConfig) -> None:
        super().__init__(config)
        size = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, size)
        self.encoder = Convolutions(size, config.encoder_layers, config.dropout)
        self.prior = nn.Linear(size, config.mels)
        self.durations = Convolutions(size, 2, config.dropout)
        self.duration = nn.Linear(size, 1)
        self.places = nn.Linear(3, size)
        self.decoder = Convolutions(size, config.decoder_layers, config.dropout)
        self.output = nn.Linear(size, config.mels)
        self.register_buffer("mean", torch.zeros(config.mels))
        self.register_buffer("scale", torch.ones(config.mels))
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return int(self.config.sample_rate)

    @cached_property
    def front(self) -> FrontEnd:
        """What makes frames of recordings."""
        return log_mel(self.config.sample_rate, self.config.mels)

    @property
    def language(self) -> str:
        """See ``models.speaking.Speaker``."""
        found: str = self.config.language
        return found

    def make_reader(self) -> Reader:
        """What makes ids of sentences."""
        ids = {symbol: [place] for place, symbol in enumerate(self.config.symbols)}
        if self.config.reading == "characters":
            return CharacterReader(ids, padded=False)
        return EspeakReader(self.config.language, ids, padded=False)

    def execution(self) -> SpeechExecution:
        """See ``models.execution.make_execution``."""
        return SpeechExecution(self)

    @torch.no_grad()
    def start_from(self, mean: Any, variance: Any, _count: int) -> None:
        """Sets what frames are like: the mean and the variance of each of their numbers."""
        self.mean.copy_(torch.as_tensor(mean, dtype=torch.float32))
        deviation = torch.as_tensor(variance, dtype=torch.float32).sqrt()
        self.scale.copy_(deviation.clamp_min(1e-3))

    def encoded(self, input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States, mean spectra ``[n, length, mels]`` and logarithms of durations ``[n, length]``.

        Args:
            input_ids: ``[n, length]``.
            mask: ``[n, length, 1]``.
        """
        states = self.encoder(self.embeddings(input_ids) * mask, mask)
        # The error of durations is not to change what the phonemes are.
        logarithms = self.duration(self.durations(states.detach(), mask)).squeeze(-1)
        return states, self.prior(states), logarithms

    def decoded(self, states: Sequence[Tensor], counts: Sequence[Tensor]) -> list[Tensor]:
        """Frames, normalised, ``[frames, mels]`` each.

        Args:
            states: of the phonemes of each window, ``[length, hidden]``.
            counts: frames of each phoneme.
        """
        rows = [
            state.repeat_interleave(count, 0) + self.places(places(count))
            for state, count in zip(states, counts, strict=True)
        ]
        lengths = [len(row) for row in rows]
        mask = mask_of(lengths, rows[0].device)
        frames = self.output(self.decoder(pad_sequence(rows, batch_first=True), mask))
        return [row[:length] for row, length in zip(frames, lengths, strict=True)]

    def forward(self, input_ids: Tensor, counts: Tensor | None = None) -> Tensor:
        """Frames of one sequence, as the front end makes them, ``[frames, mels]``.

        Args:
            input_ids: ``[length]``.
            counts: frames of each phoneme; None takes those that it expects.
        """
        mask = torch.ones(1, len(input_ids), 1, device=input_ids.device)
        states, _, logarithms = self.encoded(input_ids[None], mask)
        if counts is None:
            counts = logarithms[0].exp().round().long().clamp(1, _WINDOW)
        return self.decoded([states[0]], [counts])[0] * self.scale + self.mean

    def speak(
        self, ids: NDArray[np.int64], *, speed: float, speaker: int, noise: float, seed: int
    ) -> NDArray[np.float32]:
        """See ``models.speaking.Voice``; it has no noise of its own but that of first phases."""
        with torch.inference_mode():
            given = torch.from_numpy(ids).to(self.mean.device)
            mask = torch.ones(1, len(given), 1, device=given.device)
            logarithms = self.encoded(given[None], mask)[2][0]
            counts = (logarithms.exp() / speed).round().long().clamp(1, _WINDOW)
            frames = self(given, counts).float().cpu().numpy()
        return samples_of(frames, self.front, seed=seed)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Embedding):
            init.normal_(module.weight, std=0.02 if isinstance(module, nn.Linear) else 0.05)
        if isinstance(module, nn.Linear | nn.Conv1d) and module.bias is not None:
            init.zeros_(module.bias)


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network, with the symbols of the training texts.

    Raises:
        ConfigurationError: another task, or an option that the family does not have.
    """
    values, problems = read_options(key, request.options, _OPTIONS)
    if request.task != _TASK:
        problems.append(f"model {key!r} is for {_TASK}, not for {request.task}")
    if problems:
        raise ConfigurationError(problems)
    values = {**_OPTIONS, **values}
    facts = request.known(SpeechFacts)
    values["sample_rate"] = values["sample_rate"] or facts.sample_rate
    known = symbols(facts.texts, values["reading"], values["language"])
    window = request.wished(TextOptions).window or _WINDOW
    config = SpeechSmallConfig(symbols=known, window=window, **values, **class_entries(()))
    module = SpeechSmall(config)
    module.eval()  # type: ignore[no-untyped-call]
    return Network(
        module=module, spec=key, settings=TextSettings(window=window),
        licence="Apache-2.0", outputs=OUTPUTS,
    )  # fmt: skip


AutoConfig.register(SpeechSmallConfig.model_type, SpeechSmallConfig)
AutoModelForTextToWaveform.register(SpeechSmallConfig, SpeechSmall)
