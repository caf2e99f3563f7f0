"""Prediction on iterators: nothing is drawn that is not needed, and there need be no end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anysize import tasks
from anysize.core.batches import BatchPlan, batches
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.records import record_id
from anysize.core.windows import Span, Window
from anysize.sources.stream import StreamSource
from anysize.tasks.inputs import as_paths, open_inputs


def opened(items: Iterator[Any]) -> StreamSource:
    source = open_inputs(items, tasks.load("text-classification"), columns={})
    assert isinstance(source, StreamSource)
    return source


def test_no_more_is_drawn_than_is_asked_for() -> None:
    drawn: list[int] = []

    def endless() -> Iterator[str]:
        for number in itertools.count():
            drawn.append(number)
            yield f"text number {number}"

    source = opened(endless())
    assert drawn == []
    positions = source.positions()
    records = [source[next(positions).index] for _ in range(3)]
    assert [record.id for record in records] == ["0", "1", "2"]
    assert "".join(records[2].text("text").chunks()) == "text number 2"
    assert drawn == [0, 1, 2]


def test_a_table_among_texts_and_an_item_of_a_wrong_kind(tmp_path: Path) -> None:
    table = tmp_path / "two.csv"
    table.write_text("text\none\ntwo\n")
    source = opened(iter(["first", table, 5, tmp_path / "none.csv", "last"]))
    found = []
    for position in source.positions():
        try:
            found.append("".join(source[position.index].text("text").chunks()))
        except DataError as error:
            found.append(str(error))
    assert found[:3] == ["first", "one", "two"]
    assert "text 2 is a int, and must be a string" in found[3] and "does not exist" in found[4]
    assert found[5:] == ["last"]


def test_records_are_held_no_longer_than_until_they_are_read() -> None:
    source = opened(str(number) for number in range(3))
    for position in source.positions():
        assert source[position.index]
        with pytest.raises(KeyError):
            source[position.index]


def test_what_comes_first_and_what_comes_slowly_is_not_held_back() -> None:
    source = opened(f"text {number}" for number in itertools.count())
    drawn = 0

    def examples() -> Iterator[Example]:
        nonlocal drawn
        for position in source.positions():
            drawn += 1
            span = Span(0, 1)
            window = Window(record="", index=0, region=span, core=span, last=True)
            yield Example(ordinal=position.ordinal, window=window, arrays={}, cost=1)

    stream = batches(examples(), BatchPlan(budget=10), source.slow)
    sizes = [len(batch.examples) for batch in itertools.islice(stream, 3)]
    assert sizes == [1, 10, 10]
    assert drawn == 21


def test_an_item_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    table = tmp_path / "two.csv"
    table.write_text("id,text\n1,one\n2,too,many\n3,three\n")
    source = opened(iter(["first", tmp_path / "none.csv", table]))
    failed = []
    for position in source.positions():
        try:
            _ = source[position.index]
        except DataError:
            failed.append(record_id(source, position.index))
    assert failed == ["1", "two.csv:1"]


def test_what_has_no_length_is_drawn_from_and_what_is_no_input_is_refused() -> None:
    class Endless:
        def __iter__(self) -> Iterator[str]:
            return (str(number) for number in itertools.count())

    task = tasks.load("text-classification")
    source = open_inputs(Endless(), task, columns={})
    assert isinstance(source, StreamSource)
    for wrong in (None, 5):
        with pytest.raises(ConfigurationError, match=f"not {wrong}"):
            open_inputs(wrong, task, columns={})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="a path, a list of paths or a table"):
        as_paths({"a": 1}.items())
