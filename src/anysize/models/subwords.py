"""Subword vocabularies for generation: learned from the texts, and turned back into them exactly.

Texts are split into words with the space before them, digits, punctuation and ideographs apart, and
the words into byte-level units: byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) or a
unigram model (Kudo 2018, arXiv:1804.10959). No character is unknown, and the tokens of a text are
that text again, white space and case included.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal, TypeAlias

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer, UnigramTrainer
from transformers import PreTrainedTokenizerFast

from anysize.core.errors import ConfigurationError
from anysize.models.tokenizers import parts_of

Kind: TypeAlias = Literal["bpe", "unigram"]

PADDING, END, UNKNOWN = SPECIALS = ("<pad>", "</s>", "<unk>")
SMALLEST_VOCABULARY = 256 + len(SPECIALS)

_WORDS = Regex(
    r"\p{Han}|\p{Hiragana}|\p{Katakana}| ?\p{N}| ?[\p{P}\p{S}]"
    r"| ?[^\s\p{P}\p{S}\p{N}\p{Han}\p{Hiragana}\p{Katakana}]+|\s"
)


def train_subwords(
    texts: Iterable[str],
    vocabulary: int = 8000,
    *,
    kind: Kind = "bpe",
    most_characters: int = 20_000_000,
) -> Tokenizer:
    """A tokenizer whose vocabulary is learned from ``texts``; the same texts give the same one.

    Its first tokens are ``<pad>``, ``</s>``, which ends every sequence, and ``<unk>``, which never
    occurs. Memory grows with the number of different words, not with the length of the texts.

    Args:
        texts: read as a stream, once; of several languages where they share the vocabulary.
        vocabulary: the most tokens, at least 259.
        kind: ``bpe`` or ``unigram``.
        most_characters: characters after which the rest of ``texts`` is left unread.

    Raises:
        ConfigurationError: ``vocabulary`` or ``kind`` breaks its rule, or there is no text.
    """
    problems = []
    if vocabulary < SMALLEST_VOCABULARY:
        problems.append(f"vocabulary must be at least {SMALLEST_VOCABULARY}, not {vocabulary}")
    if kind not in ("bpe", "unigram"):
        problems.append(f"subwords must be bpe or unigram, not {kind!r}")
    if problems:
        raise ConfigurationError(problems)
    model: Any = models.BPE() if kind == "bpe" else models.Unigram()
    tokenizer = Tokenizer(model)
    # The first word has a space before it, as all others; the decoder takes it away again.
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Prepend(" ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_WORDS, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    parts = parts_of(texts, most_characters)
    first = next(parts, None)
    if first is None:
        raise ConfigurationError(
            "a vocabulary cannot be learned: the training texts are empty; check the columns of "
            "source and target, or take a model with a tokenizer of its own"
        )
    tokenizer.train_from_iterator(chain([first], parts), _trainer(vocabulary, kind))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return tokenizer


def wrap_subwords(tokenizer: Tokenizer, *, window: int) -> PreTrainedTokenizerFast:
    """The same tokenizer for transformers; its ``save_pretrained`` is what AutoTokenizer loads.

    Args:
        tokenizer: of `train_subwords`.
        window: tokens that the model reads at once (``model_max_length``).
    """
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=window,
        model_input_names=["input_ids", "attention_mask"],
        pad_token=PADDING,
        eos_token=END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def _trainer(vocabulary: int, kind: Kind) -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if kind == "unigram":
        return UnigramTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIALS),
            initial_alphabet=alphabet,
            unk_token=UNKNOWN,
            show_progress=False,
        )
    return BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(SPECIALS),
        initial_alphabet=alphabet,
        max_token_length=32,
        show_progress=False,
    )
