"""The records that decide are those that training kept out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anysize.compression.request import Judging, shares
from anysize.core.errors import DataError
from anysize.modalities.texts.settings import TextSettings
from anysize.models.bundle import Card
from anysize.sources import open_splits
from anysize.tasks import load


def card(data: Path | list[str], **recipe: Any) -> Card:
    """Of a model that was trained on tables, as training writes it."""
    task = load("text-classification")
    parts = open_splits(data, roles=task.columns, **recipe)
    assert parts.train is not None
    provenance = {"data": parts.train.name, "recipe": recipe | {"data": data}}
    return Card(
        task=task.name, labels=("a", "b"), model="lstm", settings=TextSettings(window=16),
        provenance=provenance,
    )  # fmt: skip


def judging(of: Card, data: Path) -> Judging:
    validation, test = shares(of, str(data))
    return Judging(
        task=of.task, data=str(data), memory=1 << 30, validation=validation, test=test
    )  # fmt: skip


def table(path: Path) -> Path:
    rows = [f"{number} words of {path.stem},{'ab'[number % 2]}" for number in range(200)]
    path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return path


def test_the_parts_are_those_of_the_training(tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv")
    trained = card(data, validation=0.0, test=0.3)
    asked = judging(trained, data)
    training, deciding = asked.training(), asked.deciding()
    assert training is not None
    assert deciding is not None
    assert len(deciding) == pytest.approx(60, abs=20)
    assert len(training) + len(deciding) == 200
    other = table(tmp_path / "other.csv")
    assert shares(trained, str(other)) == (0.1, 0.1)


def test_a_model_that_learned_from_all_records_has_none_to_be_judged_by(tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv")
    with pytest.raises(DataError, match="the model learned from all of it; give data with a test"):
        judging(card(data, validation=0.0, test=0.0), data).deciding()


def test_several_files_are_divided_as_in_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [str(table(tmp_path / f"{name}.csv")) for name in "ab"]
    trained = card(both, validation=0.0, test=0.3)
    monkeypatch.chdir(tmp_path)
    # However the files are named.
    for data in (both, tuple(both), ["a.csv", "b.csv"], "*.csv"):
        assert shares(trained, data) == (0.0, 0.3)
    for other in (both[:1], [*both, str(table(tmp_path / "c.csv"))], ["a.csv", "gone.csv"]):
        assert shares(trained, other) == (0.1, 0.1)
    (tmp_path / "c.csv").unlink()
    asked = Judging(task=trained.task, data=both, memory=1 << 30, validation=0.0, test=0.3)
    asked.write(tmp_path / "request.json")
    training, deciding = asked.training(), Judging.read(tmp_path / "request.json").deciding()
    assert training is not None
    assert deciding is not None
    assert len(training) + len(deciding) == 400
    assert {record.id[:5] for record in deciding} == {"a.csv", "b.csv"}  # type: ignore[attr-defined]
