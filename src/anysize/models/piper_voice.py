"""Voices of Piper: VITS as an ONNX file, with a configuration beside it; for prediction alone.

Piper (https://github.com/rhasspy/piper) made the format; nothing of its code is used. The graph
runs in ONNX Runtime, with noise that is made here (``models.piper_graph``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PretrainedConfig, PreTrainedModel

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.core.examples import Example
from anysize.modalities.texts.settings import TextSettings
from anysize.models.bundle import Card
from anysize.models.execution import Tensors
from anysize.models.network import Network
from anysize.models.onnx.graph import digest
from anysize.models.onnx.session import open_session
from anysize.models.piper_graph import NOISE, seeded
from anysize.models.piper_settings import PiperSettings, read_settings, settings_beside
from anysize.models.speaking import OUTPUTS, SpeakingExecution
from anysize.synthesis.phonemes import CharacterReader, EspeakReader, Reader

TASK = "text-to-speech"

WINDOW = 768
"""Ids of the longest utterance, half of which are pads."""

# Numbers of noise that a frame of the sound takes, and frames that a phoneme has mostly at most.
_CHANNELS, _FRAMES, _MOST_NOISE = 192, 8, 1 << 21
# Ids of an utterance whose memory is kept for the next one. Memory that is given back is zeroed by
# the system when it is wanted again, which takes a tenth of the time of a sentence.
_ORDINARY = WINDOW // 2
_INPUTS = {"input", "input_lengths", "scales"}


class PiperConfig(PretrainedConfig):
    """What identifies a voice: its file's digest."""

    model_type = "anysize_piper_voice"

    def __init__(self, digest: str = "", vocab_size: int = 256, **kwargs: Any) -> None:
        self.digest = digest
        self.vocab_size = vocab_size
        super().__init__(**kwargs)


class PiperVoice(PreTrainedModel):
    """Looks like a model of transformers to whoever runs it; see ``models.speaking.Voice``.

    Args:
        config: for its identity.
        path: of the ONNX file.
        settings: what its configuration says.

    Attributes:
        files: what the voice is, the graph first; its weights may be stored in fewer bits.
    """

    config_class = PiperConfig
    main_input_name = "input_ids"
    own_runtime = True
    """Nothing else can run it: it is not made of torch's layers."""
    runs_in = "ONNX Runtime"
    """What plans call the runtime that is its own."""

    def __init__(self, config: PiperConfig, path: Path, settings: PiperSettings) -> None:
        super().__init__(config)
        self._path, self.settings = path, settings
        self.files = (path, settings_beside(path))
        self.sample_rate = settings.sample_rate
        self.speakers = settings.speakers
        self.language = settings.language

    def make_reader(self) -> Reader:
        """What makes ids of sentences; made when the first is read."""
        return self._reader

    @cached_property
    def _reader(self) -> Reader:
        settings = self.settings
        if settings.characters:
            return CharacterReader(settings.ids)
        return EspeakReader(settings.language, settings.ids)

    @cached_property
    def _session(self) -> Any:
        try:
            session = open_session(
                seeded(self._path), torch.get_num_threads(), origin=str(self._path), varying=True
            )
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "onnx") from error
        names = {each.name for each in session.get_inputs()}
        if not names >= _INPUTS or not names <= {*_INPUTS, NOISE, "sid"}:
            raise BundleError(
                str(self._path),
                f"is not a Piper voice: its inputs must be {', '.join(sorted(_INPUTS))}, not "
                f"{', '.join(sorted(names))}",
            )
        return session

    def execution(self) -> SpeakingExecution:
        """See ``models.execution.make_execution``."""
        return SpeakingExecution(self)

    def forward(self, examples: Sequence[Example]) -> Tensors:
        """See ``SpeakingExecution``."""
        return self.execution()(examples)

    def speak(
        self, ids: NDArray[np.int64], *, speed: float, speaker: int, noise: float, seed: int
    ) -> NDArray[np.float32]:
        """See ``models.speaking.Voice``."""
        settings = self.settings
        scales = [noise * settings.noise, settings.length / speed, noise * settings.noise_w]
        given: dict[str, NDArray[Any]] = {
            "input": ids[None],
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        names = {each.name for each in self._session.get_inputs()}
        if NOISE in names:
            count = min(int(_CHANNELS * _FRAMES * len(ids) * max(1.0, 1 / speed)), _MOST_NOISE)
            drawn = np.random.default_rng(seed).standard_normal(count, dtype=np.float32)
            given[NOISE] = drawn if noise else np.zeros(1, np.float32)
        if "sid" in names:
            given["sid"] = np.array([speaker], np.int64)
        options = _giving_back() if len(ids) > _ORDINARY else None
        (waveform, *_) = self._session.run(None, given, options)
        found: NDArray[np.float32] = np.asarray(waveform, np.float32).reshape(-1)
        return found


def open_voice(path: Path, task: str | None = None) -> tuple[Network, Card]:
    """A voice and its card.

    Args:
        path: of the ONNX file; its configuration lies beside it.
        task: None, or text-to-speech.

    Raises:
        BundleError: the file or its configuration is missing or cannot be used.
        ConfigurationError: another task.
        MissingExtraError: onnx, onnxruntime or espeakng-loader is not installed.
    """
    if task not in (None, TASK):
        raise ConfigurationError(f"task must be {TASK!r} for {path}, not {task!r}")
    if not path.is_file():
        raise BundleError(str(path), "does not exist")
    settings = read_settings(settings_beside(path))
    config = PiperConfig(digest=digest(path), vocab_size=settings.vocabulary)
    network = Network(
        module=PiperVoice(config, path, settings), spec=str(path),
        settings=TextSettings(window=WINDOW), outputs=OUTPUTS, licence=settings.licence,
    )  # fmt: skip
    card = Card(
        task=TASK, labels=(), model=str(path), settings=network.settings, licence=settings.licence
    )
    return network, card


def _giving_back() -> Any:
    """Gives memory back after the run."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options
