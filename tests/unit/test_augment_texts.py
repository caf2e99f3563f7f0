"""Steps that change texts: always the same, however the characters come; labels are not touched."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anysize
from anysize.augmentation.image import Augmentation
from anysize.augmentation.policies import POLICIES
from anysize.augmentation.specification import catalogue, parse, refuse_unfit
from anysize.augmentation.texts import BLOCK, ChangedText, TextChanges, blocks
from anysize.core.errors import ConfigurationError
from anysize.readers.text import Text
from anysize.tasks import load

STEPS = [name for name, kind in catalogue().items() if kind.content == "texts"]
STRONG = ["typos(0.3..0.3)", "drop_words(0.5..0.5)", "letter_case(any, p=1)", "writing"]
ENGLISH = "The quick brown fox jumps over the lazy dog, and it doesn't mind at all. " * 60
CHINESE = "敏捷的棕色狐狸跳过了那只懒狗，它一点也不介意。" * 200


def changed(spec: str, text: str, record: str = "a", epoch: int = 3, seed: int = 0) -> str:
    found = TextChanges(parse(spec), seed).changed(Text(text), epoch, record)
    return "".join(found.chunks())


class Pieces:
    """A text in pieces of one size."""

    origin = "pieces"

    def __init__(self, text: str, size: int) -> None:
        self._text, self._size = text, size

    @property
    def size_hint(self) -> int:
        return len(self._text)

    def chunks(self) -> Iterator[str]:
        return (
            self._text[start : start + self._size]
            for start in range(0, len(self._text), self._size)
        )

    def read(self, start: int, stop: int) -> str:
        return self._text[start:stop]


@pytest.mark.parametrize("spec", STRONG)
@pytest.mark.parametrize("text", [ENGLISH, CHINESE, "x" * 9000, "", "a", "  \n"])
@pytest.mark.parametrize("size", [1, 77, 5000])
def test_the_same_characters_however_they_come(spec: str, text: str, size: int) -> None:
    changes = TextChanges(parse(spec), 0)
    found = changes.changed(Pieces(text, size), 3, "a")
    whole = "".join(found.chunks())
    assert whole == changed(spec, text)
    assert "".join(found.chunks()) == whole
    assert found.read(10, 4200) == whole[10:4200]
    assert found.size_hint >= len(whole)
    assert bool(whole.strip()) == bool(text.strip())


@pytest.mark.parametrize("spec", ["typos(0.2..0.2)", "drop_words(0.3..0.3)"])
def test_each_record_and_epoch_and_seed_gives_another(spec: str) -> None:
    first = changed(spec, ENGLISH)
    others = [
        changed(spec, ENGLISH, record="b"), changed(spec, ENGLISH, epoch=4),
        changed(spec, ENGLISH, seed=1),
    ]  # fmt: skip
    assert len({first, ENGLISH, *others}) == 5


@given(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=300),
    st.integers(0, 9),
)
def test_any_text_can_be_changed(text: str, seed: int) -> None:
    for spec in STRONG:
        found = changed(spec, text, seed=seed)
        assert bool(found.strip()) == bool(text.strip())


@given(st.lists(st.text(alphabet="ab \n中", max_size=3000), max_size=5))
def test_blocks_are_the_text(pieces: list[str]) -> None:
    found = list(blocks(pieces))
    assert "".join(found) == "".join(pieces)
    assert all(0 < len(block) <= BLOCK for block in found)
    assert found == list(blocks(["".join(pieces)]))


def test_slips_are_as_many_as_asked_for_and_between_neighbours() -> None:
    found = changed("typos(0.2..0.2)", "s" * 20_000)
    others = [letter for letter in found if letter != "s"]
    assert set(others) == set("adwezx")
    # Half of the slips change the length, by one to either side.
    assert len(others) / 20_000 == pytest.approx(0.05, abs=0.005)
    assert abs(len(found) - 20_000) < 300
    text = "".join(chr(0x4E00 + place) for place in range(20_000))
    found = changed("typos(0.15..0.15)", text)
    assert (set(text) - set(found)) and set(found) <= set(text)
    steps = np.diff([ord(letter) for letter in found])
    left_out, doubled, swapped = (steps > 1).sum(), (steps == 0).sum(), (steps < 0).sum()
    assert doubled / 20_000 == pytest.approx(0.05, abs=0.006)
    assert swapped / 20_000 == pytest.approx(0.05, abs=0.01)
    assert left_out > doubled
    assert changed("typos(0..0)", text) == text


def test_spans_of_words_are_left_out() -> None:
    words = [f"word{number}" for number in range(6000)]
    found = changed("drop_words(0.2..0.2, longest=3)", " ".join(words)).split(" ")
    assert set(found) <= set(words)
    assert found == sorted(found, key=lambda each: int(each[4:]))
    assert len(found) / len(words) == pytest.approx(0.8, abs=0.03)
    gaps = np.diff([int(each[4:]) for each in found]) - 1
    assert gaps.max() >= 3
    chinese = changed("drop_words(0.2..0.2)", CHINESE)
    assert len(chinese) / len(CHINESE) == pytest.approx(0.8, abs=0.04)


def test_letters_change_their_case_alone() -> None:
    kinds = {changed("letter_case(any, p=1)", "It's a Fine day", record=r) for r in "abcdefghijkl"}
    assert kinds == {"it's a fine day", "IT'S A FINE DAY", "It'S A Fine Day"}
    assert changed("letter_case(upper, p=1)", "好 ok") == "好 OK"
    assert changed("letter_case(p=0)", "It") == "It"


def test_steps_of_others_are_refused_and_the_reverse() -> None:
    with pytest.raises(ConfigurationError, match="gain does not change texts"):
        TextChanges(parse("typos, gain"), 0)
    with pytest.raises(ConfigurationError) as caught:
        refuse_unfit(parse("hflip"), "texts")
    assert "the data are texts. Policies for texts: none, writing" in str(caught.value)
    assert "drop_words, letter_case, typos" in str(caught.value)
    with pytest.raises(ConfigurationError, match="changes texts, not pictures"):
        Augmentation("typos")(np.zeros((4, 4, 3), np.uint8), (0, 0, "a", 0))
    assert [name for name in POLICIES if POLICIES[name][0].startswith("typos")] == ["writing"]
    assert sorted(STEPS) == ["back_translation", "drop_words", "letter_case", "typos"]
    pickle.loads(pickle.dumps(TextChanges(parse("writing"), 1)))  # noqa: S301  as workers are sent it


@pytest.mark.parametrize(
    "task", ["token-classification", "question-answering", "translation", "feature-extraction"]
)
def test_tasks_whose_targets_lie_in_the_text_refuse_it(task: str) -> None:
    network: Any = None
    with pytest.raises(ConfigurationError, match=f"{task} takes 'none'"):
        load(task).preprocess(network, augment=Augmentation("typos"))


def test_a_table_of_texts_before_and_after(tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    rows = [f'"a wonderful film number {number} <b>",{number % 2}' for number in range(40)]
    data.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    out = tmp_path / "changes.tsv"
    found: Any = anysize.augment(data, out, "typos(0.2..0.2)", count=3, draws=2)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == ["id", "text", "epoch 0", "epoch 1"]
    assert len(lines) == 4
    assert len(found.records) == 3
    record, before, first, second = lines[1].split("\t")
    assert before == "a wonderful film number 0 <b>"
    assert len({before, first, second}) == 3
    changes = TextChanges(parse("typos(0.2..0.2)"), 0)
    assert first == changes.changed(Text(before), 0, record).read(0, 300)
    pytest.importorskip("jinja2")
    page = tmp_path / "changes.html"
    anysize.augment(data, page, "typos(0.2..0.2)", count=3, draws=2)
    assert "number 0 &lt;b&gt;" in page.read_text(encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"ends in \.tsv or \.html for texts"):
        anysize.augment(data, tmp_path / "sheet.png", "typos")
    with pytest.raises(ConfigurationError, match="must be named for texts"):
        anysize.augment(data, out)
    with pytest.raises(ConfigurationError, match="hflip changes pictures, and the data are texts"):
        anysize.augment(data, out, "hflip")


def test_a_text_without_changes_is_itself() -> None:
    text = Text("as it is")
    assert TextChanges(parse("letter_case(p=0)"), 0).changed(text, 0, "a") is text
    assert ChangedText(text, ()).read(3, 5) == "it"
