"""Passages and windows for language models: each token once, from the tokens before it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.models.language_tokenizers import train
from anysize.readers.text import Text
from anysize.sources import open_source
from anysize.sources.passages import BEFORE, CONTINUES, passages_of
from anysize.tasks.text_generation import TextCounts, TextGeneration, counts_of
from anysize.windows.language import IGNORED, LanguageWindows

TOKENIZER = train(lambda: iter(["a b c d e f g h i j\n"]), "word", 100)


def text_of(tokens: int) -> str:
    return " ".join("abcdefghij"[place % 10] for place in range(tokens))


@settings(max_examples=60)
@given(
    tokens=st.integers(1, 40), size=st.integers(2, 9), context=st.integers(0, 8),
    before=st.integers(0, 12), begins=st.booleans(), first=st.integers(1, 9),
)  # fmt: skip
def test_every_token_is_predicted_once_from_those_before_it(
    tokens: int, size: int, context: int, before: int, begins: bool, first: int
) -> None:
    context = min(context, size - 1)
    windows = LanguageWindows(
        tokenizer=TOKENIZER, size=size, context=context, begin=0 if begins else None
    )
    text = text_of(tokens)
    lead = Text(text_of(before)) if before else None
    found = list(windows.stream(Text(text), lead, first=min(first, size)))
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    predicted = [int(each) for one in found for each in one.labels if each != IGNORED]
    alone = lead is None and not begins
    assert predicted == (ids[1:] if alone else ids)
    every = [0] if begins and lead is None else []
    every += TOKENIZER.encode(text_of(before), add_special_tokens=False).ids if before else []
    start = len(every)
    place = start + alone
    for one in found:
        assert len(one.ids) <= size
        wanted = np.flatnonzero(one.labels != IGNORED)
        for at in wanted.tolist():
            # What the model reads up to there is what comes before the token in the text.
            read = one.ids[: at + 1].tolist()
            assert (every + ids)[place - len(read) : place] == read
            assert len(read) >= min(context + 1, place if lead is None else context + 1, place)
            place += 1
    cores = [one.core for one in found]
    assert cores[0].start == 0 and cores[-1].stop == tokens
    assert all(a.stop == b.start for a, b in pairwise(cores))
    assert [one.last for one in found] == [False] * (len(found) - 1) + [True]


def test_context_of_size_less_one_gives_each_token_all_that_fits() -> None:
    windows = LanguageWindows(tokenizer=TOKENIZER, size=4, context=3, begin=0)
    found = list(windows.stream(Text(text_of(9))))
    assert [int((one.labels != IGNORED).sum()) for one in found] == [4, 1, 1, 1, 1, 1]


def test_windows_refuse_a_context_that_leaves_nothing() -> None:
    with pytest.raises(ConfigurationError, match="below the window"):
        LanguageWindows(tokenizer=TOKENIZER, size=4, context=4)


@settings(max_examples=60)
@given(st.text(alphabet="ab \n.。中", max_size=400), st.integers(8, 40))
def test_passages_cover_a_text(text: str, size: int) -> None:
    found = list(passages_of(iter([text[:7], text[7:]]), size))
    assert found[0][0] == 0 and found[-1][1] == len(text)
    assert all(one[1] == two[0] for one, two in pairwise(found))
    assert all(stop - start <= 4 * size for start, stop, _ in found)


def test_articles_of_wikitext_are_documents(tmp_path: Path) -> None:
    part = " The lobster is large . It has two claws @-@ like legs . \n" * 40
    path = tmp_path / "wiki.txt"
    path.write_text(f" \n = Lobster = \n \n{part} = = Claws = = \n{part} = Crab = \n \n{part}")
    source = open_source(path, roles=TextGeneration().columns)
    records = [source[index] for index in range(len(source))]
    texts = ["".join(record.text("text").chunks()) for record in records]
    assert "".join(texts) == path.read_text()
    both = zip(records, texts, strict=True)
    firsts = [text.strip() for record, text in both if BEFORE not in record.fields]
    assert [text.split("\n")[0].strip() for text in firsts] == ["= Lobster =", "= Crab ="]
    ends = [CONTINUES not in record.values for record in records]
    assert sum(ends) == 2 and ends[-1]
    before = records[1].text(BEFORE)
    assert "".join(before.chunks()) == texts[0]
    assert len({record.id for record in records}) == len(records)


def test_lines_of_penn_treebank_end_passages(tmp_path: Path) -> None:
    path = tmp_path / "ptb.txt"
    path.write_text(" no it was n't black monday \n but while <unk> N \n" * 200)
    source = open_source(path, roles=TextGeneration().columns)
    assert len(source) > 3
    for index in range(len(source)):
        text = "".join(source[index].text("text").chunks())
        assert text.endswith("\n") and text.startswith(" ")


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_words_are_counted_across_pieces(cut: int) -> None:
    text = "ab cd\nef  gh 中文\n"
    pieces = (text[start : start + cut] for start in range(0, len(text), cut))
    assert counts_of(pieces) == TextCounts(words=7, characters=len(text), bytes=len(text.encode()))
