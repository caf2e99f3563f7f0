"""The tokens of an encoder-decoder's two sides, with the languages that its tokenizer names."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.near import unknown
from anysize.models.network import Network
from anysize.models.sequence_ends import start_token

_CODE = re.compile(r"[a-z]{2,3}(_[A-Z]{2}|_[A-Z][a-z]{3})|>>.+<<")


class SequenceTokens:
    """Texts to tokens and back. Safe to use from several threads.

    Args:
        network: an encoder-decoder with its tokenizer.
        source_lang: language of the sources, as the tokenizer calls it (``eng_Latn`` of NLLB,
            ``en_XX`` of mBART, ``en`` of M2M100); None is the tokenizer's own.
        target_lang: the same of the targets.
        prefix: text before every source; None is what the configuration of T5 has for the two
            languages.

    Raises:
        ConfigurationError: a language that the tokenizer does not know or need, or one is missing.
    """

    def __init__(
        self,
        network: Network,
        *,
        source_lang: str | None = None,
        target_lang: str | None = None,
        prefix: str | None = None,
    ) -> None:
        self._spec = network.spec
        hub: Any = network.hub_tokenizer
        if hub is None:
            raise ConfigurationError(f"model {network.spec!r} has no tokenizer")
        # One that has a language or a side to be in is not shared with others.
        own = hasattr(hub, "src_lang") or hasattr(hub, "_switch_to_target_mode")
        self._source, self._target = (copy.deepcopy(hub) if own else hub for _ in range(2))
        self._prefix = prefix or ""
        forced = getattr(network.module.generation_config, "forced_bos_token_id", None)
        given = {"source_lang": source_lang, "target_lang": target_lang}
        if hasattr(hub, "src_lang"):
            forced = self._languages(given, forced)
        elif marks := getattr(hub, "supported_language_codes", None):
            self._mark(given, marks)
        elif prefix is None:
            self._prefix = _prefix_of(network, given)
        # What encodes a target is switched to it and back.
        self._switching = threading.Lock()
        begin = [start_token(network.module)]
        self.begin: NDArray[np.int32] | None = None
        """What the decoder begins with, where it is more than its start token."""
        if forced is not None and not hasattr(hub, "supported_language_codes"):
            self.begin = np.array([*begin, int(forced)], np.int32)

    def source(self, text: str) -> NDArray[np.int32]:
        """Tokens of a source, special ones included."""
        return np.array(self._source(f"{self._prefix}{text}")["input_ids"], np.int32)

    def target(self, text: str) -> NDArray[np.int32]:
        """Tokens that the decoder is to write for a target, the one that ends it included."""
        with self._switching:
            ids = np.array(self._target(text_target=text)["input_ids"], np.int32)
        # What the decoder begins with is no part of what it is to write.
        if self.begin is not None and len(ids) > 1 and ids[0] == self.begin[-1]:
            ids = ids[1:]
        return ids

    def text(self, tokens: NDArray[np.int32]) -> str:
        """What generated tokens say."""
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        found: str = self._target.decode(tokens.tolist(), **options)
        return found

    def _languages(self, given: Mapping[str, str | None], forced: int | None) -> int | None:
        """Names the languages to the tokenizers; the token that the decoder begins with."""
        hub = self._source
        known = _codes(hub)
        source = given["source_lang"] or getattr(hub, "src_lang", None)
        target = given["target_lang"] or getattr(hub, "tgt_lang", None)
        problems = [
            unknown(name, known, f"({option}) is not a language of {self._spec}")
            for option, name in (("source_lang", source), ("target_lang", target))
            if name is not None and known and name not in known
        ]
        if target is None and forced is None:
            problems.append(
                f"target_lang must be named: {self._spec} translates into many languages "
                f"({', '.join(known[:8])}, …)"
            )
        if problems:
            raise ConfigurationError(problems)
        for tokenizer in (self._source, self._target):
            tokenizer.src_lang = source
            if target is not None:
                tokenizer.tgt_lang = target
        if target is None:
            return forced
        if hasattr(hub, "get_lang_id"):
            return int(hub.get_lang_id(target))
        return int(hub.convert_tokens_to_ids(target))

    def _mark(self, given: Mapping[str, str | None], marks: Sequence[str]) -> None:
        """Of Marian, a mark of the target language stands before the source."""
        target = given["target_lang"]
        mark = f">>{target}<<"
        if target is None or mark not in marks:
            names = [each.strip("<>") for each in marks]
            what = f"(target_lang) is not a language of {self._spec}"
            raise ConfigurationError(unknown(str(target), names, what))
        self._prefix = f"{mark} {self._prefix}"


def _codes(tokenizer: Any) -> list[str]:
    """The languages that a tokenizer names."""
    own = getattr(tokenizer, "lang_code_to_token", None) or getattr(
        tokenizer, "lang_code_to_id", None
    )
    if own:
        return sorted(own)
    return sorted(name for name in tokenizer.get_added_vocab() if _CODE.fullmatch(name))


def _prefix_of(network: Network, given: Mapping[str, str | None]) -> str:
    """The prefix that a configuration of T5 has for two languages.

    Raises:
        ConfigurationError: languages are named, and the model has one direction.
    """
    if given["source_lang"] is None and given["target_lang"] is None:
        return ""
    specific = getattr(network.module.config, "task_specific_params", None) or {}
    own = specific.get(f"translation_{given['source_lang']}_to_{given['target_lang']}")
    if not isinstance(own, Mapping) or "prefix" not in own:
        directions = sorted(key for key in specific if key.startswith("translation_"))
        raise ConfigurationError(
            f"source_lang and target_lang must be left out: {network.spec} has no languages to "
            f"choose from ({', '.join(directions) or 'one direction'}); text before each source "
            "can be given with prefix"
        )
    return str(own["prefix"])
