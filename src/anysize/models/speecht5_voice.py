"""SpeechT5 in the Hugging Face layout (Ao et al. 2022, arXiv:2110.07205): letters to sound.

The model writes frames of a spectrum, some at a time, until it says that it is done; a vocoder
(HiFi-GAN; Kong et al. 2020, arXiv:2010.05646) makes samples of them. Whose voice it is, an x-vector
says. transformers' own ``generate_speech`` is what runs. The dropout of its decoder's prenet is on
in prediction too, as the model was trained; it is drawn from the seed of what is said.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.examples import Example
from anysize.modalities.texts.settings import TextSettings
from anysize.models.execution import Tensors
from anysize.models.network import Network
from anysize.models.opening.errors import loading, sentence
from anysize.models.opening.limits import check_configuration, stored_tensors
from anysize.models.opening.weights import Stored, read_weights
from anysize.models.speaking import ENDLESS, OUTPUTS, SpeakingExecution, Wishes
from anysize.synthesis.phonemes import NOTHING, Said

KIND = "speecht5"

VOCODERS = ("vocoder", "../speecht5_hifigan")
"""Where a vocoder is looked for, from the model's folder."""
SPEAKERS = ("speaker.npy", "speaker.safetensors")
"""Where an x-vector is looked for, in the model's folder."""

# What it is called by transformers, and on the hub.
_HIFI_GAN = ("speecht5_hifigan", "hifigan")
# Frames for each symbol, at most, as transformers has it.
_LONGEST = 20
_LARGEST = 1 << 20
_USUAL_RATE = 16_000
_log = logging.getLogger("anysize")


