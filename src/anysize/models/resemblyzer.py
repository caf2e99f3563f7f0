"""Resemblyzer's embedder of voices, with the weights that its wheel carries.

Three recurrent layers of 256 units over 40 energies on the mel scale, 1.6 seconds at a time, and a
linear layer; trained by Resemble AI on some thousand speakers with the end-to-end loss of Wan et
al. 2018, "Generalized end-to-end loss for speaker verification". A longer recording is the mean of
such windows, which start every 0.77 seconds, as its authors do it. Their last window is filled up
with silence or left out; here it is shifted back, so that all of the recording is read.

The wheel's file is a pickle. It is neither unpickled nor is any of the package's code run: the
file is known by its digest, so the places of the tensors in it are known too, and their numbers are
read from there.
"""

from __future__ import annotations

import hashlib
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.modalities.sounds.settings import AudioOptions, AudioSettings
from anysize.models.bundle import Card
from anysize.models.classifier import class_entries
from anysize.models.embedding import EmbeddingOutput
from anysize.models.first_weights import recurrent
from anysize.models.given_options import read_options
from anysize.models.margin import MarginHead
from anysize.models.network import BuildRequest, Network
from anysize.models.voices import (
    TASK,
    SpeakerConfig,
    SpeakerModel,
    check_task,
    register,
    wrapped,
)

PROVIDES = ("resemblyzer",)
READY = "speaker-recognition"
PRETRAINED = True

INSTALL = "pip install --no-deps Resemblyzer==0.1.4"
PACKAGE = "resemblyzer"
SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
# By the wheel's own metadata; the file was published with it.
_LICENCE = "Apache-2.0"
_FILE = "pretrained.pt"
_RATE, _HOP, _MELS = 16_000, 160, 40
WINDOW, STEP = 160, 77
"""Frames of a window, and from the beginning of one to that of the next."""
_SIZE = 256
_LOUDNESS = -30.0
STRANGERS = 0.42
"""Usual cosine of windows of two speakers of librispeech_other100; no number is below zero."""
# Where the numbers of each tensor begin in the file, and its shape: float32, little-endian.
_TENSORS: dict[str, tuple[int, tuple[int, ...]]] = {
    "lstm.weight_ih_l0": (269_883, (1024, 40)),
    "lstm.weight_hh_l0": (433_723, (1024, 256)),
    "lstm.weight_ih_l1": (1_482_299, (1024, 256)),
    "lstm.weight_hh_l1": (2_530_875, (1024, 256)),
    "lstm.weight_ih_l2": (3_579_451, (1024, 256)),
    "lstm.weight_hh_l2": (4_628_027, (1024, 256)),
    "lstm.bias_ih_l0": (5_676_603, (1024,)),
    "lstm.bias_hh_l0": (5_680_699, (1024,)),
    "lstm.bias_ih_l1": (5_684_795, (1024,)),
    "lstm.bias_hh_l1": (5_688_891, (1024,)),
    "lstm.bias_ih_l2": (5_692_987, (1024,)),
    "lstm.bias_hh_l2": (5_697_083, (1024,)),
    "linear.weight": (7_731, (256, 256)),
    "linear.bias": (6_699, (256,)),
}


class ResemblyzerConfig(SpeakerConfig):
    """Configuration of :class:`ResemblyzerSpeakerModel`.

    Args:
        hidden_size: units of each recurrent layer.
        least: frames that a window should have; shorter recordings are followed by silence.
        **kwargs: see :class:`SpeakerConfig`.
    """

    model_type = "anysize_resemblyzer"

    def __init__(
        self,
        hidden_size: int = _SIZE,
        least: int = WINDOW,
        feature_size: int = _MELS,
        width: int = _SIZE,
        strangers: float = STRANGERS,
        **kwargs: Any,
    ) -> None:
        self.hidden_size = hidden_size
        self.least = least
        super().__init__(feature_size=feature_size, width=width, strangers=strangers, **kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        return super().problems() + [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name in ("hidden_size", "least")
            if not isinstance(value := getattr(self, name), int) or value < 1
        ]


class ResemblyzerSpeakerModel(SpeakerModel):
    """Recurrent layers, of whose last state a linear layer gives the vector, none below zero."""

    config_class = ResemblyzerConfig

    def __init__(self, config: ResemblyzerConfig) -> None:
        super().__init__(config)
        self.lstm = nn.LSTM(config.feature_size, config.hidden_size, num_layers=3, batch_first=True)
        self.linear = nn.Linear(config.hidden_size, config.width)
        self.add_head()

    def embed(self, frames: Tensor, mask: Tensor) -> EmbeddingOutput:
        """See `SpeakerModel.embed`."""
        states, _ = self.lstm(frames)
        last = mask.sum(1).long().clamp(min=1) - 1
        places = last[:, None, None].expand(-1, 1, states.shape[2])
        raw = functional.relu(self.linear(states.gather(1, places)[:, 0]))
        return EmbeddingOutput(embeddings=functional.normalize(raw, dim=1))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.LSTM):
            recurrent(module)
        elif isinstance(module, nn.Linear):
            init.xavier_normal_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, MarginHead):
            init.normal_(module.centres, std=0.01)


