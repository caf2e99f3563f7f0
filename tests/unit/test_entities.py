"""Entities from tags, against conlleval's rules written out, and over windows against the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.entities import Entity, entities_of, stretches, tag_names
from anysize.core.errors import DataError
from anysize.core.windows import Span, Window
from anysize.mergers.entities import EntityMerger
from anysize.readers.text import Text
from anysize.tasks.token_targets import entities_in, labels_in
from anysize.windows.spans import spans

TAGS = ["O", *(f"{kind}-{label}" for kind in "BIES" for label in ("PER", "LOC"))]


def conlleval(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Chunks as conlleval.pl and seqeval find them: their end-of-chunk and start-of-chunk tests."""
    found, begin = [], 0
    before, before_kind = "O", ""
    for place, text in enumerate([*tags, "O"]):
        tag, _, kind = text.partition("-")
        ends = (
            before in ("E", "S")
            or (before == "B" and tag in ("B", "S", "O"))
            or (before == "I" and tag in ("B", "S", "O"))
            or (before != "O" and before_kind != kind)
        )
        starts = (
            tag in ("B", "S")
            or (before in ("E", "S") and tag in ("E", "I"))
            or (before == "O" and tag in ("E", "I"))
            or (tag != "O" and before_kind != kind)
        )
        if before != "O" and ends:
            found.append((before_kind, begin, place - 1))
        if tag != "O" and starts:
            begin = place
        before, before_kind = tag, kind
    return found


@given(st.lists(st.sampled_from(TAGS), max_size=30))
@settings(max_examples=300)
def test_stretches_are_those_of_conlleval(tags: list[str]) -> None:
    assert list(stretches(tags)) == conlleval(tags)


def test_tags_of_a_model_are_a_beginning_and_an_inside_of_each_label() -> None:
    assert tag_names(["PER", "LOC", "PER"]) == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert list(stretches(["NN", "NN", "VB"])) == [("NN", 0, 1), ("VB", 2, 2)]


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=40
    ),
    st.integers(1, 9),
    st.randoms(),
)
@settings(max_examples=200)
def test_entities_do_not_depend_on_where_windows_end(
    words: list[tuple[int, int, int]], size: int, random: np.random.Generator
) -> None:
    """Words of one to three tokens, with blanks between some; windows in any order."""
    labels = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    offsets, starts, tags, bounds = [], [], [], []
    place = 0
    for tag, tokens, blanks in words:
        place += blanks
        bounds.append((place, place + 2 * tokens))
        for token in range(tokens):
            offsets.append((place, place + 2))
            starts.append(token == 0)
            # What a token that continues a word is given must not matter.
            tags.append(tag if token == 0 else (tag + 3) % 5)
            place += 2
    expected = entities_of(bounds, [labels[tag] for tag, _, _ in words])
    overlap = size // 3
    cut = list(enumerate(spans(len(tags), size, overlap)))
    random.shuffle(cut)
    merger = EntityMerger("r", labels)
    for index, (region, core) in cut:
        part = slice(region.start, region.stop)
        logits = np.zeros((region.size + 3, 5), np.float32)
        logits[2 + np.arange(region.size), tags[part]] = 9
        # Tokens outside of the core say something else.
        for at in range(region.size):
            if not core.start <= region.start + at < core.stop:
                logits[2 + at] = logits[2 + at][::-1]
        merger.add(
            Window(
                record="r", index=index, region=region, core=core, last=region.stop == len(tags)
            ),
            {
                "logits": logits,
                "first": np.array(2),
                "offsets": np.array(offsets[part], np.int64).reshape(-1, 2),
                "starts": np.array(starts[part], bool),
            },
        )
    result = merger.finish()
    found = [Entity(each["start"], each["end"], each["label"]) for each in result.prediction]
    assert found == list(expected)
    assert result.score is None
    assert "score" not in result.to_json()
    assert (result.receipt.extent, result.receipt.covered) == (len(tags), 1.0)


def test_the_score_of_an_entity_is_the_mean_of_its_words() -> None:
    merger = EntityMerger("r", ("O", "B-X", "I-X"))
    logits = np.log(np.array([[0.2, 0.7, 0.1], [0.1, 0.0001, 0.8999], [0.6, 0.3, 0.1]]))
    merger.add(
        Window(record="r", index=0, region=Span(0, 3), core=Span(0, 3), last=True),
        {
            "logits": logits,
            "first": np.array(0),
            "offsets": np.array([[0, 2], [3, 5], [6, 8]]),
            "starts": np.ones(3, bool),
        },
    )
    (found,) = merger.finish().prediction
    assert found == {"label": "X", "start": 0, "end": 5, "score": pytest.approx(0.79995, abs=1e-6)}


TEXT = Text("Anna Berg is in New York .", origin="r")
EXPECTED = (Entity(0, 9, "PER"), Entity(16, 24, "LOC"))


@pytest.mark.parametrize(
    "target",
    [
        '["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O"]',
        "I-PER I-PER O O I-LOC I-LOC O",
        ["B-PER", "E-PER", "O", "O", "B-LOC", "E-LOC", "O"],
        '[{"start": 0, "end": 9, "label": "PER"}, {"begin": 16, "stop": 24, "type": "LOC"}]',
        "[[16, 24, \"LOC\"], [0, 9, \"PER\"]]",
    ],
)  # fmt: skip
def test_tags_and_stretches_are_the_same_entities(target: object) -> None:
    assert entities_in(target, TEXT) == EXPECTED
    assert labels_in(target, "r") == {"PER", "LOC"}


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("B-PER O", "2 tags and 7 words"),
        ("[1, 0, 2]", "tags are numbers"),
        ("[[0, 99, \"PER\"]]", "not inside the text of 26 characters"),
        ("[[0, 9, \"PER\"], [5, 9, \"LOC\"]]", "overlap"),
        ('[{"start": 0, "label": "PER"}]', "needs a start, an end and a label"),
        ("[[0, 9", "not a list that can be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_target_is_said(target: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        entities_in(target, TEXT)


def test_no_entities_are_a_target_too() -> None:
    assert entities_in("[]", TEXT) == ()