class SpeechT5Reader:
    """Sentences as the ids of a ``SpeechT5Tokenizer``; what it does not know is counted.

    Args:
        tokenizer: transformers'.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known = {*tokenizer.get_vocab(), " "}

    def said(self, sentence: str, *, whole: bool = True) -> Said:
        """See ``synthesis.phonemes.Reader``."""
        text = unicodedata.normalize("NFKC", " ".join(sentence.split()))
        if self._tokenizer.normalize:  # numbers in words of English
            text = self._tokenizer.normalizer(text)
        unread = Counter(
            each
            for each in text
            if each not in self._known and unicodedata.category(each)[0] not in "PZCM"
        )
        plain = "".join(each for each in text if each in self._known).strip()
        if not any(each.isalnum() for each in plain):
            return Said(ids=NOTHING, unread=dict(unread))
        ids = np.asarray(self._tokenizer(plain)["input_ids"], np.int32)
        return Said(ids=ids, phonemes=plain, unread=dict(unread))


class SpeechT5Voice:
    """A ``SpeechT5ForTextToSpeech``; see ``models.speaking.Asking``.

    Args:
        module: the model.
        spec: where it comes from.
    """

    def __init__(self, module: Any, spec: str) -> None:
        self._module, self._spec = module, spec
        self._vocoders: list[tuple[Path, Any]] = []
        self._endless = False

    def asked(self, wishes: Wishes) -> Mapping[str, NDArray[Any]]:
        """What the examples of a prediction carry: the speaker, and which vocoder.

        Raises:
            ConfigurationError: there is no vocoder or no speaker, or the voice cannot do what is
                asked.
            BundleError: a file of them cannot be used.
        """
        problems = [
            f"{name} must be 1 for SpeechT5, not {value:g}: {why}"
            for name, value, why in (
                ("speed", wishes.speed, "it decides itself how fast it speaks"),
                ("variation", wishes.variation, "its dropout is as it was trained; use --take"),
            )
            if value != 1
        ]
        folder = Path(self._spec)
        vocoder = _place(wishes.vocoder, folder, VOCODERS)
        if vocoder is None:
            problems.append(
                f"{self._spec} makes frames of a spectrum and needs a vocoder: give --vocoder "
                f"FOLDER with a SpeechT5HifiGan, or put it at {folder / VOCODERS[0]}"
            )
        speaker = _place(wishes.speaker, folder, SPEAKERS)
        if speaker is None or speaker.suffix not in (".npy", ".safetensors"):
            size = int(self._module.config.speaker_embedding_dim)
            problems.append(
                f"{self._spec} wants to know whose voice it is: give --speaker FILE (.npy or "
                f".safetensors) with an x-vector of {size} numbers, or put it at "
                f"{folder / SPEAKERS[0]}"
            )
        if problems:
            raise ConfigurationError(problems)
        assert vocoder is not None
        assert speaker is not None
        vector = read_speaker(speaker, int(self._module.config.speaker_embedding_dim))
        number = self._number(vocoder)
        self._module.sample_rate = int(self._vocoders[number][1].config.sampling_rate)
        self._endless = False  # named once in each prediction
        return {"speaker_vector": vector, "vocoder": np.array(number)}

    def spoken(self, example: Example) -> tuple[NDArray[np.float32], bool]:
        """The samples of an example, ``[n]``, and whether it had no end and was stopped.

        An example of a probe is spoken by a speaker of zeros.
        """
        arrays, module = example.arrays, self._module
        vector = arrays.get("speaker_vector")
        if vector is None:
            vector = np.zeros(int(module.config.speaker_embedding_dim), np.float32)
        ids = torch.from_numpy(arrays["input_ids"].astype(np.int64))[None].to(module.device)
        number = int(arrays["vocoder"]) if "vocoder" in arrays else len(self._vocoders) - 1
        devices = [module.device] if module.device.type == "cuda" else []
        # transformers draws from torch's own generator, whose state is the caller's.
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(int(arrays["seed"]) if "seed" in arrays else 0)
            frames = module.generate_speech(
                ids,
                torch.from_numpy(vector)[None].to(module.device),
                attention_mask=torch.ones_like(ids),
                maxlenratio=float(_LONGEST),
            )
            endless = self._endless_at(frames.shape[0], ids.shape[1])
            if endless and "seed" in arrays:
                self._note_endless(frames.shape[0], ids.shape[1])
            if number < 0:
                return np.zeros(0, np.float32), endless
            samples = self._vocoders[number][1].to(module.device)(frames)
        found: NDArray[np.float32] = samples.float().cpu().numpy()
        return found, endless

    def _endless_at(self, frames: int, symbols: int) -> bool:
        """Whether an utterance has as many frames as it may, because no end was found."""
        factor = int(self._module.config.reduction_factor)
        return frames >= symbols * _LONGEST // factor * factor

    def _note_endless(self, frames: int, symbols: int) -> None:
        if self._endless:
            return
        self._endless = True
        _log.warning(
            "%s found no end of an utterance of %d symbols and was stopped after %d frames "
            "(others like it are not named again): listen to it, or try --take 1",
            self._spec, symbols, frames,
        )  # fmt: skip

    def _number(self, folder: Path) -> int:
        folder = folder.resolve()
        for number, (known, _) in enumerate(self._vocoders):
            if known == folder:
                return number
        mels = int(self._module.config.num_mel_bins)
        self._vocoders.append((folder, read_vocoder(folder, mels)))
        return len(self._vocoders) - 1


class SpeechT5Execution(SpeakingExecution):
    """One utterance after the other, each with what its example carries.

    Args:
        voice: the module.
    """

    def __init__(self, voice: SpeechT5Voice) -> None:
        self._own = voice
        self._endless: list[bool] = []  # of each example of the batch

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        self._endless = []
        outputs = super().__call__(examples)
        return {**outputs, ENDLESS: torch.tensor(self._endless)}

    def _spoken(self, example: Example) -> NDArray[np.float32]:
        samples, endless = self._own.spoken(example)
        self._endless.append(endless)
        return samples


def _place(given: str | None, folder: Path, usual: tuple[str, ...]) -> Path | None:
    """What was given, else what lies at one of the usual places; None where nothing does."""
    if given is not None:
        return Path(given)
    return next((folder / each for each in usual if (folder / each).exists()), None)


def read_speaker(path: Path, size: int) -> NDArray[np.float32]:
    """An x-vector ``[size]`` of a ``.npy`` or ``.safetensors`` file with one array.

    Raises:
        BundleError: the file is missing, too large, not of these kinds, or holds something else.
    """
    if not path.is_file():
        raise BundleError(str(path), "does not exist: --speaker must name the file of an x-vector")
    if path.stat().st_size > _LARGEST:
        raise BundleError(str(path), f"is larger than {_LARGEST >> 20} MiB: it is no x-vector")
    try:
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            from safetensors.numpy import load_file

            tensors = load_file(path)
            if len(tensors) != 1:
                raise BundleError(
                    str(path), f"must hold one tensor, an x-vector, and holds {len(tensors)}"
                )
            (found,) = tensors.values()
        vector = np.asarray(found, np.float32).reshape(-1)
    except BundleError:
        raise
    except Exception as error:  # safetensors and NumPy have errors of their own
        raise BundleError(str(path), f"is no file of an x-vector: {sentence(error)}") from error
    if len(vector) != size or not np.isfinite(vector).all():
        raise BundleError(
            str(path), f"must hold {size} finite numbers, an x-vector, and holds {len(vector)}"
        )
    return vector


def read_vocoder(folder: Path, mels: int) -> Any:
    """A ``SpeechT5HifiGan`` of a folder.

    Args:
        folder: in the Hugging Face layout, with weights as safetensors.
        mels: numbers of a frame that the model writes.

    Raises:
        BundleError: it is none, or for other frames.
    """
    from transformers import PretrainedConfig, SpeechT5HifiGan, SpeechT5HifiGanConfig

    spec = str(folder)
    if not (folder / "config.json").is_file():
        raise BundleError(spec, "is no folder of a vocoder: it has no config.json")
    with loading(spec):
        entries, _ = PretrainedConfig.get_config_dict(spec)
        kind = entries.get("model_type")
        if kind not in _HIFI_GAN:
            raise BundleError(spec, f"must be a SpeechT5HifiGan, and its model_type is {kind!r}")
        shapes = stored_tensors(folder)
        if shapes is None:
            raise BundleError(spec, "has no weights as safetensors (model.safetensors)")
        check_configuration(spec, entries, len(shapes))
        config = SpeechT5HifiGanConfig.from_dict(entries)
        if config.model_in_dim != mels:
            raise BundleError(
                spec, f"is for frames of {config.model_in_dim} numbers, and the voice has {mels}"
            )
        # read_weights asks an Auto class which class it is; there is none of vocoders.
        head = SimpleNamespace(
            _model_mapping={SpeechT5HifiGanConfig: SpeechT5HifiGan}, __name__="SpeechT5HifiGan"
        )
        stored = Stored(spec=spec, altered={}, shapes=shapes, ours=False)
        module, _ = read_weights(stored, head, config, new_head=False)
        module.eval()
    return module


def give_voice(network: Network) -> None:
    """Makes a network of SpeechT5 that was just opened speak; changes it.

    Raises:
        BundleError: it has no tokenizer.
    """
    module: Any = network.module
    tokenizer: Any = network.hub_tokenizer
    if tokenizer is None or not hasattr(tokenizer, "normalizer"):
        raise BundleError(network.spec, "has no tokenizer of SpeechT5 (spm_char.model)")
    voice, reader = SpeechT5Voice(module, network.spec), SpeechT5Reader(tokenizer)
    config = module.config
    module.make_reader = lambda: reader
    module.language = ""
    module.asked = voice.asked
    module.execution = lambda: SpeechT5Execution(voice)
    module.speakers = ()
    module.sample_rate = _USUAL_RATE  # until a vocoder is asked for
    module.own_runtime = True
    network.outputs = (*OUTPUTS, ENDLESS)
    # Both sides have so many positions, and the other one has as many frames as it may take.
    steps = int(config.max_speech_positions) * int(config.reduction_factor) // _LONGEST
    window = min(network.reads(TextSettings).window, int(config.max_text_positions), steps)
    network.settings = TextSettings(window=window)
