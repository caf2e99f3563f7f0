"""Voices in the Hugging Face layout: VITS (MMS-TTS too) as transformers has it, and SpeechT5."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models import speecht5_voice
from anysize.models.network import Network
from anysize.models.speaking import OUTPUTS, SpeakingExecution
from anysize.synthesis.clauses import clauses
from anysize.synthesis.espeak import Espeak
from anysize.synthesis.phonemes import NOTHING, Reader, Said
from anysize.synthesis.rewriting import spoken

_KINDS = ("vits",)
# What transformers' tokenizer makes phonemes of is English.
_LANGUAGE = "en-us"


class _Tokenizer(Protocol):
    """What of ``VitsTokenizer`` is used."""

    is_uroman: bool
    phonemize: bool
    normalize: bool
    unk_token_id: int | None

    def get_vocab(self) -> dict[str, int]: ...

    def __call__(self, text: str) -> Any: ...


class HubReader:
    """Sentences as the ids of a ``VitsTokenizer``; what it would drop is counted.

    Phonemes, where it wants some, are made here by espeak-ng, without the package phonemizer.

    Args:
        tokenizer: transformers'.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer: _Tokenizer = tokenizer
        self._known = set(tokenizer.get_vocab())
        self._espeak = Espeak(_LANGUAGE) if tokenizer.phonemize else None
        # Phonemes are not to be made once more, nor anything to be dropped unseen.
        tokenizer.phonemize = False

    def said(self, sentence: str, *, whole: bool = True) -> Said:
        """See ``Reader``."""
        text = " ".join(sentence.split())
        if self._espeak is not None:
            text = self._phonemes(text)
        elif self._tokenizer.normalize:
            text = text.lower() if text not in self._known else text
        if self._tokenizer.is_uroman and not text.isascii():
            text = _romanised(text)
        unread: Counter[str] = Counter()
        kept = []
        for character in text:
            if character in self._known:
                kept.append(character)
            elif unicodedata.category(character)[0] not in "PZCM":
                unread[character] += 1
        plain = "".join(kept).strip()
        if not any(each.isalnum() for each in plain):
            return Said(ids=NOTHING, unread=dict(unread))
        ids = np.asarray(self._tokenizer(plain)["input_ids"], np.int32)
        return Said(ids=ids, phonemes=plain, unread=dict(unread))

    def _phonemes(self, text: str) -> str:
        assert self._espeak is not None
        found = ""
        for clause in clauses(spoken(text, _LANGUAGE)):
            said = self._espeak.phonemes(clause.text)
            found += f"{' ' if found and said else ''}{said}{clause.mark if said else ''}"
        return found


def _romanised(text: str) -> str:
    """Letters of other scripts in Latin ones, by the package uroman.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import uroman  # type: ignore[import-not-found]
    except ImportError as error:
        raise ConfigurationError(
            "this voice reads romanised text, which needs the package uroman: pip install uroman"
        ) from error
    found: str = uroman.Uroman().romanize_string(text)
    return found.lower()


class HubVoice:
    """A ``VitsModel``; see ``models.speaking.Voice``.

    Args:
        module: the model.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._noise = float(module.noise_scale), float(module.noise_scale_duration)
        self._rate = float(module.speaking_rate)
        self.sample_rate = int(module.config.sampling_rate)

    def speak(
        self, ids: NDArray[np.int64], *, speed: float, speaker: int, noise: float, seed: int
    ) -> NDArray[np.float32]:
        """See ``models.speaking.Voice``."""
        module = self._module
        several = int(module.config.num_speakers) > 1
        # transformers draws from torch's own generator, whose state is the caller's.
        with torch.random.fork_rng(devices=()), torch.inference_mode():
            torch.manual_seed(seed)
            module.noise_scale = noise * self._noise[0]
            module.noise_scale_duration = noise * self._noise[1]
            found = module(
                input_ids=torch.from_numpy(ids)[None].to(module.device),
                speaker_id=speaker if several else None,
                speaking_rate=speed * self._rate,
                return_dict=True,
            )
        count = int(found.sequence_lengths[0])
        waveform: NDArray[np.float32] = found.waveform[0, :count].float().cpu().numpy()
        return waveform


def give_voice(network: Network) -> None:
    """Makes a network of transformers that was just opened speak; changes it.

    Raises:
        BundleError: it is none that speaks, or has no tokenizer.
    """
    module: Any = network.module
    if hasattr(module, "make_reader"):
        return  # one of our own
    config = module.config
    if config.model_type == speecht5_voice.KIND:
        speecht5_voice.give_voice(network)
        return
    if config.model_type not in _KINDS:
        raise BundleError(
            network.spec,
            f"has the model type {config.model_type!r}; supported voices have the type "
            f"{', '.join((*_KINDS, speecht5_voice.KIND))}, or are Piper's (voice.onnx)",
        )
    tokenizer: Any = network.hub_tokenizer
    if tokenizer is None or not hasattr(tokenizer, "phonemize"):
        raise BundleError(network.spec, "has no tokenizer of a voice (VitsTokenizer)")
    voice = HubVoice(module)
    readers: list[Reader] = []

    def reader() -> Reader:
        # espeak-ng is loaded when the first sentence comes.
        if not readers:
            readers.append(HubReader(tokenizer))
        return readers[0]

    count = int(config.num_speakers)
    module.make_reader = reader
    module.language = str(getattr(tokenizer, "language", None) or "")
    module.execution = lambda: SpeakingExecution(voice)
    module.sample_rate = voice.sample_rate
    module.speakers = tuple(map(str, range(count))) if count > 1 else ()
    module.own_runtime = module.rewritable = True
    network.outputs = OUTPUTS
