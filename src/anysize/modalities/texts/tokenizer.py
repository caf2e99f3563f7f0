"""Tokenizers: read, written, compared; and the longest window that their model has."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.texts.settings import TextSettings
from anysize.models import hub_settings
from anysize.models.network import Network
from anysize.models.positions import position_count
from anysize.windows.normalizing import left_out

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_USUAL = 512


def opened(spec: str, config: PretrainedConfig, wish: int | None) -> dict[str, Any]:
    """Tokenizer and window of a folder or hub id, as arguments of ``Network``.

    Args:
        spec: the folder or hub id.
        config: of its model.
        wish: the window that was asked for.

    Raises:
        BundleError: there is no fast tokenizer, or it has tokens that the model has not.
        ConfigurationError: the window that was asked for is longer than the model's.
    """
    return reading(spec, config, _loaded(spec, config), wish)


def reading(
    spec: str, config: PretrainedConfig, tokenizer: Any, wish: int | None
) -> dict[str, Any]:
    """As `opened`, with a fast tokenizer that was loaded already."""
    longest = check_window(spec, config, tokenizer, wish)
    return {
        "settings": TextSettings(window=wish or min(longest, _USUAL)),
        "tokenizer": getattr(tokenizer, "backend_tokenizer", None),
        "hub_tokenizer": tokenizer,
    }


def restore(network: Network, place: Path) -> None:
    """Gives a network without weights its tokenizer.

    Args:
        network: changed.
        place: a bundle, or a graph file that the tokenizer lies beside.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    if place.is_dir():
        tokenizer = _loaded(str(place), network.module.config)
        network.hub_tokenizer = tokenizer
        network.tokenizer = getattr(tokenizer, "backend_tokenizer", None)
        check_window(str(place), network.module.config, tokenizer, None)
    else:
        network.tokenizer = tokenizer_beside(place)
        network.module.config.update({"vocab_size": network.tokenizer.get_vocab_size()})


def save(folder: Path, network: Network) -> None:
    """Writes the tokenizer as transformers reads it, where the network has one."""
    from anysize.models.tokenizers import save_tokenizer, wrap_tokenizer

    tokenizer = network.hub_tokenizer
    if tokenizer is None and network.tokenizer is None:
        return
    if tokenizer is None:
        window = network.reads(TextSettings).window
        tokenizer = wrap_tokenizer(network.needed_tokenizer(), window=window)
    save_tokenizer(tokenizer, folder)


def inspected(folder: Path) -> dict[str, Any]:
    """What the tokenizer in a folder leaves out of texts; nothing where there is none."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return {}
    try:
        return {"tokenizer": {"leaves_out": left_out(json.loads(file.read_bytes()))}}
    except (ValueError, TypeError, AttributeError) as error:
        raise BundleError(str(folder), "its tokenizer.json is damaged") from error


def tokenizer_beside(path: Path) -> Any:
    """The tokenizer beside a graph file, with truncation and padding off.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    from tokenizers import Tokenizer

    file = path.parent / "tokenizer.json"
    if not file.is_file():
        raise BundleError(str(path), "reads texts, and there is no tokenizer.json beside it")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:
        raise BundleError(str(file), f"is not a tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _loaded(spec: str, config: PretrainedConfig) -> Any:
    """The tokenizer of a folder or hub id: a fast one; of encoder-decoders SentencePiece's too."""
    import transformers

    try:
        # MarianTokenizer, and every copy of it, asks for a package that its tokens do not need.
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        tokenizer = transformers.AutoTokenizer.from_pretrained(spec, trust_remote_code=False)
    except ImportError as error:
        if "entencepiece" not in str(error):
            raise
        raise BundleError(
            spec,
            "has a tokenizer of SentencePiece, whose package is missing: "
            "pip install 'anysize[language]'",
        ) from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        # It says nothing of places in the text, which only the other tasks need.
        voice = hasattr(config, "sampling_rate")
        if not voice and not getattr(config, "is_encoder_decoder", False):
            raise BundleError(spec, "has no fast tokenizer (tokenizer.json)")
        check_tokens(spec, config, tokenizer.get_vocab())
        return tokenizer
    # Without files, transformers makes one that knows special tokens, and the blank at most.
    if len(set(backend.get_vocab()) - set(tokenizer.all_special_tokens)) < 2:
        raise BundleError(spec, "has no tokenizer: tokenizer.json, or the vocabulary, is missing")
    # Padding and truncation are done elsewhere, and no input is ever cut.
    backend.no_truncation()
    backend.no_padding()
    check_tokens(spec, config, backend.get_vocab(with_added_tokens=False))
    return tokenizer


def check_window(spec: str, config: PretrainedConfig, tokenizer: Any, wish: int | None) -> int:
    """The longest window that there are positions for, once the wish is found to fit."""
    longest = hub_settings.longest_window(config, tokenizer.model_max_length)
    if wish is not None and wish > longest:
        raise ConfigurationError(
            f"window must be at most {longest} tokens, the positions of {spec!r}, not {wish}"
        )
    return longest


def check_tokens(spec: str, config: PretrainedConfig, vocabulary: Mapping[str, int]) -> None:
    """Refuses a tokenizer with a token that its model has not."""
    rows = getattr(config, "vocab_size", None)
    highest = max(vocabulary.values(), default=-1)
    if highest < 0:
        raise BundleError(spec, "its tokenizer has no tokens")
    if isinstance(rows, int) and highest >= rows:
        raise BundleError(
            spec,
            f"its tokenizer has a token number {highest}, and its model knows {rows} tokens "
            "(vocab_size): they do not belong together",
        )


def differences(student: Network, teacher: Network) -> list[str]:
    """Why two networks do not read the same tokens."""
    found = []
    if _recipe_of(student) != _recipe_of(teacher):
        found.append(
            "student and teacher must have the same tokenizer; take a student made of the teacher "
            "(its own layers) or one pretrained with the same vocabulary"
        )
    most = position_count(teacher.module.config)
    window = student.reads(TextSettings).window
    if most is not None and window > most:
        found.append(
            f"window must be at most {most} tokens, the positions of the teacher, not {window}"
        )
    return found


def _recipe_of(network: Network) -> dict[str, Any]:
    """What decides which tokens a text becomes."""
    if network.tokenizer is None:
        hub = network.hub_tokenizer
        return {"vocabulary": None if hub is None else hub.get_vocab()}
    entries = json.loads(network.tokenizer.to_str())
    names = ("normalizer", "pre_tokenizer", "post_processor", "model")
    found = {name: entries.get(name) for name in names}
    return {**found, "vocabulary": network.tokenizer.get_vocab(with_added_tokens=True)}
