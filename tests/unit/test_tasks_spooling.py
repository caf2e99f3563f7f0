"""A table in memory that is written for training: the disk is looked at before and meanwhile."""

from __future__ import annotations

import json
from datetime import time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from anysize.core.errors import ConfigurationError, DataError
from anysize.tasks import spooling
from anysize.tasks.memory_tables import Rows, rows_of

PICTURES = {"image": [np.full((4, 4, 3), shade, np.uint8) for shade in range(8)]}


def table(cells: object) -> Rows:
    rows = rows_of(cells)
    assert rows is not None
    return rows


def test_what_the_disk_has_no_space_for_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "free_space", lambda _: 50_000)
    rows = table({"text": ["x" * 1000] * 100})
    with pytest.raises(DataError, match="free, and it takes about") as caught:
        spooling.spool(rows, tmp_path / "run")
    assert str(tmp_path / "run" / "data") in str(caught.value)
    assert list((tmp_path / "run" / "data").iterdir()) == []
    spooling.spool(table({"text": ["x" * 1000] * 20}), tmp_path / "run")
    lines = spooling.spooled(tmp_path / "run").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["x" * 1000] * 20


def test_a_disk_that_fills_meanwhile_is_noticed_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([10_000_000, 200, 100])
    monkeypatch.setattr(spooling, "free_space", lambda _: next(left))
    monkeypatch.setattr(spooling, "LOOK", 150)
    with pytest.raises(DataError, match=r"nearly full after \d of 8 rows"):
        spooling.spool(table(PICTURES), tmp_path)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_table_without_rows_takes_no_space(tmp_path: Path) -> None:
    spooling.spool(table({"text": []}), tmp_path)
    assert spooling.spooled(tmp_path).read_bytes() == b""


def test_cells_that_json_does_not_have_are_written_as_prediction_reads_them(tmp_path: Path) -> None:
    cells = [Decimal("1.50"), Fraction(1, 4), time(7, 30), timedelta(hours=30)]
    spooling.spool(table({"a": cells}), tmp_path)
    lines = spooling.spooled(tmp_path).read_text().splitlines()
    assert [json.loads(line)["a"] for line in lines] == [
        "1.50", "1/4", "07:30:00", "1 day, 6:00:00",
    ]  # fmt: skip
    pandas = pytest.importorskip("pandas")
    spooling.spool(
        table({"a": list(pandas.period_range("2024-01", periods=2, freq="M"))}), tmp_path
    )
    assert json.loads(spooling.spooled(tmp_path).read_text().splitlines()[1]) == {"a": "2024-02"}
    with pytest.raises(ConfigurationError, match="row 0, column 'a' is a object"):
        spooling.spool(table({"a": [object()]}), tmp_path)
