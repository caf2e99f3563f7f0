"""Several files as one dataset, in every verb: lists, patterns, recipes, a run that goes on."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import anysize
from anysize.core.errors import ConfigurationError, DataError, RunError
from anysize.core.findings import Findings
from anysize.core.progress import NAME, Progress, silenced
from anysize.sources.inputs import check_split
from anysize.tasks.inputs import as_paths
from anysize.tasks.understanding import understand
from anysize.training import session
from anysize.training.recipe import Recipe
from anysize.training.recipe_file import from_mapping, load

TASK = "text-classification"
SMALL: dict[str, Any] = {"model": "attention", "batch": 8, "quiet": True, "memory": "4GiB"}


def write(folder: Path, name: str, start: int, count: int = 24) -> Path:
    rows = [
        f"a {('good', 'bad')[row % 2]} film of place {row},{('pos', 'neg')[row % 2]}"
        for row in range(start, start + count)
    ]
    path = folder / name
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("several")
    write(place, "a.csv", 0)
    write(place, "b.csv", 100)
    return place


@pytest.fixture(scope="module")
def trained(folder: Path) -> anysize.Model:
    several = [str(folder / "a.csv"), folder / "b.csv"]
    return anysize.train(TASK, several, out=folder / "run", steps=2, **SMALL)


def ids(data: object) -> list[str]:
    from anysize import tasks

    found = understand(as_paths(data), tasks.load(TASK), findings=Findings())
    parts = found.splits.named().values()
    return sorted(part[place].id for part in parts for place in range(len(part)))


def test_lists_patterns_and_folders_have_the_same_records(folder: Path) -> None:
    both = [folder / "a.csv", str(folder / "b.csv")]
    assert len(ids(both)) == 48
    assert ids(both) == ids(str(folder / "*.csv")) == ids(folder.glob("*.csv"))
    assert ids([*both, folder / "a.csv", str(folder / "*.csv")]) == ids(both)
    assert ids([folder / "a.csv"]) == ids(folder / "a.csv")


def test_several_files_are_trained_measured_inspected_and_planned(
    trained: anysize.Model, folder: Path
) -> None:
    both = [str(folder / "a.csv"), str(folder / "b.csv")]
    card = trained.card.provenance
    assert list(card["recipe"]["data"]) == both
    assert all(path in card["data"] for path in both)
    assert load(folder / "run" / "recipe.toml").data == tuple(both)
    counts = anysize.inspect(both, task=TASK, quiet=True)
    assert not isinstance(counts, dict)
    assert counts.to_json()["records"] == 48
    every = anysize.evaluate(trained, both, quiet=True).to_json()
    held = anysize.evaluate(trained, both, split="test", quiet=True).to_json()
    kept = anysize.evaluate(trained, both, split="train", quiet=True).to_json()
    assert every["records"] == 48
    assert 0 < held["records"] < kept["records"] == sum(card["label_counts"].values())
    codes = {finding["code"] for finding in every["findings"]}
    assert "evaluated-on-training" in codes


def test_a_run_goes_on_with_the_same_files_alone(trained: anysize.Model, folder: Path) -> None:
    both = [folder / "a.csv", folder / "b.csv"]
    again = anysize.train(TASK, both, out=folder / "run", steps=3, resume=True, **SMALL)
    assert again.card.provenance["recipe"]["steps"] == 3
    with pytest.raises(ConfigurationError, match=r"data is .*, but the run was started with"):
        anysize.train(TASK, both[:1], out=folder / "run", steps=4, resume=True, **SMALL)


def test_a_run_does_not_replace_one_of_its_files(tmp_path: Path) -> None:
    first = write(tmp_path, "a.csv", 0)
    inner = tmp_path / "run" / "initial"
    inner.mkdir(parents=True)
    second = write(inner, "b.csv", 50)
    with pytest.raises(ConfigurationError, match=r"would replace the data .*b\.csv"):
        anysize.train(TASK, [first, second], out=tmp_path / "run", steps=1, **SMALL)
    assert second.exists()


def test_plan_takes_what_train_takes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Recipe] = []

    def noted(recipe: Recipe, **_: object) -> Recipe:
        assert Path(recipe.data[0] if isinstance(recipe.data, tuple) else recipe.data).exists()
        asked.append(recipe)
        raise RunError("noted")

    monkeypatch.setattr(session, "make_plan", noted)
    monkeypatch.setattr(session, "run", noted)
    both = [folder / "a.csv", folder / "b.csv"]
    for verb in (anysize.plan, anysize.train):
        with pytest.raises(RunError, match="noted"):
            verb(TASK, both, **SMALL)
    assert asked[0] == asked[1]
    with pytest.raises(RunError, match="noted"):
        anysize.plan(asked[0])
    assert asked[2] == asked[0]
    with pytest.raises(ConfigurationError, match="a recipe alone"):
        anysize.plan(asked[0], both)
    with pytest.raises(ConfigurationError, match="data is missing"):
        anysize.plan(TASK)
    table = {"text": ["good", "bad"], "label": ["pos", "neg"]}
    with pytest.raises(RunError, match="noted"):
        anysize.plan(TASK, table, **SMALL)
    assert not Path(str(asked[3].data)).exists()
    assert not Path(asked[3].out).exists()


def test_a_recipe_names_one_file_or_several(tmp_path: Path) -> None:
    entries = {"task": TASK, "data": ["a.csv", "b.csv"], "model": "attention", "out": "run"}
    recipe = from_mapping(entries, origin="test")
    recipe.write(tmp_path / "recipe.toml")
    assert load(tmp_path / "recipe.toml") == recipe
    assert recipe.data == ("a.csv", "b.csv")
    one = from_mapping({**entries, "data": ["a.csv"]}, origin="test")
    assert one.data == "a.csv"
    assert one.identity() == from_mapping({**entries, "data": "a.csv"}, origin="test").identity()
    for wrong in ((), ("a.csv", "")):
        with pytest.raises(ConfigurationError, match="data must not be empty"):
            dataclasses.replace(recipe, data=wrong)
    with pytest.raises(ConfigurationError, match="data must be text or a list of texts"):
        Recipe(task=TASK, data=("a.csv", 3), model="attention", out="run")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [3, [], ["a.csv", 3], b"a.csv", None])
def test_what_is_no_data_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="a path, a list of paths or a table in memory"):
        anysize.train(TASK, wrong, **SMALL)


def test_a_part_is_chosen_among_files_by_their_names(tmp_path: Path) -> None:
    named = [write(tmp_path, "val.csv", 0), write(tmp_path, "test.csv", 50)]
    assert check_split(named, "test") == "test"
    with pytest.raises(ConfigurationError, match="which are validation, test"):
        check_split(named, "train")
    assert check_split([*named, write(tmp_path, "c.csv", 90)], "train") == "train"
    with pytest.raises(DataError, match=r"d\.csv: does not exist"):
        check_split([named[0], tmp_path / "d.csv"], "test")


def test_quiet_passes_say_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anysize.core.progress.FIRST_SECONDS", 0.0)
    logger = logging.getLogger(NAME)
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.INFO, NAME)

    def said(make: Callable[[], Progress]) -> int:
        before = len(caplog.records)
        progress = make()
        progress.at(1)
        progress.end(1)
        return len(caplog.records) - before

    with silenced(True), silenced(False):
        assert said(lambda: Progress("counting", 1, "rows")) == 0
    with silenced(False):
        assert said(lambda: Progress("counting", 1, "rows")) == 2