class MissingWheelError(MissingExtraError):
    """The wheel with the weights is not installed; what it depends on is not needed."""

    def __init__(self) -> None:
        super().__init__("Resemblyzer", "pretrained")
        self.args = (f"the weights of Resemblyzer are not installed: {INSTALL}",)

    def __reduce__(self) -> tuple[type[MissingWheelError], tuple[()]]:  # type: ignore[override]
        return type(self), ()


def weights_file() -> Path:
    """The file of weights inside the installed wheel, which is found and not imported.

    Raises:
        MissingWheelError: it is not installed.
        BundleError: it is installed without its weights.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingWheelError
    path = Path(spec.origin).parent / _FILE
    if not path.is_file():
        raise BundleError(str(path), f"is missing; install it again: {INSTALL}")
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """The file's tensors, read from their places; nothing is unpickled.

    Raises:
        BundleError: it is another file than that of version 0.1.4.
    """
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
                raise BundleError(
                    str(path), f"is not the file of version 0.1.4; install that: {INSTALL}"
                )
            found = {}
            for name, (start, shape) in _TENSORS.items():
                file.seek(start)
                numbers = np.frombuffer(file.read(4 * math.prod(shape)), "<f4")
                found[name] = torch.from_numpy(numbers.reshape(shape).copy())
            return found
    except OSError as error:
        raise BundleError(str(path), f"cannot be read: {error.strerror}") from error


def pretrained(speakers: tuple[str, ...], margin: float, scale: float) -> ResemblyzerSpeakerModel:
    """The net with its weights, and fresh centres for speakers to be learned.

    Raises:
        MissingWheelError, BundleError: see `weights_file` and `read_weights`.
    """
    weights = read_weights(weights_file())
    module = ResemblyzerSpeakerModel(
        ResemblyzerConfig(margin=margin, scale=scale, **class_entries(speakers))
    )
    module.load_state_dict({**weights, "head.centres": module.head.centres.detach()})
    # What transformers notes of weights that it has loaded itself.
    module.name_or_path = PROVIDES[0]
    return module


def build(key: str, request: BuildRequest) -> Network:
    """The pretrained net with centres for the request's speakers, to be trained further.

    Raises:
        ConfigurationError: another task, an option that it does not have, or a wish for other
            frames than it reads.
        MissingWheelError: the wheel that carries the weights is not installed.
    """
    check_task(key, request)
    options, problems = read_options(key, request.options, {"margin": 0.2, "scale": 30.0})
    wishes = request.wished(AudioOptions)
    fixed = {"sample_rate": _RATE, "spectrum": "mel", "mels": _MELS}
    problems += [
        f"{name} must be {wanted!r}, which {key} reads, not {given!r}"
        for name, wanted in fixed.items()
        if (given := getattr(wishes, name)) not in (None, wanted)
    ]
    if problems:
        raise ConfigurationError(problems)
    module = pretrained(request.labels, options.get("margin", 0.2), options.get("scale", 30.0))
    return wrapped(module, key, settings(wishes), _LICENCE)


def ready(key: str) -> tuple[Network, Card]:
    """The pretrained net as it is.

    Raises:
        MissingWheelError: the wheel that carries the weights is not installed.
    """
    network = wrapped(pretrained((), 0.2, 30.0), key, settings(AudioOptions()), _LICENCE)
    card = Card(task=TASK, labels=(), model=key, settings=network.settings, licence=_LICENCE)
    return network, card


def settings(wishes: AudioOptions) -> AudioSettings:
    """What the net was trained on, with other windows where they are asked for."""
    return AudioSettings(
        sample_rate=_RATE,
        spectrum="mel",
        mels=_MELS,
        window=wishes.window or WINDOW * _HOP,
        overlap=(WINDOW - STEP) * _HOP if wishes.overlap is None else wishes.overlap,
        tolerant=bool(wishes.tolerant),
        loudness=_LOUDNESS,
        silence=WINDOW * _HOP,
    )


register(ResemblyzerConfig, ResemblyzerSpeakerModel)
