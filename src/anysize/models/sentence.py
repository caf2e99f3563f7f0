"""How a sentence encoder makes one vector of its tokens: as sentence-transformers keeps it.

A folder has ``modules.json``; of its modules Transformer, Pooling and Normalize are understood. A
folder without it is an encoder alone: its tokens are averaged, as sentence-transformers does.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError
from anysize.core.pooling import POOLINGS
from anysize.modalities.texts.settings import TextSettings
from anysize.models.classifier import name_classes
from anysize.models.network import Network

_log = logging.getLogger("anysize")

ENTRY = "sentence_pooling"
"""Name of the entry of a configuration (``config.json``) that keeps it."""

_SETTINGS = "sentence_bert_config.json"
_PROMPTS = "config_sentence_transformers.json"
_UNDERSTOOD = ("Transformer", "Pooling", "Normalize")
# What the folders of older versions call the ways to pool.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# Names of the prompt for what is searched with, in the order in which they are taken.
_QUERIES = ("query", "web_search_query", "retrieval.query")
# And of those for the texts that are searched.
_DOCUMENTS = ("document", "passage", "corpus", "retrieval.passage")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentencePooling:
    """From tokens to a vector.

    Attributes:
        pooling: one of ``core.pooling.POOLINGS``.
        normalize: whether vectors have the length one.
        query_prompt: what goes before a text that is searched with.
    """

    pooling: str = "mean"
    normalize: bool = False
    query_prompt: str = ""


def pooling_of(network: Network) -> SentencePooling:
    """How a network's tokens become a vector."""
    return SentencePooling(**(getattr(network.module.config, ENTRY, None) or {}))


def adapt(network: Network) -> None:
    """Reads what belongs to an encoder that was just opened, and leaves out its pooler.

    Raises:
        BundleError: it has modules that are not understood.
    """
    module: Any = network.module
    name_classes(module.config, ())
    if getattr(module, "pooler", None) is not None:
        module.pooler = None  # its output is not taken
    if getattr(module.config, ENTRY, None) is not None:
        return  # a bundle
    setattr(module.config, ENTRY, dataclasses.asdict(_read(network.spec)))
    longest = _json(network.spec, _SETTINGS).get("max_seq_length")
    settings = network.reads(TextSettings)
    if isinstance(longest, int) and 4 <= longest < settings.window:
        network.settings = dataclasses.replace(settings, window=longest)


def _read(spec: str) -> SentencePooling:
    modules = _json(spec, "modules.json")
    settings = _json(spec, _PROMPTS)
    prompts = settings.get("prompts")
    prompts = prompts if isinstance(prompts, Mapping) else {}
    usual = settings.get("default_prompt_name")
    unused = [name for name in dict.fromkeys((*_DOCUMENTS, usual)) if prompts.get(name)]
    if unused:
        _log.warning(
            "%s: its prompt for documents (%s) is not put before the texts, so that their vectors "
            "differ from those of sentence-transformers; put it before them in the data",
            spec,
            ", ".join(f"{name}: {prompts[name]!r}" for name in unused),
        )
    prompt = next((str(prompts[name]) for name in _QUERIES if prompts.get(name)), "")
    if not modules:
        return SentencePooling(query_prompt=prompt)
    kinds = [(str(each["type"]).rpartition(".")[2], each["path"]) for each in modules]
    unknown = [kind for kind, _ in kinds if kind not in _UNDERSTOOD]
    if unknown or [kind for kind, _ in kinds][:1] != ["Transformer"]:
        raise BundleError(
            spec,
            f"has the modules {', '.join(kind for kind, _ in kinds)} (modules.json); of a sentence "
            f"encoder {', '.join(_UNDERSTOOD)} are understood, in this order",
        )
    pooling = "mean"
    for kind, path in kinds:
        if kind == "Pooling":
            pooling = _pooling(spec, _json(spec, f"{path}/config.json"))
    return SentencePooling(
        pooling=pooling,
        normalize=any(kind == "Normalize" for kind, _ in kinds),
        query_prompt=prompt,
    )


def _pooling(spec: str, config: Mapping[str, Any]) -> str:
    """The way to pool.

    Raises:
        BundleError: several at once, or one that is not known.
    """
    given = config.get("pooling_mode")
    modes = [given] if isinstance(given, str) else list(given or ())
    modes = modes or [mode for flag, mode in _FLAGS.items() if config.get(flag)]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise BundleError(
            spec,
            f"pools by {' and '.join(map(str, modes)) or 'nothing'}; it must be one of "
            f"{', '.join(POOLINGS)}",
        )
    return str(modes[0])


def _json(spec: str, name: str) -> Any:
    """A small file of a folder or hub id; empty where there is none.

    Raises:
        BundleError: it is damaged.
    """
    path = Path(spec) / name
    if not Path(spec).is_dir():
        from transformers.utils import cached_file

        found = cached_file(spec, name, _raise_exceptions_for_missing_entries=False)
        if found is None:
            return {}
        path = Path(found)
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(str(path), f"is not JSON: {error}") from None
