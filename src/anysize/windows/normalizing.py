"""What a tokenizer leaves out or makes equal before it looks words up, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_STEPS = {
    "Lowercase": "upper and lower case are the same",
    "StripAccents": "accents are left out",
    "NFKC": "characters of one meaning are made equal (Unicode NFKC: ﬁ is fi, ² is 2)",
    "NFKD": "characters of one meaning are made equal (Unicode NFKD: ﬁ is fi, ² is 2)",
    "Precompiled": "characters of one meaning are made equal (SentencePiece's table: ﬁ is fi)",
    "Nmt": "control characters are left out",
    "Strip": "blanks at the ends are left out",
}


def left_out(tokenizer: Mapping[str, Any]) -> list[str]:
    """What two texts may differ in and still be the same to a model.

    Args:
        tokenizer: the entries of its ``tokenizer.json``.
    """
    found = list(dict.fromkeys(_normalized(tokenizer.get("normalizer") or {})))
    steps = tokenizer.get("pre_tokenizer") or {}
    kinds = {step.get("type") for step in (steps.get("pretokenizers") or [steps])}
    if kinds & {"BertPreTokenizer", "WhitespaceSplit", "Whitespace"}:
        found.append("the number and kind of blanks between words are left out")
    model = tokenizer.get("model") or {}
    unknown = model.get("unk_token")
    if model.get("type") == "WordPiece":
        longest = model.get("max_input_chars_per_word", 100)
        found.append(
            f"a word with a character that is not in the vocabulary, or of more than {longest} "
            f"characters, becomes one {unknown}"
        )
    elif model.get("unk_id") is not None and not model.get("byte_fallback"):
        found.append("characters that are not in the vocabulary become the unknown token")
    return found


def _normalized(step: Mapping[str, Any]) -> Iterator[str]:
    kind = step.get("type")
    if kind == "Sequence":
        for each in step.get("normalizers") or ():
            yield from _normalized(each)
    elif kind == "BertNormalizer":
        if step.get("clean_text"):
            yield _STEPS["Nmt"]
        if step.get("lowercase"):
            yield _STEPS["Lowercase"]
        accents = step.get("strip_accents")
        if step.get("lowercase") if accents is None else accents:
            yield _STEPS["StripAccents"]
    elif kind in _STEPS:
        yield _STEPS[kind]
