"""The results with the highest predictions, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from anysize.core.errors import ConfigurationError
from anysize.results.best import Best
from anysize.results.sinks import Lines


def written(rows: list[Mapping[str, Any]], most: int) -> tuple[list[Any], int]:
    lines: list[bytes] = []
    with Best(Lines(lines.append, lambda: None), most) as sink:
        for row in rows:
            sink.write(row)
    return [json.loads(line) for line in lines], sink.left_out


def test_the_highest_come_first_and_equal_ones_in_their_order() -> None:
    rows: list[Mapping[str, Any]] = [
        {"id": str(place), "prediction": value} for place, value in enumerate([1, 5, -2, 5, 3.5])
    ]
    found, left_out = written(rows, 3)
    assert [row["id"] for row in found] == ["1", "3", "4"] and left_out == 2
    found, left_out = written(rows, 9)
    assert [row["id"] for row in found] == ["1", "3", "4", "0", "2"] and left_out == 0


def test_what_could_not_be_read_comes_first() -> None:
    found, left_out = written([{"id": "b", "prediction": 0.5}, {"id": "a", "error": "empty"}], 1)
    assert [row["id"] for row in found] == ["a", "b"] and left_out == 0


@pytest.mark.parametrize("value", ["cat", [1.0, 2.0], True, None])
def test_what_is_not_a_number_cannot_be_sorted(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="--top sorts results by their prediction"):
        written([{"id": "a", "prediction": value}], 1)


def test_a_work_that_breaks_off_writes_nothing() -> None:
    lines: list[bytes] = []
    best = Best(Lines(lines.append, lambda: None), 3)
    best.__enter__().write({"id": "a", "prediction": 1})
    best.__exit__(KeyError, KeyError(), None)
    assert not lines


@pytest.mark.parametrize("other", ["--stream", "--resume"])
def test_top_is_not_for_what_comes_bit_by_bit(run: Callable[..., Any], other: str) -> None:
    found = run("predict", "minilm", "a.txt", "--top", "3", other)
    assert found.returncode == 2 and "--top needs all results" in found.stderr


def test_the_nearest_texts_as_a_table(run: Callable[..., Any], tmp_path: Path) -> None:
    texts = ["A cat sleeps on the sofa.", "Stocks fell on Monday.", "The kitten is asleep."]
    (tmp_path / "texts.jsonl").write_text(
        "".join(json.dumps({"text": each}) + "\n" for each in texts), encoding="utf-8"
    )
    out = tmp_path / "near.jsonl"
    found = run(
        "predict", "minilm", str(tmp_path / "texts.jsonl"), "--near", "a sleeping cat", "--top",
        "2", "--out", str(out),
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["id"].rsplit(":", 1)[1] for row in rows} == {"0", "2"}
    assert rows[0]["prediction"] >= rows[1]["prediction"]
    assert "1 lower results are not written (--top)" in found.stderr
