"""Vocabularies of models with a CTC head: learned from transcripts, and what their tokens say.

Token 0 of a vocabulary made here is the blank. ``characters`` has every character of the
transcripts by itself, the blank space between words among them; ``subwords`` are pieces of words
(unigram, Kudo 2018, arXiv:1804.10959).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import UnigramTrainer

from anysize.core.errors import BundleError, ConfigurationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from anysize.models.network import Network

BLANK = 0
_SPECIALS = ("<blank>", "<unk>")
_UNKNOWN = 1
_BEGINNING = "\u2581"
_MOST = 50_000_000


def train_vocabulary(texts: Iterable[str], kind: str, size: int, *, most: int = _MOST) -> Tokenizer:
    """A tokenizer whose vocabulary is learned from transcripts; the same texts give the same one.

    Texts are brought to Unicode NFKC with one space where there is white space; case and
    punctuation stay as they are.

    Args:
        texts: read as a stream, once.
        kind: ``characters`` or ``subwords``.
        size: the most tokens, the blank and the unknown one among them.
        most: characters after which the rest is left unread.

    Raises:
        ConfigurationError: ``size`` is too small, or there is no text.
    """
    if size < len(_SPECIALS) + 1:
        raise ConfigurationError(f"vocabulary_size must be at least 3, not {size}")
    normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    lines = _normal(texts, normalizer, most)
    if kind == "characters":
        counts: Counter[str] = Counter()
        for line in lines:
            counts.update(line)
        if not counts:
            raise ConfigurationError(_EMPTY)
        known = sorted(counts, key=lambda each: (-counts[each], each))[: size - len(_SPECIALS)]
        vocabulary = {token: place for place, token in enumerate([*_SPECIALS, *sorted(known)])}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_SPECIALS[_UNKNOWN]))
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
        tokenizer.decoder = decoders.Fuse()
        return tokenizer
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_BEGINNING)
    tokenizer.decoder = decoders.Metaspace(replacement=_BEGINNING)
    trainer = UnigramTrainer(
        vocab_size=size,
        special_tokens=list(_SPECIALS),
        unk_token=_SPECIALS[_UNKNOWN],
        max_piece_length=8,
        show_progress=False,
    )
    first = next(lines, None)
    if first is None:
        raise ConfigurationError(_EMPTY)
    tokenizer.train_from_iterator(_chained(first, lines), trainer)
    return tokenizer


_EMPTY = (
    "a vocabulary cannot be learned: the training transcripts are empty; name their column with "
    "--columns text=NAME"
)


def wrap_vocabulary(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The same tokenizer for transformers; its ``save_pretrained`` is what AutoTokenizer loads."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_SPECIALS[BLANK],
        unk_token=_SPECIALS[_UNKNOWN],
        clean_up_tokenization_spaces=False,
    )


@dataclass(frozen=True, slots=True)
class CTCTokens:
    """What the outputs of a network stand for.

    Attributes:
        pieces: of each output, the text that it adds; a space before it begins a word. Empty for
            the blank and for tokens that stand for no text.
        blank: the output that adds nothing and divides equal neighbours.
        tokenizer: from texts to ids; None where ``places`` does it, character by character.
        places: ids of characters.
    """

    pieces: tuple[str, ...]
    blank: int
    tokenizer: Any
    places: dict[str, int]

    @classmethod
    def of(cls, network: Network) -> CTCTokens:
        """The tokens of a network with a CTC head.

        Raises:
            BundleError: it has no vocabulary, or one of another size than its outputs.
        """
        hub: Any = network.hub_tokenizer
        config = network.module.config
        if hub is None:
            raise BundleError(
                network.spec, "has no vocabulary (tokenizer.json, or vocab.json of its tokenizer)"
            )
        vocabulary: dict[str, int] = hub.get_vocab()
        size, blank = int(config.vocab_size), int(config.pad_token_id or 0)
        if not vocabulary or max(vocabulary.values()) >= size:
            raise BundleError(
                network.spec,
                f"its vocabulary has tokens up to number {max(vocabulary.values(), default=-1)}, "
                f"and its model gives {size} logits: they do not belong together",
            )
        special = {str(each) for each in hub.all_special_tokens} | set(_SPECIALS)
        gap = getattr(hub, "word_delimiter_token", None)
        pieces = [""] * size
        for token, place in vocabulary.items():
            if token in special and token != gap:
                continue
            pieces[place] = " " if token == gap else token.replace(_BEGINNING, " ")
        pieces[blank] = ""
        if network.tokenizer is not None:
            return cls(tuple(pieces), blank, network.tokenizer, {})
        places = {piece: place for place, piece in enumerate(pieces) if len(piece) == 1}
        return cls(tuple(pieces), blank, None, places)

    def encode(self, text: str) -> tuple[list[int], int]:
        """Ids of a transcript, and how many of its tokens are not in the vocabulary.

        Where a vocabulary of characters has a letter in the other case alone, that is taken.
        """
        if self.tokenizer is not None:
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            known = [each for each in ids if self.pieces[each]]
            return known, len(ids) - len(known)
        import unicodedata

        found, unknown = [], 0
        for character in " ".join(unicodedata.normalize("NFKC", text).split()):
            forms = (character, character.upper(), character.lower())
            place = next((self.places[form] for form in forms if form in self.places), None)
            if place is None:
                unknown += 1
            else:
                found.append(place)
        return found, unknown

    def text(self, ids: Sequence[int]) -> str:
        """What ids say, without blanks at the ends."""
        return "".join(self.pieces[each] for each in ids).strip()


def least_steps(ids: Sequence[int]) -> int:
    """Steps that an output needs for a target: one for each token, and one between two equals."""
    return len(ids) + sum(one == two for one, two in pairwise(ids))


def _normal(texts: Iterable[str], normalizer: Any, most: int) -> Iterator[str]:
    for text in texts:
        line: str = normalizer.normalize_str(text[:most])
        if line:
            yield line
        most -= len(text)
        if most <= 0:
            return


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
