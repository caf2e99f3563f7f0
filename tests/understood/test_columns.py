"""Columns of numbers tables: a test for each line of the table in docs/data-layouts.md."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anysize
from anysize import inspect, tasks
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.modalities.numbers.columns import learned
from anysize.modalities.numbers.settings import FeatureFacts, FeatureSettings
from anysize.models.bundle import Card
from anysize.models.columns import TableEncoding
from anysize.models.columns.encoder import RowEncoder
from anysize.sources import open_source
from anysize.tasks.inputs import columns_of, task_of

TASK = "tabular-classification"
ROWS = 120


class Understood:
    """A table as training sees it.

    Args:
        path: of the table.
        columns: role to column.
    """

    def __init__(self, path: Path, **columns: str) -> None:
        self.found = Findings()
        self.source = open_source(
            path, roles=tasks.load(TASK).columns, columns=columns, findings=self.found
        )
        encoding = learned(self.source)
        assert encoding is not None
        self.encoding = encoding
        self.encoder = RowEncoder(encoding)

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self.found}

    def encoded(self) -> np.ndarray:
        rows = [self.source[index].features("features") for index in range(len(self.source))]
        return np.stack([self.encoder(row.cells)[0] for row in rows])  # type: ignore[attr-defined]

    def accuracy(self) -> float:
        """Of the best linear decision on the features, over all rows: none may be left out."""
        table = self.encoded()
        targets = [self.source[index].target for index in range(len(self.source))]
        wanted = np.array([target == max(targets) for target in targets]) * 2.0 - 1
        table = np.column_stack([table, np.ones(len(table))])
        weights = np.linalg.lstsq(table, wanted, rcond=None)[0]
        return float(((table @ weights > 0) == (wanted > 0)).mean())


def write(path: Path, header: str, rows: Sequence[Sequence[Any]], sign: str = ",") -> Path:
    lines = [header, *(sign.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows_of(cell: Callable[[int, bool], Any], *, count: int = ROWS) -> list[list[Any]]:
    """A cell made of the row's number and its class, a column of noise, the class."""
    chance = random.Random(0)
    return [
        [cell(index, index % 2 == 1), f"{chance.gauss(0, 1):.3f}", "ny"[index % 2]]
        for index in range(count)
    ]


def number(index: int, yes: bool) -> float:
    return round(random.Random(index).gauss(2.0 if yes else -2.0, 0.4), 3)


