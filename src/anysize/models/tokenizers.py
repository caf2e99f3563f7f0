"""Tokenizers: trained from scratch on any language, loaded from a folder, saved for transformers.

A tokenizer made here is byte-level byte-pair encoding (Sennrich et al., arXiv:1508.07909; on bytes
as in GPT-2) after splitting at white space, around punctuation and symbols, and around every
Chinese, Japanese or Korean ideograph (as BERT does). So no character is ever unknown, a rare one in
a word leaves the rest of the word readable, and frequent ideographs are one token each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from anysize.core.errors import BundleError, ConfigurationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PADDING, UNKNOWN, START, END, MASK = SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# All bytes and all special tokens must have a place.
SMALLEST_VOCABULARY = 256 + len(SPECIALS)

_SPLIT = Regex(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{P}\p{S}]")
_PART = 4096  # characters handed to the trainer at a time
_HOW_LOADED = ("is_local", "local_files_only", "trust_remote_code")


def train_tokenizer(
    texts: Iterable[str],
    vocabulary: int = 8000,
    *,
    lowercase: bool = True,
    most_characters: int = 20_000_000,
) -> Tokenizer:
    """A tokenizer whose vocabulary is learned from ``texts``; the same texts give the same one.

    Memory grows with the number of different words, not with the length of the texts.

    Args:
        texts: read as a stream, once.
        vocabulary: the most tokens it may have, at least 261; fewer where the texts have no more
            pairs to merge.
        lowercase: whether upper and lower case are the same.
        most_characters: characters after which the rest of ``texts`` is left unread.

    Raises:
        ConfigurationError: ``vocabulary`` or ``most_characters`` breaks its rule, or there is
            no text.
    """
    problems = []
    if vocabulary < SMALLEST_VOCABULARY:
        problems.append(f"vocabulary must be at least {SMALLEST_VOCABULARY}, not {vocabulary}")
    if most_characters < 1:
        problems.append(f"most_characters must be at least 1, not {most_characters}")
    if problems:
        raise ConfigurationError(problems)
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(_SPLIT, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=32,
        show_progress=False,
    )
    parts = parts_of(texts, most_characters)
    first = next(parts, None)
    if first is None:
        raise ConfigurationError(
            "a tokenizer cannot be trained: the training texts are empty; "
            "check the text column, or take a model with a tokenizer of its own"
        )
    tokenizer.train_from_iterator(chain([first], parts), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B:1 {END}:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (START, END)],
    )
    return tokenizer


def parts_of(texts: Iterable[str], most: int) -> Iterator[str]:
    """Pieces of the texts, none longer than the trainer should hold, ``most`` characters in all."""
    for text in texts:
        for start in range(0, min(len(text), most), _PART):
            yield text[start : min(start + _PART, most)]
        most -= len(text)
        if most <= 0:
            return


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a folder in the Hugging Face layout, with truncation and padding off.

    Raises:
        BundleError: there is no ``tokenizer.json`` that can be read.
    """
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise BundleError(
            str(folder),
            "has no tokenizer.json; save the tokenizer in its fast form "
            "(AutoTokenizer.from_pretrained(…).save_pretrained(…)) beside the model",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no other
        raise BundleError(str(path), f"is not a tokenizer that can be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Writes a tokenizer of transformers, without how it was found when it was loaded.

    A run that was resumed has loaded its own; what it leaves is the same.
    """
    for name in _HOW_LOADED:
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.save_pretrained(folder)


def wrap_tokenizer(tokenizer: Tokenizer, *, window: int) -> PreTrainedTokenizerFast:
    """The same tokenizer for transformers; its ``save_pretrained`` is what AutoTokenizer loads.

    Args:
        tokenizer: is copied. Those of the special tokens ``[PAD] [UNK] [CLS] [SEP] [MASK]`` that
            it knows keep their part.
        window: tokens that the model reads at once (``model_max_length``).
    """
    from transformers import PreTrainedTokenizerFast

    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    known = {
        role: token
        for role, token in zip(roles, SPECIALS, strict=True)
        if tokenizer.token_to_id(token) is not None
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=window,
        model_input_names=["input_ids", "attention_mask"],
        **known,
    )
