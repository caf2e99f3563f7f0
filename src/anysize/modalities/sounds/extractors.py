"""Feature extractors of transformers: what they say of a model, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError
from anysize.modalities.sounds.settings import SECONDS, AudioSettings
from anysize.models.card_reading import LARGEST_TEXT, read_json

FILE = "preprocessor_config.json"
_TOGETHER = "processor_config.json"
"""Where newer versions of transformers keep the extractor of a processor, as an entry."""
_ENTRY = "feature_extractor"
_FRAME = 160

Entries = Mapping[str, Any]


def entries_of(spec: str) -> dict[str, Any]:
    """What the files of a folder or hub id say of its feature extractor; empty where nothing.

    Raises:
        BundleError: they cannot be read.
    """
    for name in (FILE, _TOGETHER):
        path = _file(spec, name)
        if path is None:
            continue
        found = read_json(path, LARGEST_TEXT)
        if name == _TOGETHER:
            found = found.get(_ENTRY) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            return dict(found)
    return {}


def settings_of(spec: str, module: Any, entries: Entries) -> AudioSettings:
    """How a model in the Hugging Face layout reads recordings.

    Args:
        spec: the folder or hub id.
        module: of it.
        entries: of its feature extractor.

    Raises:
        BundleError: the extractor is not known, asks for what is not read here, or is missing.
    """
    kind = str(entries.get("feature_extractor_type", ""))
    if not kind:
        raise BundleError(
            spec,
            f"does not say how its model reads recordings: it needs a {FILE} with a "
            f"feature_extractor_type ({', '.join(_READERS)})",
        )
    if kind not in _READERS:
        raise BundleError(
            spec, f"reads recordings by a {kind}, which is not known ({', '.join(_READERS)})"
        )
    return _READERS[kind](_Given(spec, entries), module)


def written(settings: AudioSettings) -> dict[str, Any]:
    """The entries by which transformers makes the frames of a model; see `settings_of`."""
    entries: dict[str, Any] = {
        "feature_size": settings.front.width,
        "sampling_rate": settings.sample_rate,
    }
    if settings.spectrum == "waveform":
        entries |= {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "do_normalize": settings.normalize == "window",
            "return_attention_mask": settings.masked,
            "padding_value": 0.0,
        }
    elif settings.spectrum == "ast":
        entries |= {
            "feature_extractor_type": "ASTFeatureExtractor",
            "feature_size": 1,
            "num_mel_bins": settings.mels,
            "max_length": settings.frames,
            "do_normalize": (settings.shift, settings.scale) != (0.0, 1.0),
            "mean": settings.shift,
            "std": settings.scale / 2,
        }
    elif settings.spectrum == "whisper" and not settings.masked:
        entries |= {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "chunk_length": settings.window // settings.sample_rate,
            "hop_length": _FRAME,
            "n_fft": 400,
        }
    return entries


def _waveform(given: _Given, module: Any) -> AudioSettings:
    """wav2vec 2.0 and its kin: samples, each window with the mean 0 and the variance 1.

    Those whose first layer normalises over time were trained without a mask; what they give
    depends on padding.
    """
    rate = given.whole("sampling_rate", 16_000)
    given.only("feature_size", 1)
    config = module.config
    kernels, strides = list(config.conv_kernel), list(config.conv_stride)
    least, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        least += (kernel - 1) * step
        step *= stride
    return given.made(
        sample_rate=rate,
        spectrum="waveform",
        normalize="window" if given.truth("do_normalize", True) else "none",
        window=SECONDS * rate,
        silence=least,
        masked=getattr(config, "feat_extract_norm", "") == "layer",
    )


def _spectrogram(given: _Given, module: Any) -> AudioSettings:
    """The Audio Spectrogram Transformer: so many frames, no less."""
    given.only("sampling_rate", 16_000)
    length = given.whole("max_length", 1024)
    if length != getattr(module.config, "max_length", length):
        raise BundleError(
            given.spec,
            f"its extractor makes {length} frames, and its model reads {module.config.max_length}",
        )
    scaled = given.truth("do_normalize", True)
    return given.made(
        spectrum="ast",
        mels=given.whole("num_mel_bins", 128),
        window=length * _FRAME,
        filled=True,
        shift=given.number("mean", -4.2677393) if scaled else 0.0,
        scale=2 * given.number("std", 4.5689974) if scaled else 1.0,
        masked=False,
    )


def _whisper(given: _Given, module: Any) -> AudioSettings:
    """Whisper's encoder: 30 seconds, silence behind what is shorter."""
    given.only("sampling_rate", 16_000)
    given.only("hop_length", _FRAME)
    given.only("n_fft", 400)
    window = given.whole("chunk_length", 30) * 16_000
    if window // _FRAME != 2 * module.config.max_source_positions:
        raise BundleError(
            given.spec,
            f"its extractor makes {window // _FRAME} frames, and its model reads "
            f"{2 * module.config.max_source_positions}",
        )
    return given.made(
        spectrum="whisper",
        mels=given.whole("feature_size", 80),
        window=window,
        silence=window,
        masked=False,
    )


_READERS: Mapping[str, Callable[[_Given, Any], AudioSettings]] = {
    "ASTFeatureExtractor": _spectrogram,
    "Wav2Vec2FeatureExtractor": _waveform,
    "WhisperFeatureExtractor": _whisper,
}


class _Given:
    """The entries of an extractor, each of which must be of its type."""

    def __init__(self, spec: str, entries: Entries) -> None:
        self.spec = spec
        self._entries = entries

    def _wrong(self, name: str, rule: str) -> BundleError:
        return BundleError(
            self.spec,
            f"{name} of its feature extractor must be {rule}, not {self._entries[name]!r}",
        )

    def number(self, name: str, default: float) -> float:
        value = self._entries.get(name, default)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self._wrong(name, "a number")
        return float(value)

    def whole(self, name: str, default: int) -> int:
        value = self._entries.get(name, default)
        if type(value) is not int or value < 1:
            raise self._wrong(name, "a whole number of at least 1")
        return value

    def truth(self, name: str, default: bool) -> bool:
        value = self._entries.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def only(self, name: str, value: int) -> None:
        """Refuses another value than the one that is read here."""
        if self.whole(name, value) != value:
            raise self._wrong(name, str(value))

    def made(self, **settings: Any) -> AudioSettings:
        """The settings.

        Raises:
            BundleError: they break a rule.
        """
        return AudioSettings.from_json(settings, self.spec)


def _file(spec: str, name: str) -> Path | None:
    """A file of a folder or hub id, where it has it."""
    if Path(spec).is_dir():
        return path if (path := Path(spec) / name).is_file() else None
    from transformers.utils import cached_file

    found = cached_file(spec, name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)