def test_column_gaps(tmp_path: Path) -> None:
    words = ["", "NA", "nan", "?", "null", "N/A"]
    rows = rows_of(
        lambda index, yes: words[index // 3 % 6] if index % 3 == 2 else number(index, yes)
    )
    both = [[number(index, index % 2 == 1), *row] for index, row in enumerate(rows)]
    both[2][0] = ""
    table = Understood(write(tmp_path / "t.csv", "a,b,noise,label", both))
    assert table.encoding.names == ("a", "b", "noise")
    assert [column.gaps for column in table.encoding.columns] == [True, True, False]
    assert table.accuracy() > 0.98
    (gaps,) = [one for one in table.found if one.code == "column-gaps" and "'b'" in one.message]
    assert gaps.count == ROWS // 3


def test_column_kind_by_all_rows(tmp_path: Path) -> None:
    early = rows_of(lambda index, yes: "" if index == 2 else number(index, yes))
    late = rows_of(lambda index, yes: "" if index > 30 and yes else number(index, yes))
    for rows in (early, late):
        table = Understood(write(tmp_path / "t.csv", "a,noise,label", rows))
        assert table.encoding.names == ("a", "noise")
        assert table.encoded().shape == (ROWS, 3)
        assert table.accuracy() > 0.98
    words = rows_of(lambda index, yes: number(index, yes) if index < 60 else "xy"[yes])
    table = Understood(write(tmp_path / "t.csv", "a,noise,label", words))
    assert [each.kind for each in table.encoding.columns] == ["category", "number"]


def test_column_decimal_comma(tmp_path: Path) -> None:
    rows = [[str(number(i, i % 2 == 1)).replace(".", ","), i % 3, "ny"[i % 2]] for i in range(ROWS)]
    table = Understood(write(tmp_path / "t.csv", "a;b;label", rows, ";"))
    np.testing.assert_allclose(
        table.encoding.columns[0].fill, np.median([number(i, i % 2 == 1) for i in range(ROWS)])
    )
    assert table.accuracy() > 0.98
    assert "column-decimal-comma" in table.codes


def test_column_thousands(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: f'"{50_123 + 40_000 * yes + index:,}"')
    table = Understood(write(tmp_path / "t.csv", "income,noise,label", rows))
    assert 50_000 < table.encoding.columns[0].fill < 91_000
    assert table.accuracy() == 1.0
    assert "column-thousands" in table.codes


def test_column_currency_and_percent(tmp_path: Path) -> None:
    rows = [[f"${5 + 3 * (i % 2)}.50", f"{i % 7} %", "ny"[i % 2]] for i in range(ROWS)]
    table = Understood(write(tmp_path / "t.csv", "price,share,label", rows))
    assert [column.kind for column in table.encoding.columns] == ["number", "number"]
    assert table.encoding.columns[0].fill in (5.5, 7.0, 8.5)


def test_column_category(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: ["red", "green"][index // 2 % 2] if yes else "blue")
    table = Understood(write(tmp_path / "t.csv", "colour,noise,label", rows))
    assert table.encoding.columns[0].values == ("blue", "green", "red")
    assert table.accuracy() == 1.0


def test_column_unseen_category(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: "red" if yes else "blue")
    table = Understood(write(tmp_path / "t.csv", "colour,noise,label", rows))
    cells = {"colour": "purple", "noise": "0.5"}
    values, whole = table.encoder(cells)
    assert (values[:3].tolist(), whole) == ([1, 0, 0], False)
    (note,) = table.encoder.notes(cells)
    assert "'colour'" in note
    assert "'purple'" in note


def test_column_boolean(tmp_path: Path) -> None:
    for yes, no in (("True", "False"), ("yes", "no"), ("Y", "N")):
        rows = rows_of(lambda index, held, yes=yes, no=no: yes if held else no)  # type: ignore[misc]
        rows[4][0] = ""
        table = Understood(write(tmp_path / "t.csv", "flag,noise,label", rows))
        assert table.encoding.columns[0].kind == "boolean"
        assert table.accuracy() > 0.98


def test_column_date(tmp_path: Path) -> None:
    start = datetime(2024, 1, 1)
    written: list[Callable[[datetime], str]] = [
        lambda when: when.date().isoformat(),
        lambda when: when.isoformat(),
        lambda when: when.strftime("%d %b %Y"),
        lambda when: when.strftime("%d.%m.%Y %H:%M"),
    ]
    for each in written:
        rows = rows_of(lambda i, yes, each=each: each(start + timedelta(days=2 * i + 300 * yes)))  # type: ignore[misc]
        table = Understood(write(tmp_path / "t.csv", "when,noise,label", rows))
        assert table.encoding.columns[0].kind == "date"
        assert table.accuracy() > 0.95
    # What turns on the day of the week is found too.
    days = [start + timedelta(days=(i * 7 + (5 if i % 2 else 0))) for i in range(ROWS)]
    rows = rows_of(lambda i, yes: days[i].date().isoformat())
    assert Understood(write(tmp_path / "t.csv", "when,noise,label", rows)).accuracy() > 0.98


def test_column_date_order(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: f"{index % 12 + 1:02}/{index % 5 + 1:02}/20{10 + 9 * yes}")
    table = Understood(write(tmp_path / "t.csv", "when,noise,label", rows))
    assert "column-date-order" in table.codes
    rows[7][0] = "25/01/2012"
    table = Understood(write(tmp_path / "t.csv", "when,noise,label", rows))
    assert table.encoding.columns[0].order == "dmy"
    assert "column-date-order" not in table.codes


def test_column_row_number(tmp_path: Path) -> None:
    for name in ("PassengerId", "id", "Unnamed: 0", "anything"):
        rows = rows_of(number)
        rows = [[1000 + index, *row] for index, row in enumerate(rows)]
        path = write(tmp_path / "t.csv", f"{name},a,noise,label", rows)
        table = Understood(path)
        assert table.encoding.names == ("a", "noise")
        assert "column-row-number" in table.codes
        random.Random(0).shuffle(rows)
        write(path, f"{name},a,noise,label", rows)
        assert Understood(path).encoding.names == ("a", "noise")
        asked = Understood(path, features=f"{name}+a")
        assert asked.encoding.names == (name, "a")
    # Whole numbers that differ but do not count the rows are measurements.
    rows = rows_of(lambda index, yes: 40_000 + 97 * index + 50_000 * yes)
    table = Understood(write(tmp_path / "t.csv", "income,noise,label", rows))
    assert table.encoding.names == ("income", "noise")


def test_column_identifier(tmp_path: Path) -> None:
    rows = rows_of(number)
    rows = [[f"A-{index * 7919 % 9973:04}", *row] for index, row in enumerate(rows)]
    table = Understood(write(tmp_path / "t.csv", "ticket,a,noise,label", rows))
    assert table.encoding.names == ("a", "noise")
    assert "column-identifier" in table.codes


def test_column_constant(tmp_path: Path) -> None:
    rows = [["EUR", "", *row] for row in rows_of(number)]
    table = Understood(write(tmp_path / "t.csv", "currency,nothing,a,noise,label", rows))
    assert table.encoding.names == ("a", "noise")
    constant = [one for one in table.found if one.code == "column-constant"]
    assert [one.amount for one in constant] == ["1 column", "1 column"]


def test_column_free_text(tmp_path: Path) -> None:
    words = ["the", "story", "was", "told", "with", "care", "and", "charm", "by", "them"]
    chance = random.Random(1)
    rows = [[" ".join(chance.choices(words, k=9)), *row] for row in rows_of(number)]
    table = Understood(write(tmp_path / "t.csv", "comment,a,noise,label", rows))
    assert table.encoding.names == ("a", "noise")
    (said,) = [one for one in table.found if one.code == "column-free-text"]
    assert "text-classification" in said.remedy
    with pytest.raises(DataError, match="'comment'"):
        Understood(tmp_path / "t.csv", features="comment+a")


def test_column_list(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = rows_of(number)
    lines = [json.dumps({"spectrum": [1, 2], "a": a, "label": label}) for a, _, label in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    table = Understood(path)
    assert table.encoding.names == ("a",)
    assert "column-list" in table.codes


def test_column_odd_cells(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: "oops" if index in (3, 77) else number(index, yes))
    table = Understood(write(tmp_path / "t.csv", "a,noise,label", rows))
    (said,) = [one for one in table.found if one.code == "column-odd-cells"]
    assert (said.count, said.level) == (2, "warning")
    assert any("oops" in example for example in said.examples)
    assert table.accuracy() > 0.97


def test_column_gives_label_away(tmp_path: Path) -> None:
    rows = [["won" if i % 3 else "lost", number(i, False), "ab"[i % 3 > 0]] for i in range(ROWS)]
    table = Understood(write(tmp_path / "t.csv", "outcome,a,label", rows))
    (said,) = [one for one in table.found if one.code == "column-gives-label-away"]
    assert "'outcome'" in said.message
    rows[5][0] = rows[6][0] = rows[8][0] = "lost"
    assert (
        "column-gives-label-away"
        not in Understood(write(tmp_path / "t.csv", "outcome,a,label", rows)).codes
    )


def test_column_native_types(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    numbers = [None if i % 10 == 9 else number(i, i % 2 == 1) for i in range(ROWS)]
    numbers[4] = float("nan")
    days = [None if i == 3 else date(2020, 1, 1) + timedelta(days=5 * i) for i in range(ROWS)]
    columns = {
        "a": numbers,
        "flag": [None if i == 5 else i % 3 == 0 for i in range(ROWS)],
        "when": [None if day is None else datetime(day.year, day.month, day.day) for day in days],
        "day": days,
        "price": [Decimal(f"{i}.50") for i in range(ROWS)],
        "label": ["ny"[i % 2] for i in range(ROWS)],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    lines = [
        json.dumps({name: cells[i] for name, cells in columns.items()}, default=str)
        for i in range(ROWS)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spread = Understood(tmp_path / "t.parquet")
    assert [(each.name, each.kind) for each in spread.encoding.columns] == [
        ("a", "number"), ("flag", "boolean"), ("when", "date"), ("day", "date"),
        ("price", "number"),
    ]  # fmt: skip
    assert [each.gaps for each in spread.encoding.columns] == [True, True, True, True, False]
    assert spread.accuracy() > 0.9
    same = Understood(tmp_path / "t.jsonl")
    assert same.encoding == spread.encoding
    np.testing.assert_array_equal(same.encoded(), spread.encoded())


def test_column_numbers_not_text(tmp_path: Path) -> None:
    rows = [[number(i, i % 2 == 1), number(i + 500, False), "ny"[i % 2]] for i in range(ROWS)]
    path = write(tmp_path / "t.csv", "x,y,label", rows)
    assert task_of(path, None).name == TASK
    assert Understood(path).encoding.names == ("x", "y")
    texts = [[f"a story of {i}", "b", "ny"[i % 2]] for i in range(ROWS)]
    write(path, "text,y,label", texts)
    assert task_of(path, None).name == "text-classification"
    # Columns that are named by what they hold make no task of their own.
    write(path, "7.5,0.5,1", [[i, i / 7, i % 2] for i in range(ROWS)])
    assert task_of(path, None).name == TASK


def opened_for(model: TableEncoding, path: Path, **columns: str) -> tuple[Any, Findings]:
    """A table as a model that was trained with these columns opens it."""
    settings = FeatureSettings(width=model.width, encoding=model)
    card = Card(task=TASK, labels=("n", "y"), model="dense", settings=settings)
    findings = Findings()
    specs = columns_of(tasks.load(TASK), card)
    return open_source(path, roles=specs, columns=columns, findings=findings), findings


def test_column_lacking(tmp_path: Path) -> None:
    rows = rows_of(number)
    model = Understood(write(tmp_path / "t.csv", "a,noise,label", rows)).encoding
    path = write(tmp_path / "new.csv", "a,other", [[1.5, 2]])
    with pytest.raises(DataError, match=r"new\.csv: lacks the column 'noise'"):
        opened_for(model, path)


def test_column_not_used(tmp_path: Path) -> None:
    rows = rows_of(number)
    model = Understood(write(tmp_path / "t.csv", "a,noise,label", rows)).encoding
    path = write(tmp_path / "new.csv", "more,noise,a", [["z", 2, 1.5]])
    source, findings = opened_for(model, path)
    ((code, level, count),) = [(one.code, one.level, one.count) for one in findings]
    assert (code, level, count) == ("column-not-used", "note", 1)
    field = source[0].features("features")
    assert RowEncoder(model)(field.cells)[1]


def test_column_choice_remembered(tmp_path: Path) -> None:
    rows = [[number(i, False), "1 2 3", i % 5, "ny"[i % 2]] for i in range(ROWS)]
    path = write(tmp_path / "t.csv", "a,values,b,label", rows)
    model = Understood(path, features="a+b").encoding
    source, _ = opened_for(model, path)
    assert source[3].features("features").cells == {"a": str(rows[3][0]), "b": "3"}


def test_column_gap_in_prediction(tmp_path: Path) -> None:
    import torch

    import anysize
    from anysize.models import spec
    from anysize.models.network import BuildRequest

    model = Understood(write(tmp_path / "t.csv", "a,noise,label", rows_of(number))).encoding
    torch.manual_seed(0)
    request = BuildRequest(
        task=TASK,
        labels=("n", "y"),
        facts=FeatureFacts(shape=(model.width,), encoding=model),
    )
    network = spec.build("dense", request)
    card = Card(task=TASK, labels=("n", "y"), model="dense", settings=network.settings)
    path = write(tmp_path / "new.csv", "noise,a", [["0.5", "1.5"], ["", "1.5"], ["0.5", "x"]])
    options = anysize.PredictOptions(runtime="torch", precision="float32", memory="6GiB")
    found = list(anysize.Model(network, card).predict(path, options))
    assert all(isinstance(one, anysize.Result) for one in found)
    notes = [one.receipt.notes for one in found if isinstance(one, anysize.Result)]
    assert [len(each) for each in notes] == [0, 1, 1]
    assert "'noise': is missing" in notes[1][0]
    assert "'x' is not a number" in notes[2][0]
    assert {one.receipt.extent for one in found if isinstance(one, anysize.Result)} == {2}


def test_column_units(tmp_path: Path) -> None:
    for unit in ("{} kg", "{}cm", "USD {}", "<{}"):
        rows = rows_of(lambda index, yes, unit=unit: unit.format(index % 7 + 9 * yes))  # type: ignore[misc]
        table = Understood(write(tmp_path / "t.csv", "weight,noise,label", rows))
        assert table.encoding.columns[0].kind == "category"
        (said,) = [one for one in table.found if one.code == "column-units"]
        assert (said.level, said.remedy) == ("warning", "write the numbers alone, all in one unit")
    rows = rows_of(lambda index, yes: f"{number(index, yes)} kg")
    table = Understood(write(tmp_path / "t.csv", "weight,noise,label", rows))
    (said,) = [one for one in table.found if "'weight' is left out" in one.message]
    assert said.remedy == "write the numbers alone, all in one unit"
    rows = rows_of(lambda index, yes: f"{'ABC'[index % 3]}{index % 7}")
    assert "column-units" not in Understood(write(tmp_path / "t.csv", "x,noise,label", rows)).codes


def test_column_mixed(tmp_path: Path) -> None:
    words = rows_of(lambda index, yes: "unknown" if index % 5 == 0 else index % 11 + 20 * yes)
    table = Understood(write(tmp_path / "t.csv", "a,noise,label", words))
    (said,) = [one for one in table.found if one.code == "column-mixed"]
    assert "96 numbers and 24 other words" in said.message and said.level == "warning"
    dates = rows_of(
        lambda index, yes: "0000-00-00" if index % 5 == 0 else f"2024-0{index % 9 + 1}-11"
    )
    table = Understood(write(tmp_path / "t.csv", "a,noise,label", dates))
    (said,) = [one for one in table.found if one.code == "column-mixed"]
    assert "96 dates" in said.message and all("0000" in each for each in said.examples)


def test_column_date_of_both_orders(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: f"{index % 15 + 13}/01/2024")
    rows[3][0], rows[4][0] = "01/23/2024", "tomorrow"
    table = Understood(write(tmp_path / "t.csv", "when,noise,label", rows))
    (said,) = [one for one in table.found if one.code == "column-date-order"]
    assert (said.level, said.count) == ("warning", 1) and "read as day/month" in said.message
    (odd,) = [one for one in table.found if one.code == "column-odd-cells"]
    assert odd.examples == ("row 4: tomorrow",)


def test_column_too_large(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: "1e300" if index == 5 else number(index, yes))
    table = Understood(write(tmp_path / "t.csv", "a,noise,label", rows))
    (said,) = [one for one in table.found if one.code == "column-odd-cells"]
    assert said.examples == ("row 5: 1e300",)
    assert inspect(tmp_path / "t.csv", task=TASK, quiet=True).to_json()["numbers"]["a"]["high"] < 9


def test_column_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no records"):
        Understood(write(tmp_path / "t.csv", "a,b,label", []))


def test_column_choice_of_fewer(tmp_path: Path) -> None:
    rows = rows_of(number)
    path = write(tmp_path / "t.csv", "a,noise,label", rows)
    encoding = Understood(path).encoding
    with pytest.raises(ConfigurationError, match="features=a\\+b leaves out noise"):
        opened_for(encoding, path, features="a+b")


def test_column_none_of_a_row(tmp_path: Path) -> None:
    model = Understood(write(tmp_path / "t.csv", "a,noise,label", rows_of(number))).encoding
    path = tmp_path / "new.jsonl"
    path.write_text('{"a": 1, "noise": 2}\n{"other": 3}\n{"a": 4}\n', encoding="utf-8")
    source, _ = opened_for(model, path)
    assert [source[index].id for index in (0, 2)] == ["new.jsonl:0", "new.jsonl:2"]
    with pytest.raises(DataError, match=r"new\.jsonl:1: has none of the columns"):
        _ = source[1]


def test_column_many_alike(tmp_path: Path) -> None:
    header = ",".join(f"c{place}" for place in range(9)) + ",a,noise,label"
    rows = [[5] * 9 + row for row in rows_of(number)]
    table = Understood(write(tmp_path / "t.csv", header, rows))
    (said,) = [one for one in table.found if one.code == "column-constant"]
    assert (said.count, said.unit, said.examples) == (9, "columns", ("c1", "c2", "c3", "c4", "c5"))
    assert "'c0' is left out" in said.message and "so it is with 8 more columns" in said.message


def test_column_steps_of_a_series(tmp_path: Path) -> None:
    steps = [f"t{place}" for place in range(6)]
    values = [[0, *(i * j % 5 for j in range(1, 6))] for i in range(40)]
    rows = [[f"s{i}", 1000 + i, *values[i], "ny"[i % 2]] for i in range(40)]
    path = write(tmp_path / "t.csv", ",".join(["name", "id", *steps, "label"]), rows)
    series = "time-series-classification"
    model = anysize.train(series, path, out=tmp_path / "run", steps=1, quiet=True)
    (said,) = [one for one in model.findings if one.code == "column-no-step"]
    assert said.examples == ("name", "id") and model.card.settings.columns == tuple(steps)
    whole = model.predict_one(dict(zip(steps, values[3], strict=True)))
    (first, *_) = model.predict(write(tmp_path / "one.csv", ",".join(steps), [values[3]]))
    assert first.receipt.extent == 6 and first.score == whole.score  # type: ignore[union-attr]
    assert [*model.predict(path)][3].score == pytest.approx(whole.score)  # type: ignore[union-attr]
    with pytest.raises(DataError, match="lacks the column 't2'"):
        model.predict(write(tmp_path / "few.csv", "t0,t1,t3,t4,t5", [[1, 2, 3, 4, 5]]))


def test_column_other_decimal_mark(tmp_path: Path) -> None:
    rows = rows_of(lambda index, yes: f"{index / 40 + yes:.3f}")
    for mark, other, sign in ((".", ",", ","), (",", ".", ";")):
        written = [[str(cell).replace(".", mark) for cell in row] for row in rows]
        path = write(tmp_path / "t.csv", sign.join(["a", "noise", "label"]), written, sign)
        encoder = Understood(path).encoder
        odd = {"a": f"1{other}234", "noise": "0"}
        assert not encoder(odd)[1]
        (note,) = encoder.notes(odd)
        assert note.endswith("is read as 1234, which is far from the training data; as 1.234 it "
                             "would not be")  # fmt: skip
        assert encoder({"a": f"1{mark}234", "noise": "0"})[1]
    # Where thousands are usual, nothing is said of them.
    rows = rows_of(lambda index, yes: f'"{index + 1 + 20 * yes},{index % 900 + 100}"')
    encoder = Understood(write(tmp_path / "t.csv", "a,noise,label", rows)).encoder
    assert encoder({"a": "12,345", "noise": "0"})[1]
