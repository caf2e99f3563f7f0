"""Folders in CTranslate2's form: models that are run as they are, without weights for torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.architectures import architecture_of
from anysize.models.bundle import CARD, Card
from anysize.models.card_reading import read_json
from anysize.models.compiled import stand_in
from anysize.models.ctranslate2_file import FILE, Converted, read_header
from anysize.models.network import Form, Network

_TASK = "automatic-speech-recognition"
_KIND = "WhisperSpec"
_TOKENIZER = "tokenizer.json"
_WINDOW = 30 * 16_000
_LARGEST_TOKENIZER = 1 << 26


def is_converted(folder: Path) -> bool:
    """Whether a folder is one of CTranslate2, and no bundle."""
    return (folder / FILE).is_file() and not (folder / CARD).exists()


def open_converted(folder: Path, task: str | None = None) -> tuple[Network, Card]:
    """A converted model of Whisper and a card for it.

    Args:
        folder: with ``model.bin``, ``config.json`` and ``tokenizer.json``.
        task: what it is asked for; None takes the one that it is for.

    Raises:
        BundleError: a file is missing, damaged, or of another kind of model.
        ConfigurationError: the task is another one.
    """
    from anysize.models.quiet import quiet_transformers

    spec = str(folder)
    found = read_header(folder / FILE)
    if found.kind != _KIND:
        raise BundleError(
            spec,
            f"is a model of CTranslate2 of the kind {found.kind}; as they are only those of "
            f"Whisper ({_KIND}) are read: take the model that it was converted from",
        )
    if task not in (None, _TASK):
        raise ConfigurationError(f"{spec} is for {_TASK}, not for {task}")
    _check_configuration(folder)
    with quiet_transformers():
        module = stand_in(_configuration(found, spec, (folder / FILE).stat().st_size))
    mels = int(module.config.num_mel_bins)
    network = Network(
        module=module,
        spec=spec,
        settings=AudioSettings(
            spectrum="whisper", mels=mels, window=_WINDOW, silence=_WINDOW, masked=False
        ),
        tokenizer=_tokenizer(folder),
        form=Form(runtime="ctranslate2", precision="float32", file=str(folder / FILE)),
    )
    architecture_of(_TASK).apply(network)
    return network, Card(task=_TASK, labels=(), model=spec, settings=network.settings)


def _check_configuration(folder: Path) -> None:
    """Refuses a configuration that is not CTranslate2's, which reads it itself.

    Raises:
        BundleError: it cannot be read, or its lists hold something else than ids.
    """
    path = folder / "config.json"
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise BundleError(str(path), "must hold one JSON object")
    for name in ("suppress_ids", "suppress_ids_begin", "lang_ids"):
        ids = entries.get(name) or []
        if not isinstance(ids, list) or not all(type(each) is int for each in ids):
            raise BundleError(str(path), f"{name} must be a list of token ids")


def _configuration(found: Converted, spec: str, size: int) -> Any:
    """The configuration as transformers has it, from the shapes."""
    from transformers import WhisperConfig

    try:
        vocabulary, width = found.shapes["decoder/embeddings/weight"]
        mels = found.shapes["encoder/conv1/weight"][1]
        positions = found.shapes["decoder/position_encodings/encodings"][0]
    except (KeyError, ValueError, IndexError) as error:
        raise BundleError(spec, f"lacks a tensor of Whisper: {error}") from error
    config = WhisperConfig(
        vocab_size=vocabulary, num_mel_bins=mels, d_model=width,
        encoder_layers=found.count("encoder/layer_"), decoder_layers=found.count("decoder/layer_"),
        max_target_positions=positions,
    )  # fmt: skip
    # It tells files apart where measurements are kept.
    config.update({"anysize_digest": f"{size}"})
    return config


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    path = folder / _TOKENIZER
    if not path.is_file():
        raise BundleError(
            str(folder), f"has no {_TOKENIZER}; take it from the model that it was converted from"
        )
    if path.stat().st_size > _LARGEST_TOKENIZER:
        raise BundleError(str(path), f"has more than {_LARGEST_TOKENIZER >> 20} MiB")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        raise BundleError(str(path), f"is no tokenizer: {error}") from error
