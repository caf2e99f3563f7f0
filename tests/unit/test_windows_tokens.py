"""Streaming tokenisation against tokenising the whole text at once."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from tokenizers.implementations import SentencePieceUnigramTokenizer

from anysize.core.errors import ConfigurationError
from anysize.core.windows import Span
from anysize.windows import encoding as encoding_module
from anysize.windows.encoding import TextEncoder
from anysize.windows.spans import spans
from anysize.windows.tokens import TokenWindow, TokenWindows

ENGLISH = (
    "The quick brown fox doesn't jump over 1234567 lazy dogs; it strolls, hums and re-reads "
    '"Moby-Dick" (1851)!\n\nUnbelievably, nobody noticed...  Naïve cafés cost €3.50 each.\n'
    "\tIndented   lines, trailing spaces  \nand e-mail@example.com, http://example.com/a?b=c. "
)
CHINESE = (
    "自然语言处理是人工智能领域的一个重要方向。今天天气很好，我们去公园散步吧！"
    "这部电影非常感人，演员的表演也很出色，值得一看。模型不能处理过长的文本，所以要分成窗口。"
)
SAMPLE = [ENGLISH, CHINESE, ENGLISH.upper(), "混合 mixed 文本 text 2026年11月。", "😀👩‍👩‍👧 é é"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def _with_specials(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=SPECIALS, show_progress=False
    )
    tokenizer.train_from_iterator(SAMPLE * 3, trainer)
    return _with_specials(tokenizer)


def byte_level(*, prefix_space: bool, trim: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=450,
        special_tokens=["<s>", "</s>", *SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SAMPLE * 3, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")),
        ("<s>", tokenizer.token_to_id("<s>")),
        trim_offsets=trim,
        add_prefix_space=prefix_space,
    )
    return tokenizer


def digits_in_threes() -> Tokenizer:
    """As GPT-4's: punctuation takes newlines along, digits go in groups of three."""
    tokenizer = byte_level(prefix_space=False, trim=False)
    pattern = (
        r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def unigram() -> Tokenizer:
    """As T5's: Metaspace with a prefix space, spaces collapsed, NFKC."""
    made = SentencePieceUnigramTokenizer()
    made.train_from_iterator(
        SAMPLE * 3, vocab_size=300, special_tokens=SPECIALS, unk_token="[UNK]", show_progress=False
    )
    tokenizer: Tokenizer = made._tokenizer
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    return _with_specials(tokenizer)


def whole_sentence_bpe() -> Tokenizer:
    """As Llama's: a prefix space from the normaliser and no splitting before the merges."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[*SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator(SAMPLE * 3, trainer)
    tokenizer.pre_tokenizer = None  # type: ignore[assignment]
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return _with_specials(tokenizer)


KINDS = {
    "wordpiece": wordpiece(),
    "byte level": byte_level(prefix_space=False, trim=False),
    "byte level, prefix space, trimmed": byte_level(prefix_space=True, trim=True),
    "digits in threes": digits_in_threes(),
    "unigram": unigram(),
    "whole sentence": whole_sentence_bpe(),
}
kinds = pytest.mark.parametrize("kind", list(KINDS))


@dataclass(frozen=True)
class Text:
    """A text field in memory, in pieces of a given length."""

    content: str
    piece: int = 1000
    origin: str = "memory"

    @property
    def size_hint(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[str]:
        for start in range(0, len(self.content), self.piece):
            yield self.content[start : start + self.piece]

    def read(self, start: int, stop: int) -> str:
        return self.content[start:stop]


def streamed(
    tokenizer: Tokenizer, text: str, chunk: int
) -> tuple[list[int], list[tuple[int, int]]]:
    ids: list[int] = []
    characters: list[tuple[int, int]] = []
    encoder = TextEncoder(tokenizer, chunk)
    for piece, first, last in encoder.stream(Text(text, 37).chunks()):
        ids += piece.ids[first:last].tolist()
        characters += [piece.characters(index) for index in range(first, last)]
    return ids, characters


def assert_same(kind: str, text: str, chunk: int) -> None:
    whole = KINDS[kind].encode(text, add_special_tokens=False)
    ids, characters = streamed(KINDS[kind], text, chunk)
    if ids != whole.ids and kind == "unigram":
        # Where several paths are equally good (".. .", ". .."), rounding decides. In a run of one
        # character a cut may even shift all of them.
        longest_run = max(len(list(run)) for _, run in groupby(text))
        tolerance = 30 if longest_run > 80 else 1e-6
        assert probability(ids) == pytest.approx(probability(whole.ids), abs=tolerance)
        assert covered(characters) == covered(whole.offsets)
        return
    assert ids == whole.ids
    assert characters == whole.offsets


def covered(characters: list[tuple[int, int]]) -> set[int]:
    """Every character that a token was made of."""
    return {index for start, stop in characters for index in range(start, stop)}


def probability(ids: list[int]) -> float:
    """Logarithm, of a sequence of the Unigram tokenizer."""
    vocabulary = json.loads(KINDS["unigram"].to_str())["model"]["vocab"]
    return sum(vocabulary[index][1] for index in ids)


def prose(language: str, seed: int, length: int) -> str:
    """Random words of the sample, or random characters for Chinese."""
    generator = random.Random(seed)
    if language == "english":
        units = ENGLISH.split(" ")
        return " ".join(generator.choices(units, k=length // 6))
    if language == "chinese":
        return "".join(generator.choices(CHINESE + "，。\n", k=length))
    units = [*ENGLISH.split(" "), *CHINESE, *" \n\t", "😀", "é", "é", "123456789"]
    return "".join(generator.choices(units, k=length // 3))


@kinds
@pytest.mark.parametrize("language", ["english", "chinese", "mixed"])
@pytest.mark.parametrize("chunk", [50, 333, 4096])
def test_stream_equals_whole(kind: str, language: str, chunk: int) -> None:
    assert_same(kind, prose(language, chunk, 6000), chunk)


ALPHABET = st.one_of(
    st.sampled_from(" \n\t.,-aé的1"),
    st.characters(codec="utf-8"),
    st.sampled_from([*ENGLISH.split(" "), " the", "  ", "\n\n", "[SEP]", "自然", "👩‍👩‍👧", "é"]),
)


@kinds
@settings(max_examples=25, deadline=None)
@given(parts=st.lists(ALPHABET, max_size=30), repeat=st.integers(1, 60), chunk=st.integers(20, 900))
def test_stream_equals_whole_on_random_text(
    kind: str, parts: list[str], repeat: int, chunk: int
) -> None:
    assert_same(kind, "".join(parts) * repeat, chunk)


@kinds
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), chunk=st.integers(20, 2000))
def test_stream_equals_whole_on_random_prose(kind: str, seed: int, chunk: int) -> None:
    generator = random.Random(seed)
    parts = []
    for _ in range(generator.randint(1, 6)):
        language = generator.choice(["english", "chinese", "mixed"])
        parts.append(prose(language, seed, generator.randint(1, 1500)))
        parts.append(generator.choice(["", " ", "\n"]) * generator.randint(0, 700))
        parts.append(generator.choice("a的1-.é") * generator.choice([0, 1, 90, 99, 101, 130, 500]))
    assert_same(kind, "".join(parts), chunk)


@kinds
@pytest.mark.parametrize("unit", ["a", " ", "\n", "的", "1", "ab", "😀", "-", "é"])
def test_long_runs_without_a_border(kind: str, unit: str) -> None:
    assert_same(kind, "so " + unit * 9000 + " it ends.", 500)


def test_words_that_wordpiece_gives_up_are_seen_whole() -> None:
    text = " ".join("a" * length for length in (99, 100, 101, 150, 100, 99, 230) * 6)
    for chunk in range(40, 160, 17):
        assert_same("wordpiece", text, chunk)


def test_a_word_above_the_limit_is_cut_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoding_module, "LONGEST", 2000)
    text = "x" * 20_000 + " ends here"
    _, characters = streamed(KINDS["wordpiece"], text, 300)
    word = [pair for pair in characters if pair[1] <= 20_000]
    assert 2 < len(word) < 40
    assert (word[0][0], word[-1][1]) == (0, 20_000)
    assert all(left[1] == right[0] for left, right in pairwise(word))
    ending = KINDS["wordpiece"].encode(" ends here", add_special_tokens=False)
    assert characters[len(word) :] == [(a + 20_000, b + 20_000) for a, b in ending.offsets]


def windows_of(text: str, kind: str = "wordpiece", **options: int) -> list[TokenWindow]:
    return list(TokenWindows(KINDS[kind], **{"size": 20, **options}).stream(Text(text)))


@kinds
@pytest.mark.parametrize("language", ["english", "chinese", "mixed"])
@pytest.mark.parametrize(("size", "overlap"), [(20, 0), (20, 7), (3, 0), (700, 100)])
def test_windows_equal_slices_of_the_whole(
    kind: str, language: str, size: int, overlap: int
) -> None:
    text = prose(language, size, 3000)
    tokenizer = KINDS[kind]
    found = windows_of(text, kind, size=size, overlap=overlap, chunk=300)
    whole = tokenizer.encode(text, add_special_tokens=False)
    ids, offsets = whole.ids, whole.offsets
    start, stop = (tokenizer.encode("a").ids[index] for index in (0, -1))
    assert [(w.region, w.core) for w in found] == list(spans(len(ids), size - 2, overlap))
    for window in found:
        region = window.region
        assert window.ids.dtype == np.int32
        assert window.ids.tolist() == [start, *ids[region.start : region.stop], stop]
        first = offsets[region.start][0] if region.start else 0
        last = len(text) if window.last else offsets[region.stop - 1][1]
        assert window.characters == Span(first, last)
    assert [w.last for w in found] == [False] * (len(found) - 1) + [True]


@pytest.mark.parametrize("text", ["", "  \n", " " * 5000])
def test_a_text_without_tokens_has_one_window(text: str) -> None:
    (window,) = windows_of(text)
    assert window.ids.tolist() == KINDS["wordpiece"].encode("").ids
    assert (window.region, window.core, window.last) == (Span(0, 0), Span(0, 0), True)
    assert window.characters == Span(0, len(text))


def test_short_text_takes_the_same_tokens() -> None:
    for text in ("Unbelievably naïve cafés.", "值得一看", "a" * 101, "[SEP] in text"):
        (window,) = windows_of(text, size=64)
        assert window.ids.tolist() == KINDS["wordpiece"].encode(text).ids
        assert window.characters == Span(0, len(text))
        assert window.last


def test_max_windows_stops_early() -> None:
    text = prose("english", 3, 4000)
    everything = windows_of(text, overlap=4)
    one, two = windows_of(text, overlap=4, max_windows=2)
    assert one.ids.tolist() == everything[0].ids.tolist()
    assert (two.region, two.last) == (everything[1].region, True)
    assert two.core == Span(one.core.stop, two.region.stop)
    assert len(windows_of(text, overlap=4, max_windows=10**6)) == len(everything)


def test_reading_is_lazy_and_bounded() -> None:
    """The text runs at most a few pieces ahead of the windows."""
    read = 0

    class Endless(Text):
        def chunks(self) -> Iterator[str]:
            nonlocal read
            while True:
                read += len(ENGLISH)
                yield ENGLISH

    stream = TokenWindows(KINDS["wordpiece"], size=128).stream(Endless(""))
    for _ in range(300):
        window = next(stream)
        assert read - window.characters.stop < 40_000
    assert window.characters.stop > 20_000


def test_users_tokenizer_is_not_changed_and_its_truncation_not_used() -> None:
    tokenizer = wordpiece()
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    before = tokenizer.to_str()
    found = list(TokenWindows(tokenizer, size=2000).stream(Text(ENGLISH)))
    assert len(found[0].ids) == len(KINDS["wordpiece"].encode(ENGLISH).ids)
    assert tokenizer.to_str() == before


def test_threads_share_one_splitter() -> None:
    splitter = TokenWindows(KINDS["byte level"], size=33, overlap=5, chunk=200)
    texts = [prose("mixed", seed, 2000) for seed in range(16)]
    expected = [[w.ids.tolist() for w in splitter.stream(Text(text))] for text in texts]
    barrier = threading.Barrier(4)

    def work(index: int) -> list[list[int]]:
        if index < 4:
            barrier.wait(10)
        return [w.ids.tolist() for w in splitter.stream(Text(texts[index]))]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(16))) == expected


def test_parameters_are_checked_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        TokenWindows(KINDS["wordpiece"], size=20, overlap=18, max_windows=0)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigurationError, match="2 special tokens"):
        TokenWindows(KINDS["wordpiece"], size=2)
    with pytest.raises(ConfigurationError, match="chunk"):
        TokenWindows(KINDS["wordpiece"], size=20, chunk=0)
