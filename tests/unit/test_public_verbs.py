"""The verbs in Python: training from memory, the public functions, the package's own example."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import anysize
from anysize.cli.main import app
from anysize.core.errors import ConfigurationError
from anysize.training.recipe import Recipe
from anysize.training.recipe_defaults import default_model

TABLE = {
    "text": [f"a {word} film of {place}" for place in range(12) for word in ("good", "bad")],
    "label": ["pos", "neg"] * 12,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> anysize.Model:
    out = tmp_path_factory.mktemp("work") / "runs" / "reviews"
    return anysize.train(
        "text-classification", TABLE, model="attention", out=out, steps=2, batch=8, quiet=True
    )


def test_data_in_memory_is_written_into_the_run(trained: anysize.Model) -> None:
    assert trained.folder is not None
    table = trained.folder / "data" / "data.jsonl"
    recipe = trained.card.provenance["recipe"]
    assert Path(recipe["data"]) == table
    assert len(table.read_text(encoding="utf-8").splitlines()) == 24
    before = table.stat().st_ino
    anysize.train(
        "text-classification", TABLE, model="attention", out=trained.folder, steps=3, batch=8,
        quiet=True, resume=True,
    )  # fmt: skip
    assert table.stat().st_ino == before


def test_the_packages_own_example_runs(
    trained: anysize.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained.folder is not None
    work = trained.folder.parents[1]
    (work / "a_whole_book.txt").write_text("a good film " * 2000, encoding="utf-8")
    monkeypatch.chdir(work)
    assert doctest.testmod(anysize).attempted > 3
    assert doctest.testmod(anysize).failed == 0


def test_the_verbs_are_functions(trained: anysize.Model, tmp_path: Path) -> None:
    assert trained.folder is not None
    counted = anysize.inspect(trained.folder / "data" / "data.jsonl", task="text-classification")
    assert not isinstance(counted, dict)
    assert counted.to_json()["records"] == 24
    card = anysize.inspect(trained.folder)
    assert isinstance(card, dict)
    assert list(card["labels"]) == ["neg", "pos"]
    measured = anysize.evaluate(trained, TABLE)
    assert measured.main() == anysize.evaluate(trained.folder, TABLE).main()
    assert callable(anysize.compress)


def test_the_public_names_are_those_that_are_there() -> None:
    assert sorted(anysize.__all__) == sorted(set(dir(anysize)))
    assert all(getattr(anysize, name) is not None for name in anysize.__all__)
    verbs = ("train", "plan", "evaluate", "inspect", "compress")
    for verb in verbs:
        assert "quiet" in inspect.signature(getattr(anysize, verb)).parameters, verb
    shared = ("task", "data", "model", "out", "memory", "quiet", "settings")
    for verb in ("train", "plan"):
        assert set(shared) <= set(inspect.signature(getattr(anysize, verb)).parameters)


def test_every_field_of_a_recipe_can_be_given_on_the_command_line() -> None:
    train = typer.main.get_command(app).get_command(None, "train")  # type: ignore[attr-defined]
    taken = {
        name.removeprefix("--model-" if name == "--model-options" else "--").replace("-", "_")
        for parameter in train.params
        for name in parameter.opts
    }
    missing = {item.name for item in dataclasses.fields(Recipe)} - taken
    assert missing <= {"table"}


def test_all_mistakes_of_a_command_are_reported_at_once() -> None:
    mistakes = ["--memory", "much", "--image-size", "big", "--epochs", "-1"]
    done = CliRunner().invoke(app, ["train", "text-classification", __file__, *mistakes])
    assert isinstance(done.exception, ConfigurationError)
    for part in ("--memory must be a size", "--image-size", "epochs must be above 0"):
        assert part in str(done.exception)


def test_each_task_has_a_model_of_its_own() -> None:
    for task in ("text-classification", "image-classification", "tabular-classification"):
        assert default_model(task)
    with pytest.raises(ConfigurationError, match="has no default"):
        default_model("translation")
