"""The tokenizer of a GGUF file, from the vocabulary, merges and settings in its metadata.

The rule by which a text is split before merging is a name there; what the names stand for is
llama.cpp's (src/llama-vocab.cpp), as the tokenizers of the models themselves have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anysize.core.errors import BundleError
from anysize.models.gguf.header import Header

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

_CONTROL, _OWN = 3, 4  # kinds of tokens: read as one wherever they stand in a text
_BLANK = "▁"


@dataclass(frozen=True, slots=True)
class Rule:
    """How a text is split before merging.

    Attributes:
        pattern: of the parts; empty for GPT-2's.
        digits: whether each digit is a part of its own first.
        composed: whether characters are composed first (NFC).
        whole: whether a part that is a token is not merged at all.
    """

    pattern: str = ""
    digits: bool = False
    composed: bool = False
    whole: bool = False


_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = Rule(rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}{_REST}", whole=True)
_QWEN2 = Rule(rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{_REST}", composed=True)
_DIGITS = Rule(digits=True)
_RULES: Mapping[str, Rule] = {
    "": Rule(), "default": Rule(), "gpt-2": Rule(), "mpt": Rule(), "olmo": Rule(),
    "smollm": _DIGITS, "starcoder": _DIGITS, "refact": _DIGITS, "command-r": _DIGITS,
    "codeshell": _DIGITS, "exaone": _DIGITS,
    "llama3": _LLAMA3, "llama-v3": _LLAMA3, "llama-bpe": _LLAMA3, "falcon3": _LLAMA3,
    "qwen2": _QWEN2, "deepseek-r1-qwen": _QWEN2, "megrez": _QWEN2,
}  # fmt: skip


def read_tokenizer(header: Header) -> PreTrainedTokenizerFast:
    """The tokenizer of a file, as transformers has it, with its chat template.

    Raises:
        BundleError: there is none, it is damaged, or of a kind that is not read.
    """
    from transformers import PreTrainedTokenizerFast

    kind = header.entries.get("tokenizer.ggml.model")
    tokens = _texts(header, "tokens")
    kinds = header.entries.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    if not isinstance(kinds, list) or len(kinds) != len(tokens):
        raise BundleError(str(header.path), "has not one type for each of its tokens")
    if len(set(tokens)) != len(tokens):
        raise BundleError(str(header.path), "has a token twice")
    if kind == "gpt2":
        tokenizer = _byte_level(header, tokens)
    elif kind == "llama":
        tokenizer = _sentencepiece(header, tokens)
    else:
        raise BundleError(
            str(header.path),
            f"its tokenizer {kind!r:.40} is not read from GGUF files; gpt2 and llama are",
        )
    _add_whole(tokenizer, tokens, kinds)
    ids = {name: header.token(name) for name in ("bos", "eos", "unknown", "padding")}
    _add_ends(header, tokenizer, tokens, ids)
    template = header.entries.get("tokenizer.chat_template")
    names = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
    special = {names[name]: tokens[at] for name, at in ids.items() if at is not None}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=header.whole("context_length"),
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        chat_template=template if isinstance(template, str) else None,
        **special,
    )


def _texts(header: Header, name: str) -> list[str]:
    found = header.entries.get(f"tokenizer.ggml.{name}")
    if not isinstance(found, list) or not found or not isinstance(found[0], str):
        raise BundleError(str(header.path), f"has no tokenizer ({name} are missing)")
    return found


def _byte_level(header: Header, tokens: Sequence[str]) -> Tokenizer:
    """Byte-pair encoding on bytes, as GPT-2 has it."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    name = str(header.entries.get("tokenizer.ggml.pre", ""))
    rule = _RULES.get(name)
    if rule is None:
        raise BundleError(
            str(header.path),
            f"its tokenizer splits texts by a rule that is not known here ({name[:40]!r}): take "
            "the same model as a folder with safetensors weights",
        )
    pairs = (each.partition(" ") for each in _texts(header, "merges"))
    merges = [(first, second) for first, _, second in pairs]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if any(f"{first}{second}" not in vocabulary for first, second in merges):
        raise BundleError(str(header.path), "has merges of tokens that are not in its vocabulary")
    try:
        model = models.BPE(vocab=vocabulary, merges=merges, ignore_merges=rule.whole)
    except Exception as error:  # the library raises no other
        raise BundleError(str(header.path), f"has a damaged tokenizer: {error}") from error
    tokenizer = Tokenizer(model)
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not rule.pattern)
    steps: list[Any] = [bytes_]
    if rule.pattern:
        steps = [pre_tokenizers.Split(Regex(rule.pattern), "isolated"), bytes_]
    elif rule.digits:
        steps = [pre_tokenizers.Digits(individual_digits=True), bytes_]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else bytes_
    if rule.composed:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentencepiece(header: Header, tokens: Sequence[str]) -> Tokenizer:
    """Byte-pair encoding by SentencePiece, whose merges follow from the scores of the tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    scores = header.entries.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(tokens):
        raise BundleError(str(header.path), "has not one score for each of its tokens")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    unknown = header.token("unknown")
    try:
        model = models.BPE(
            vocab=vocabulary,
            merges=_merges(vocabulary, scores),
            unk_token=None if unknown is None else tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    except Exception as error:  # the library raises no other
        raise BundleError(str(header.path), f"has a damaged tokenizer: {error}") from error
    tokenizer = Tokenizer(model)
    before = bool(header.entries.get("tokenizer.ggml.add_space_prefix", True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement=_BLANK, prepend_scheme="first" if before else "never", split=False
    )
    steps: list[Any] = [decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    if before:
        steps.append(decoders.Strip(content=" ", left=1))
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def _merges(vocabulary: Mapping[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """The pairs of tokens that make a token, those of the highest score first."""
    found = []
    for token, number in vocabulary.items():
        if len(token) > 64:
            continue
        parts = ((token[:place], token[place:]) for place in range(1, len(token)))
        own = [pair for pair in parts if pair[0] in vocabulary and pair[1] in vocabulary]
        own.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
        found += [(-scores[number], -len(first), -len(second), first, second)
                  for first, second in own]  # fmt: skip
    found.sort(key=lambda each: each[:3])
    return [(first, second) for *_, first, second in found]


def _add_whole(tokenizer: Tokenizer, tokens: Sequence[str], kinds: Sequence[int]) -> None:
    """Tokens that are read as one wherever they stand."""
    from tokenizers import AddedToken

    pairs = list(zip(tokens, kinds, strict=True))
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True)
         for token, kind in pairs if kind == _CONTROL and token]
    )  # fmt: skip
    tokenizer.add_tokens(
        [AddedToken(token, normalized=False) for token, kind in pairs if kind == _OWN and token]
    )


def _add_ends(
    header: Header, tokenizer: Tokenizer, tokens: Sequence[str], ids: Mapping[str, int | None]
) -> None:
    """The tokens that texts begin and end with."""
    from tokenizers import processors

    old = header.entries.get("tokenizer.ggml.model") == "llama"
    wanted = {
        "bos": header.entries.get("tokenizer.ggml.add_bos_token", old),
        "eos": header.entries.get("tokenizer.ggml.add_eos_token", False),
    }
    used = {
        name: number for name, add in wanted.items() if add and (number := ids[name]) is not None
    }
    if not used:
        return
    before = f"{tokens[used['bos']]} " if "bos" in used else ""
    after = f" {tokens[used['eos']]}" if "eos" in used else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before}$A{after}",
        pair=f"{before}$A{after} {before}$B:1{after}",
        special_tokens=[(tokens[number], number) for number in sorted(set(used.values()))],
    )
