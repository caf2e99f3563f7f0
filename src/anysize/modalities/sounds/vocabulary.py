"""Vocabularies of models that write what is said: read and written beside their settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import BundleError
from anysize.modalities.sounds.settings import AudioSettings

if TYPE_CHECKING:
    from anysize.models.network import Network

_SECONDS, _SHARED = 20, 4
_FILES = ("tokenizer.json", "vocab.json")


def writes(config: Any) -> bool:
    """Whether a model of this configuration writes text: by a CTC head or by generation."""
    names = getattr(config, "architectures", None) or ()
    return any(name.endswith(("ForCTC", "ForConditionalGeneration")) for name in names)


def sharing(settings: AudioSettings, config: Any) -> AudioSettings:
    """Settings of a model that gives something for each step: its windows share four seconds.

    How far such models see is not known, so that what they give near the ends of a window is not
    what they would give for the whole recording.
    """
    names = getattr(config, "architectures", None) or ()
    if not any(name.endswith("ForCTC") for name in names):
        return settings
    rate = settings.sample_rate
    return replace(settings, window=_SECONDS * rate, overlap=_SHARED * rate)


def opened(spec: str, config: Any) -> dict[str, Any]:
    """The tokenizer of a folder or hub id as arguments of ``Network``; none where it needs none.

    Raises:
        BundleError: it needs one, and there is none that can be read.
    """
    if not writes(config):
        return {}
    import transformers

    if Path(spec).is_dir() and not any((Path(spec) / name).is_file() for name in _FILES):
        raise BundleError(
            spec, f"writes text, and its vocabulary ({' or '.join(_FILES)}) is missing"
        )
    try:
        hub = transformers.AutoTokenizer.from_pretrained(spec, trust_remote_code=False)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BundleError(spec, f"its vocabulary cannot be read: {reason}") from error
    backend = getattr(hub, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()
    return {"hub_tokenizer": hub, "tokenizer": backend}


def save(folder: Path, network: Network) -> None:
    """Writes the tokenizer as transformers reads it, where the network has one."""
    from anysize.models.tokenizers import save_tokenizer

    if network.hub_tokenizer is not None:
        save_tokenizer(network.hub_tokenizer, folder)


def restore(network: Network, place: Path) -> None:
    """Gives a network without weights its tokenizer, where it needs one.

    Args:
        network: changed.
        place: a bundle, or a graph file that the tokenizer lies beside.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    folder = place if place.is_dir() else place.parent
    config = network.module.config
    if network.per_token and any((folder / name).is_file() for name in _FILES):
        config.architectures = getattr(config, "architectures", None) or ["ForCTC"]
    for name, value in opened(str(folder), config).items():
        setattr(network, name, value)
