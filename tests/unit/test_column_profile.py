"""Profiles of columns: what whole-array steps count of large tables is what counting cells does."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize import inspect, tasks
from anysize.core.findings import Findings
from anysize.sources import open_source
from anysize.sources.profile import Profile
from anysize.sources.profile.cells import cells_of
from anysize.sources.profile.facts import Facts
from anysize.sources.profile.reading import profile_of, read_profile
from anysize.sources.rows import split_row
from anysize.sources.scan import RowScanner
from anysize.sources.tables.dialect import Dialect
from anysize.tasks.understanding import understand

ROWS = 34_000
QUOTED = Dialect(delimiter=",", quoting=True)


def table(path: Path, rows: int = ROWS) -> Path:
    """Columns of every kind, with what contradicts them far from the beginning."""
    chance = random.Random(0)
    names = ["id", "whole", "decimal", "colour", "code", "when", "text", "gaps", "label"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in range(rows):
            decimal: Any = f"{chance.gauss(0, 1):.3f}"
            colour = chance.choice(["red", "green", "grün"])
            when = f"20{row % 24:02}-0{row % 9 + 1}-1{row % 7}"
            text = f'a "{row}" story, told\nin {row % 77} words and some more'
            if row > rows // 2:
                decimal = {1: "NA", 2: "-", 3: "oops"}.get(row % 1000, decimal)
                colour = "purple" if row == rows - 3 else colour
            code, gaps = f"C-{row * 7919 % 100_003}", "" if row % 5 else row
            whole, label = chance.randrange(1_000_000), chance.choice("ab")
            writer.writerow([row, whole, decimal, colour, code, when, text, gaps, label])
    return path


def opened(path: Path, cache: Path) -> Any:
    return open_source(path, roles=(), cache=cache)


def test_a_large_table_is_profiled_as_its_cells_are(tmp_path: Path) -> None:
    source = opened(table(tmp_path / "t.csv"), tmp_path / "cache")
    fast, slow = source.profile(), read_profile(source)
    assert (fast.rows, fast.unread) == (slow.rows, slow.unread) == (ROWS, 0)
    for name, exact in slow.columns.items():
        found = fast.columns[name]
        assert (name, found.kind, found.why[:20]) == (name, exact.kind, exact.why[:20])
        assert (name, found.facts.missing) == (name, exact.facts.missing)
        assert (name, found.odd) == (name, exact.odd)
        assert found.facts.rows == ROWS
        if name != "decimal":  # nothing is decided by how many there are
            assert found.facts.distinct == pytest.approx(exact.facts.distinct, rel=0.15)
        if exact.facts.low is not None and exact.facts.high is not None:
            reach = exact.facts.high - exact.facts.low
            assert found.facts.low == pytest.approx(exact.facts.low, abs=0.2 * reach)
            middle = exact.facts.quantiles([0.5])
            assert found.facts.quantiles([0.5]) == pytest.approx(middle, abs=0.1 * reach)
    assert fast.columns["colour"].facts.values.keys() == {"red", "green", "grün", "purple"}
    assert {name: each.kind for name, each in fast.columns.items()} == {
        "id": "identifier", "whole": "number", "decimal": "number", "colour": "category",
        "code": "identifier", "when": "date", "text": "text", "gaps": "number", "label": "category",
    }  # fmt: skip
    assert set(fast.columns["decimal"].facts.examples) == {"oops"}


def test_a_profile_is_kept_beside_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "t.csv")
    first = opened(path, tmp_path / "cache").profile()
    monkeypatch.setattr("anysize.sources.profile.large.LargeFacts.add", None)
    monkeypatch.setattr("anysize.sources.profile.reading.read_profile", None)
    assert opened(path, tmp_path / "cache").profile().to_json() == first.to_json()
    monkeypatch.undo()
    table(path, ROWS + 1)
    assert opened(path, tmp_path / "cache").profile().rows == ROWS + 1
    # Of an index that was made before there were profiles, the rows are looked at once.
    for kept in (tmp_path / "cache").glob("*.columns"):
        kept.unlink()
    again = opened(path, tmp_path / "cache").profile()
    assert again.rows == ROWS + 1
    assert len(list((tmp_path / "cache").glob("*.columns"))) == 1


def test_counts_do_not_depend_on_the_threads(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    once, twice = (opened(path, tmp_path / name).profile().to_json() for name in ("one", "two"))
    assert once == twice


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(st.text(alphabet='ab1,"\n\r;é', max_size=6), min_size=3, max_size=3),
        min_size=1,
        max_size=12,
    )
)
def test_cells_of_a_block_are_those_of_its_rows(rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    raw = buffer.getvalue().encode()
    file = io.BytesIO(raw)
    scanner = RowScanner(QUOTED)
    starts = np.concatenate(list(scanner.starts(file))).astype(np.int64)
    block = cells_of(np.frombuffer(raw + bytes(16), np.uint8), starts, 3, QUOTED)
    assert sorted([*block.rows.tolist(), *block.others.tolist()]) == list(range(len(starts) - 1))
    assert not len(block.others)
    for place, row in enumerate(block.rows.tolist()):
        wanted = split_row(raw[starts[row] : starts[row + 1]].decode(), ",", True)
        found = [
            block.data[block.starts[column, place] : block.stops[column, place]].tobytes().decode()
            for column in range(3)
        ]
        assert [cell.replace('""', '"') for cell in found] == wanted


def test_rows_of_another_form_are_set_apart() -> None:
    raw = b'1,2\n3\n4,5,6\n"7,8"\n9,"x\n10,11\n12,\n'
    starts = np.array([0, 4, 6, 12, 18, 23, 29, 33])
    block = cells_of(np.frombuffer(raw + bytes(16), np.uint8), starts, 2, QUOTED)
    assert block.others.tolist() == [1, 2, 3, 4]
    assert block.rows.tolist() == [0, 5, 6]
    assert block.empty


def test_profiles_of_parts_are_joined(tmp_path: Path) -> None:
    whole = [["n", "word", "label"], *([i, "ab"[i % 2], "xy"[i % 2]] for i in range(200))]
    for name, rows in (("train", whole[:101]), ("train-2", [whole[0], *whole[101:]])):
        text = "\n".join(",".join(map(str, row)) for row in rows)
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    paths = [tmp_path / "train.csv", tmp_path / "train-2.csv"]
    joined = profile_of(open_source(paths, roles=()))
    assert joined is not None
    assert joined.rows == 200
    assert {name: each.kind for name, each in joined.columns.items()} == {
        "n": "identifier", "word": "category", "label": "category",
    }  # fmt: skip
    assert joined.columns["word"].facts.values == {"a": 100, "b": 100}


def test_a_profile_goes_through_json() -> None:
    facts = Facts()
    facts.add(["1", "2.5", "", "x", "3"], 0)
    profile = Profile.of(5, 0, {"a": facts})
    again = Profile.from_json(profile.to_json())
    assert again.to_json() == profile.to_json()
    assert again.columns["a"].facts.present == 4


def test_a_table_that_was_divided_is_counted_once(tmp_path: Path) -> None:
    for name, count in (("train", 60), ("test", 20)):
        rows = [f"text {name} {place},{'ab'[place % 2]}" for place in range(count)]
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "\n".join(rows))
    lines = inspect(tmp_path, task="text-classification", quiet=True).to_json()["columns"]  # type: ignore[union-attr]
    assert [(line["rows"], line["missing"]) for line in lines] == [(80, 0), (80, 0)]


def test_columns_that_are_read_together_have_the_same_role(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"title {place},body of {place},{'ab'[place % 2]}" for place in range(40)]
    path.write_text("title,body,label\n" + "\n".join(rows))
    columns = {"text": "title+body"}
    task = "text-classification"
    lines = inspect(path, task=task, columns=columns, quiet=True).to_json()["columns"]  # type: ignore[union-attr]
    assert [line["role"] for line in lines] == ["text", "text", "label"]
    found = understand(path, tasks.load(task), columns=columns, findings=Findings())
    assert "text from the column 'title+body'" in found.summary(Findings())[0]
