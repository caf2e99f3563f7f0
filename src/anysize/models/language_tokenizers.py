"""Tokenizers for language models from scratch: what they make of a text gives the text again.

``word`` takes what blanks separate, and every line end, as they are (the protocol of Penn Treebank
and WikiText, where a line end counts as a word and rare words are ``<unk>`` already); ideographs
are words of their own. ``bpe`` (Sennrich et al., arXiv:1508.07909) and ``unigram`` (Kudo,
arXiv:1804.10959) work on bytes as in GPT-2, so that nothing is unknown in any language; ``byte``
takes every byte as a token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordLevelTrainer

from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

KINDS = ("bpe", "unigram", "word", "byte")
END, UNKNOWN = "<|endoftext|>", "<unk>"
"""What documents begin and end with; a word that the vocabulary does not have."""

_IDEOGRAPH = Regex(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_LINE_END = Regex(r"\r?\n")
_BLANKS = Regex(r"[^\S\n]+")
_PART = 4096  # characters handed to a trainer at a time
_MOST = 50_000_000
SMALLEST = 257  # all bytes, and the token between documents


def train(
    texts: Callable[[], Iterator[str]], kind: str, vocabulary: int, *, most: int = _MOST
) -> Tokenizer:
    """A tokenizer whose vocabulary is learned from a stream of texts.

    Args:
        texts: gives the stream; called twice for ``word``, where the texts have no ``<unk>``: words
            that are in them once are then unknown, so that the model learns what that means.
        kind: one of `KINDS`.
        vocabulary: the most tokens it may have.
        most: characters after which the rest is left unread.

    Raises:
        ConfigurationError: no such kind, a vocabulary that is too small, or no text.
    """
    problems = []
    if kind not in KINDS:
        problems.append(f"tokenizer must be one of {', '.join(KINDS)}, not {kind!r}")
    elif kind != "word" and vocabulary < SMALLEST:
        problems.append(f"vocabulary must be at least {SMALLEST} (all bytes), not {vocabulary}")
    elif vocabulary < 3:
        problems.append(f"vocabulary must be at least 3, not {vocabulary}")
    if problems:
        raise ConfigurationError(problems)
    parts = _parts(texts(), most)
    first = next(parts, None)
    if first is None:
        raise ConfigurationError("a tokenizer cannot be trained: the training texts are empty")
    stream = chain([first], parts)
    if kind == "word":
        return _words(stream, lambda: _parts(texts(), most), vocabulary)
    tokenizer = Tokenizer(models.Unigram() if kind == "unigram" else models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    common: dict[str, Any] = {
        "vocab_size": SMALLEST if kind == "byte" else vocabulary,
        "special_tokens": [END],
        "initial_alphabet": alphabet,
        "show_progress": False,
    }
    if kind == "unigram":
        trainer: Any = UnigramTrainer(max_piece_length=16, **common)
    else:
        trainer = BpeTrainer(min_frequency=2, max_token_length=32, **common)
    tokenizer.train_from_iterator(stream, trainer)
    return _bounded(tokenizer)


def wrapped(tokenizer: Tokenizer, window: int) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers saves and loads it.

    Args:
        tokenizer: made by `train`.
        window: tokens that the model has positions for.
    """
    from transformers import PreTrainedTokenizerFast

    unknown = {"unk_token": UNKNOWN} if tokenizer.token_to_id(UNKNOWN) is not None else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=window,
        model_input_names=["input_ids", "attention_mask"],
        bos_token=END,
        eos_token=END,
        pad_token=END,
        clean_up_tokenization_spaces=False,
        **unknown,
    )


def _words(stream: Iterator[str], again: Callable[[], Iterator[str]], vocabulary: int) -> Tokenizer:
    seen = [False]

    def looked(parts: Iterator[str]) -> Iterator[str]:
        for part in parts:
            seen[0] = seen[0] or UNKNOWN in part
            # The trainer would count it as a word, beside the token that it is.
            yield part.replace(UNKNOWN, " ").replace(END, " ")

    tokenizer = _by_words(looked(stream), vocabulary, 1)
    return tokenizer if seen[0] else _by_words(looked(again()), vocabulary, 2)


def _by_words(stream: Iterator[str], vocabulary: int, least: int) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_LINE_END, "isolated"),
            pre_tokenizers.Split(_BLANKS, "removed"),
            pre_tokenizers.Split(_IDEOGRAPH, "isolated"),
        ]
    )
    trainer = WordLevelTrainer(
        vocab_size=vocabulary,
        min_frequency=least,
        special_tokens=[END, UNKNOWN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(stream, trainer)
    return _bounded(tokenizer)


def _bounded(tokenizer: Tokenizer) -> Tokenizer:
    """With the token that documents begin with before every text."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return tokenizer


def _parts(texts: Iterator[str], most: int) -> Iterator[str]:
    """Pieces that end where a line does, if there is one, ``most`` characters in all."""
    for text in texts:
        start = 0
        while start < min(len(text), most):
            stop = min(start + _PART, len(text), most)
            line = text.rfind("\n", start, stop) + 1
            stop = line if line > start and stop < len(text) else stop
            yield text[start:stop]
            start = stop
        most -= len(text)
        if most <= 0:
            return
