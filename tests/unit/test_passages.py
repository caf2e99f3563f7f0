"""Passages: whole sentences that fit, and cores that partition the text."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.readers.text import Text
from anysize.windows.passages import Passage, Passages

TEXTS = st.lists(
    st.sampled_from(["One two. ", "Three!\n", "四五。", "six ", "\n\n", "x" * 40, " ", "Dr. No? "]),
    max_size=30,
).map("".join)


@given(TEXTS, st.integers(1, 60), st.integers(1, 4))
def test_cores_partition_and_sentences_are_slices(text: str, most: int, sentences: int) -> None:
    cut = Passages(most=most, size=len, sentences=sentences, longest=32)
    found = list(cut.stream(Text(text)))
    assert [each.last for each in found] == [False] * (len(found) - 1) + [True]
    assert found[0].core.start == 0
    assert found[-1].core.stop == len(text)
    for one, other in itertools.pairwise(found):
        assert one.core.stop == other.core.start
    for passage in found:
        assert len(passage.sentences) <= sentences
        for each in passage.sentences:
            assert text[each.start : each.stop] == each.text
            assert passage.core.start <= each.start
            assert each.stop <= passage.core.stop
    read = "".join(each.text for passage in found for each in passage.sentences)
    assert "".join(read.split()) == "".join(text.split())


@given(TEXTS, st.integers(8, 60))
def test_no_passage_is_larger_than_asked_for(text: str, most: int) -> None:
    # As tokenizers may, it takes more for two sentences side by side than for each alone.
    def size(part: str) -> int:
        return len(part.strip()) + part.count(". ") * 2

    for passage in Passages(most=most, size=size).stream(Text(text)):
        assert size(passage.text) <= most or len(passage.sentences) == 1


def test_a_long_sentence_without_a_border_comes_in_pieces() -> None:
    (*some, last) = Passages(most=10, size=len).stream(Text("abcdefgh" * 4 + ". End."))
    pieces = [each for passage in (*some, last) for each in passage.sentences]
    assert "".join(each.text for each in pieces if each.piece) == "abcdefgh" * 4 + "."
    assert pieces[-1].text == "End."
    assert not pieces[-1].piece


def test_blank_texts_are_one_passage_without_sentences() -> None:
    for text in ("", " \n\n "):
        assert list(Passages(most=5, size=len).stream(Text(text))) == [
            Passage((), core=_span(len(text)), last=True)
        ]


def test_mistakes_are_named_together() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)most.*sentences.*longest"):
        Passages(most=0, size=len, sentences=0, longest=3)


class Endless(Text):
    """So many sentences as are asked for, never held."""

    def __init__(self, count: int) -> None:
        super().__init__("")
        self._count = count

    def chunks(self) -> Iterator[str]:
        return (f"Sentence number {place} says something. " for place in range(self._count))


def test_memory_does_not_grow_with_the_text() -> None:
    peaks = []
    for count in (300, 6_000):
        tracemalloc.start()
        found = sum(1 for _ in Passages(most=2_000, size=len).stream(Endless(count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found > count // 60
    assert peaks[1] < 1.2 * peaks[0]


def _span(stop: int) -> object:
    from anysize.core.windows import Span

    return Span(0, stop)
