"""What went wrong is said once for each problem."""

from __future__ import annotations

import pytest

from anysize.core.errors import ConfigurationError
from anysize.core.problems import Problems
from anysize.training import Recipe


def test_one_sentence_for_thirty_records() -> None:
    found = Problems((f"p{number}.jpg", f"p{number}.jpg: is damaged") for number in range(30))
    found.add("other.jpg", "other.jpg: is empty")
    assert list(found.lines()) == [
        "is damaged (30 records: p0.jpg, p1.jpg, p2.jpg, …)",
        "other.jpg: is empty",
    ]
    assert list(found.lines(1))[-1] == "and 1 more"


def test_a_name_that_a_sentence_only_begins_like_is_no_part_of_it() -> None:
    found = Problems([("1", "1 column 'a': is odd"), ("2", "20 cells are odd")])
    assert list(found.lines()) == ["1: column 'a': is odd", "2: 20 cells are odd"]


@pytest.mark.parametrize(
    ("record", "sentence", "line"),
    [
        ("a.txt", "/home/me/a.txt: is empty", "a.txt: is empty"),
        ("a.txt", "my texts/a.txt: is empty", "a.txt: is empty"),
        ("t.csv:2", "t.csv:2 column 'text': is empty", "t.csv:2: column 'text': is empty"),
        ("1", "1 token is not known", "1: 1 token is not known"),
        ("a.txt", "b: see x/a.txt: there", "a.txt: b: see x/a.txt: there"),
    ],
)
def test_a_record_is_named_once(record: str, sentence: str, line: str) -> None:
    assert list(Problems([(record, sentence)]).lines()) == [line]


def test_what_is_held_is_bounded() -> None:
    found = Problems((str(number), f"{number}: number {number}") for number in range(5000))
    assert found.count == 5000 and len(list(found.lines(3))) == 4
    assert list(found.lines(3))[-1] == "and 4997 more"


def test_sizes_are_shown_as_sizes() -> None:
    recipe = {"task": "text-classification", "data": "d", "model": "m", "out": "o"}
    with pytest.raises(ConfigurationError) as caught:
        Recipe(**recipe, memory=2, batch=1 << 30)
    assert caught.value.problems == [
        "batch must be a whole number from 1 to 16,777,216, not 1,073,741,824",
        "memory must be a size of at least 1MiB, such as 2GiB, not 2 B",
    ]
