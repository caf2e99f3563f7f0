"""A text repeated beside each window of another, against tokenising both at once."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from anysize.core.errors import ConfigurationError, DataError
from anysize.models.tokenizers import train_tokenizer
from anysize.readers.text import Text
from anysize.windows.frames import Side
from anysize.windows.spans import spans
from anysize.windows.tokens import TokenWindows

QUESTION = "Who wrote the long book about a naïve whale?"
CONTEXT = "It was the best of times, it was the worst of times. Melville wrote Moby-Dick in 1851! "


def _bert_like() -> Tokenizer:
    return train_tokenizer([CONTEXT * 3, QUESTION], vocabulary=300)


def _roberta_like() -> Tokenizer:
    tokenizer = _bert_like()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>"))
    )
    return tokenizer


KINDS = {"bert": _bert_like(), "roberta": _roberta_like()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_short_pair_is_what_the_tokenizer_makes_of_it(kind: str, side: Side) -> None:
    tokenizer = KINDS[kind]
    windows = TokenWindows(tokenizer, size=200, types=True, places=True, side=side)
    (window,) = windows.stream(Text(CONTEXT), Text(QUESTION))
    pair = (QUESTION, CONTEXT) if side == "before" else (CONTEXT, QUESTION)
    expected = tokenizer.encode(*pair)
    assert window.ids.tolist() == expected.ids
    assert window.types is not None
    assert window.types.tolist() == expected.type_ids
    assert window.places is not None
    alone = tokenizer.encode(CONTEXT, add_special_tokens=False)
    assert window.places.offsets.tolist() == [list(pair) for pair in alone.offsets]
    own = window.ids[window.first : window.first + window.region.size]
    assert own.tolist() == alone.ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_each_window_of_a_long_text_has_the_other_beside_it(kind: str, side: Side) -> None:
    tokenizer, text = KINDS[kind], CONTEXT * 40
    windows = TokenWindows(
        tokenizer, size=60, overlap=9, chunk=300, types=True, places=True, side=side
    )
    asked = tokenizer.encode(QUESTION, add_special_tokens=False).ids
    whole = tokenizer.encode(text, add_special_tokens=False)
    specials = len(tokenizer.encode("a", "a").ids) - 2
    room = 60 - specials - len(asked)
    found = list(windows.stream(Text(text), Text(QUESTION)))
    # The question is no part of what is divided into regions and cores.
    assert [(each.region, each.core) for each in found] == list(spans(len(whole.ids), room, 9))
    for window in found:
        region = slice(window.region.start, window.region.stop)
        assert len(window.ids) == window.region.size + len(asked) + specials <= 60
        assert window.ids[window.first :][: window.region.size].tolist() == whole.ids[region]
        assert window.places is not None
        assert window.places.offsets.tolist() == [list(pair) for pair in whole.offsets[region]]
        # What the tokenizer puts around two texts, with this window as one of them.
        one = tokenizer.encode(QUESTION, add_special_tokens=False)
        two = tokenizer.encode(text, add_special_tokens=False)
        two.truncate(window.region.size)
        pair = (one, two) if side == "before" else (two, one)
        frame = tokenizer.post_process(*pair)
        ids = np.array(frame.ids)
        ids[window.first : window.first + window.region.size] = whole.ids[region]
        assert window.ids.tolist() == ids.tolist()
        assert window.types is not None
        assert window.types.tolist() == frame.type_ids


def test_nothing_beside_is_as_it_was() -> None:
    (window,) = TokenWindows(KINDS["bert"], size=200).stream(Text(CONTEXT))
    assert window.ids.tolist() == KINDS["bert"].encode(CONTEXT).ids
    assert window.first == 1
    assert window.types is None
    assert window.places is None


@pytest.mark.parametrize("repeats", [3, 3000])
def test_a_repeated_text_that_is_too_long_is_refused_by_name(repeats: int) -> None:
    windows = TokenWindows(KINDS["bert"], size=40, overlap=8, repeated="question")
    with pytest.raises(DataError, match="the question is too long") as caught:
        next(windows.stream(Text(CONTEXT), Text(QUESTION * repeats, origin="rows.csv:7")))
    # 40 tokens, less three special ones, 8 that overlap and one more to go forward.
    assert "so it may have 28" in str(caught.value)
    assert "rows.csv:7" in str(caught.value)


def test_the_longest_repeated_text_that_is_allowed_leaves_windows_that_go_forward() -> None:
    tokenizer = KINDS["bert"]
    ids = tokenizer.encode(QUESTION, add_special_tokens=False).ids
    size = len(ids) + 3 + 8 + 1
    found = list(
        TokenWindows(tokenizer, size=size, overlap=8).stream(Text(CONTEXT), Text(QUESTION))
    )
    assert max(len(window.ids) for window in found) == size
    assert sum(window.core.size for window in found) == found[-1].region.stop
    with pytest.raises(DataError, match="too long"):
        next(
            TokenWindows(tokenizer, size=size - 1, overlap=8).stream(Text(CONTEXT), Text(QUESTION))
        )


def test_a_tokenizer_that_joins_no_texts_is_refused() -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="$B:1 $A", special_tokens=[]
    )
    with pytest.raises(ConfigurationError, match="how two texts are joined"):
        next(TokenWindows(tokenizer, size=20).stream(Text("a a"), Text("a")))
