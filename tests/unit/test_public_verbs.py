"""The verbs in Python: training from memory, the public functions, the package's own example."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

import anysize
from anysize.cli.main import app
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.options import declared
from anysize.tasks.options import narrowed, readers_of
from anysize.training.recipe import Recipe, own_tables
from anysize.training.recipe_defaults import default_model
from anysize.training.recipe_file import Draft, read

TASK = "text-classification"

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
    everywhere = {one.name: one for one in declared(Recipe)}
    assert {name for name, one in everywhere.items() if one.flag is None} == {"task", "data"}
    for task in plugins.keys("tasks"):
        help_text = CliRunner().invoke(app, ["train", task, "--help"]).output
        own = {one.name: one for kind in own_tables(task) for one in declared(kind)}
        for one in filter(None, (narrowed(task, each) for each in (everywhere | own).values())):
            assert one.flag is None or f"  {one.flag} " in help_text, (task, one.flag)


def test_the_help_of_a_task_shows_its_options_in_groups_with_defaults() -> None:
    texts = " ".join(CliRunner().invoke(app, ["train", TASK, "--help"]).output.split())
    for part in ("Text: --window N", "Limits: --epochs NUMBER", "--optimizer adamw|sgd"):
        assert part in texts
    assert "--seed N Random seed. [default: 0]" in texts
    assert "--tiles" not in texts and "--nms-iou" not in texts
    without = " ".join(CliRunner().invoke(app, ["train", "--help"]).output.split())
    assert "--window" not in without
    assert "TASK --help" in without


def test_an_option_of_another_task_is_named_with_the_tasks_that_have_it() -> None:
    mistakes = ["--tiles", "never", "--nms-iou", "0.5", "--windw", "3"]
    done = CliRunner().invoke(app, ["train", TASK, __file__, *mistakes[:4], "--seed", "x"])
    assert isinstance(done.exception, ConfigurationError)
    assert done.exception.problems == [
        "--seed must be a whole number of at least 0, not 'x'",
        f"--tiles has no effect on {TASK}: it is for {', '.join(readers_of('image'))}",
        f"--nms-iou has no effect on {TASK}: it is for object-detection",
    ]
    unknown = CliRunner().invoke(app, ["train", "text-clasification", __file__, "--window", "1"])
    assert isinstance(unknown.exception, ConfigurationError)
    assert unknown.exception.problems == [
        "'text-clasification' is not a task; did you mean 'text-classification'?",
        "--window must be a whole number from 4 to 1,048,576, not 1",
    ]
    misspelt = CliRunner().invoke(app, ["train", TASK, __file__, *mistakes])
    assert "no option --windw; did you mean --window?" in str(misspelt.exception)


def test_options_of_the_command_line_change_those_of_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'task = "{TASK}"\n[limits]\nsteps = 3\n[text]\nwindow = 2\n')
    options = ["--epochs", "0.5", "--out", "o", "--no-tensorboard", "--overlap", "1"]
    found = CliRunner().invoke(app, ["train", str(recipe), "d.csv", "--model", "m", *options])
    assert isinstance(found.exception, ConfigurationError)
    assert found.exception.problems == [
        f"{recipe}: [text] window must be a whole number from 4 to 1,048,576, not 2"
    ]
    recipe.write_text(recipe.read_text().replace("= 2", "= 8"))
    draft = Draft()
    draft.take_file(read(recipe), str(recipe))
    draft.take_values({"data": "d.csv"})
    draft.take_texts({"model": "m", "epochs": "0.5", "out": "o", "tensorboard": "false"})
    made = draft.recipe()
    assert (made.epochs, made.steps, made.tensorboard) == (0.5, None, False)
    assert made.value("window") == 8


def test_all_mistakes_of_a_command_are_reported_at_once() -> None:
    mistakes = ["--memory", "much", "--image-size", "big", "--epochs", "-1"]
    done = CliRunner().invoke(app, ["train", "image-classification", __file__, *mistakes])
    assert isinstance(done.exception, ConfigurationError)
    for part in ("--memory must be a size", "--image-size", "--epochs must be a number above 0"):
        assert part in str(done.exception)


def test_each_task_has_a_model_of_its_own() -> None:
    without = {"summarization", "feature-extraction"}
    for task in set(plugins.keys("tasks")) - without:
        assert default_model(task) in plugins.keys("models"), task
    for task in without:
        with pytest.raises(ConfigurationError, match="has no default for it: name a folder"):
            default_model(task)
