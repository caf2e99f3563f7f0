from __future__ import annotations

import dataclasses
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from anysize import tasks
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.progress import worth_telling
from anysize.modalities import load
from anysize.tasks.options import readers_of
from anysize.training import recipe_file, run
from anysize.training.layers import trained_part
from anysize.training.optimization import side_factor
from anysize.training.progress import Moment
from anysize.training.recipe import Recipe, completed
from anysize.training.recipe_defaults import resolve

BASE = {"task": "text-classification", "data": "a.csv", "model": "minilm", "out": "runs/a"}


PICTURES = {**BASE, "task": "image-classification"}


def read(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return recipe_file.load(path)


def refused(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    origin = f"{tmp_path / 'recipe.toml'}: "
    return [problem.removeprefix(origin) for problem in caught.value.problems]


def test_recipe_reads_back_what_was_written(tmp_path: Path) -> None:
    written = Recipe(
        **PICTURES,
        columns={"image": 'the "picture"\n', "label": "星"},
        labels=("good", "bad"),
        image_size=(64, 32),
        epochs=2.5,
        compile=True,
        options={"hidden": "8"},
    )
    written.write(tmp_path / "recipe.toml")
    assert recipe_file.load(tmp_path / "recipe.toml") == written
    tables = tomllib.loads((tmp_path / "recipe.toml").read_text(encoding="utf-8"))
    assert tables["task"] == "image-classification"
    assert tables["data"]["paths"] == "a.csv"
    assert tables["data"]["columns"]["label"] == "星"
    assert tables["model"] == {"spec": "minilm", "merge": "mean", "options": {"hidden": "8"}}
    assert tables["image"]["size"] == [64, 32]
    assert tables["limits"]["epochs"] == 2.5
    assert "distillation" not in tables and "optimization" not in tables


def test_recipes_without_tables_are_read_and_written_in_tables(tmp_path: Path) -> None:
    """Every recipe that was written before there were tables, with all its defaults."""
    recipe = read(
        tmp_path,
        """
        task = "text-classification"
        data = ["reviews.csv"]
        model = "lstm"
        out = "runs/a"
        encoding = "utf-8"
        steps = 1
        batch = 8
        merge = "max"
        window = 64
        tiles = "auto"
        tolerant = false
        progressive = 1.0
        distil_weight = 0.5
        tensorboard = false

        [columns]
        text = "review"

        [options]
        hidden = "128"
        """,
    )
    assert (recipe.data, recipe.steps, recipe.value("window")) == ("reviews.csv", 1, 64)
    assert (recipe.columns, recipe.options) == ({"text": "review"}, {"hidden": "128"})
    tables = tomllib.loads(recipe.to_toml())
    assert tables["text"] == {"window": 64}
    assert tables["data"]["columns"] == {"text": "review"}
    assert "image" not in tables
    recipe.write(tmp_path / "again.toml")
    assert recipe_file.load(tmp_path / "again.toml") == recipe


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    assert refused(
        tmp_path,
        """
        task = "text-classification"

        [data]
        paths = 3
        validation = 0.6
        test = 0.4
        labels = ["a", "a"]
        encodin = "utf-8"

        [model]
        spec = ""

        [limits]
        epochs = 1
        steps = 1
        memory = "much"

        [optimization]
        batch = "many"
        optimizer = "adam"
        warmup = nan

        [text]
        window = 10
        overlap = 9

        [run]
        strict = 1

        [textt]
        window = 3

        [image]
        size = [3]
        """,
    ) == [
        "'encodin' is not an option of [data]; did you mean 'encoding'?",
        "[limits] memory must be a size of at least 1MiB, such as 2GiB, not 'much'",
        "'textt' is not a table of a recipe; did you mean 'text'?",
        f"[image] has no effect on text-classification: it is for {', '.join(readers_of('image'))}",
        "[data] paths must be text or a list of texts, not 3",
        "[data] labels must differ from each other, not ('a', 'a')",
        "[model] spec must not be empty",
        "[optimization] batch must be a whole number of at least 1, not 'many'",
        "[optimization] optimizer must be one of adamw, sgd, not 'adam'",
        "[optimization] warmup must be a number of at least 0 and below 1, not nan",
        "[run] out is missing and has no default",
        "[run] strict must be true or false, not 1",
        "[limits] epochs: only one of epochs, steps and minutes can limit a run, not epochs and "
        "steps",
        "[data] validation and test together must leave records for training, not 0.6 + 0.4",
        "[text] overlap must be below window - 2 (8), not 9",
    ]


def test_a_mistake_in_a_recipe_without_tables_names_the_option(tmp_path: Path) -> None:
    text = 'task = "text-clasification"\nlearnig_rate = 1.0\nmodel = "a"\nimage_size = [3]\n'
    found = refused(tmp_path, text + "data = 'a'\nout = 'b'\nepochs = 0\n")
    assert found == [
        "'learnig_rate' is not an option of a recipe; did you mean 'learning_rate'?",
        "'text-clasification' is not a task; did you mean 'text-classification'?",
        "epochs must be a number above 0 and at most 1,000,000, not 0.0",
        "image_size must be width and height of at least 1 pixel, or one side (224, 320x240), "
        "not (3,)",
    ]


def test_options_of_other_tasks_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="tiles has no effect on text-classification: it"):
        Recipe(**BASE, tiles="always")
    with pytest.raises(ConfigurationError, match="threshold has no effect on image-classification"):
        Recipe(**PICTURES, threshold=0.5)
    assert Recipe(**BASE, tiles="auto").value("tiles", "none") == "none"
    assert Recipe(**PICTURES, tiles="never").value("tiles") == "never"


def test_a_resumed_run_takes_over_what_is_left_open() -> None:
    before = Recipe(**BASE, steps=5, window=32, learning_rate=0.5, batch=3, micro_cost=7)
    after = completed(Recipe(**BASE, epochs=2.0, batch=4), before)
    assert (after.epochs, after.steps) == (2.0, None)
    assert (after.value("window"), after.learning_rate, after.batch) == (32, 0.5, 4)
    assert after.micro_cost == 7
    assert after.differences(before) == ["batch is 4, but the run was started with 3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"task = ", "not valid TOML"), (b'task = "\xff"', "must be UTF-8"), (None, "cannot be read")],
)
def test_unreadable_files_are_data_errors(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        recipe_file.load(path)


def test_defaults_depend_on_the_kind_of_model_and_yield_to_the_user() -> None:
    fine_tuned = resolve(Recipe(**BASE), modality=load("text"), pretrained=True)
    drawn = resolve(Recipe(**PICTURES, batch=7, steps=5), modality=load("image"), pretrained=False)
    assert fine_tuned.epochs is not None and fine_tuned.steps is None
    assert fine_tuned.learning_rate is not None and drawn.learning_rate is not None
    assert fine_tuned.learning_rate < drawn.learning_rate
    assert (drawn.batch, drawn.steps, drawn.epochs) == (7, 5, None)
    unresolved = {name for name, value in drawn.flat().items() if value is None}
    assert unresolved == {
        "labels", "head", "metric", "separator", "epochs", "minutes", "overlap", "image_size",
        "tile", "crop", "pages", "tiles",
        "lora_rank", "lora_alpha", "lora_dropout", "last_blocks",
        "tolerant", "loaders", "memory", "validate_every", "trace", "teacher", "quantization",
        "written_targets",
    }  # fmt: skip


def test_a_head_alone_learns_faster_than_all_weights() -> None:
    recipe = Recipe(
        task="image-classification", data="d", out="o", model="m", freeze=("*", "!head")
    )
    whole = resolve(recipe, modality=load("image"), pretrained=True)
    head = resolve(recipe, modality=load("image"), pretrained=True, head_only=True)
    assert head.learning_rate is not None
    assert whole.learning_rate is not None
    assert head.learning_rate >= 50 * whole.learning_rate
    asked = dataclasses.replace(recipe, learning_rate=3e-4)
    assert (
        resolve(asked, modality=load("image"), pretrained=True, head_only=True).learning_rate
        == 3e-4
    )
    module = nn.ModuleDict({"body": nn.Linear(30, 30), "head": nn.Linear(30, 2)})
    assert trained_part(module, ("*", "!head")) == 62 / 992
    assert trained_part(module, ()) == 1.0


def test_time_left_is_told_once_it_means_something() -> None:
    early = Moment(
        step=1, epoch=0, records=8, loss=1.0, learning_rate=0.1, rate=2.0, progress=0.01, left=400.0
    )
    assert "left" not in early.sentence()
    assert "left" in dataclasses.replace(early, progress=0.5, left=60.0).sentence()
    assert "0:00 left" in dataclasses.replace(early, progress=1.0, left=0.0).sentence()
    assert not worth_telling(0.5, 1.0)


def test_nets_with_batch_normalisation_are_trained_with_sgd_and_growing_pictures() -> None:
    kind: dict[str, Any] = {
        "modality": load("image"), "pretrained": False, "normalised": True, "side": 32,
    }  # fmt: skip
    chosen = resolve(Recipe(**PICTURES), **kind)
    assert (chosen.optimizer, chosen.progressive) == ("sgd", 0.5)
    adaptive = resolve(Recipe(**PICTURES, optimizer="adamw"), **kind)
    assert adaptive.learning_rate is not None and chosen.learning_rate is not None
    assert adaptive.learning_rate < chosen.learning_rate
    assert resolve(Recipe(**PICTURES), **kind | {"pretrained": True}).progressive == 1.0
    assert resolve(Recipe(**PICTURES), **kind | {"side": 28}).progressive == 1.0
    with pytest.raises(ConfigurationError, match="pictures of one size"):
        resolve(Recipe(**PICTURES, progressive=0.5), **kind | {"side": 0})


def test_numbers_of_pictures_are_not_learned_at_the_rate_of_classes() -> None:
    """The gradient of a squared error has no bound."""
    kind: dict[str, Any] = {"modality": load("image"), "pretrained": False, "normalised": True}
    for name, wanted in (("image-classification", "sgd"), ("image-regression", "adamw")):
        own = tasks.load(name).recipe_defaults(pretrained=False)
        assert resolve(Recipe(**{**PICTURES, "task": name}), **kind, own=own).optimizer == wanted


def test_pictures_grow_in_quarters_and_are_whole_in_the_end() -> None:
    sides = [side_factor(0.5, step / 100) for step in range(101)]
    assert sides == sorted(sides)
    assert set(sides) == {0.5, 0.75, 1.0}
    assert sides[59] < sides[60] == 1.0
    assert {side_factor(1.0, step / 10) for step in range(11)} == {1.0}
    assert side_factor(0.3, 0.0) == 0.3


def test_only_what_is_learned_must_stay_for_resuming() -> None:
    recipe = Recipe(**BASE, columns={"a": "1", "b": "2"})
    same = dataclasses.replace(recipe, columns={"b": "2", "a": "1"}, workers=3, out="b", epochs=9.0)
    assert same.differences(recipe) == []
    changed = dataclasses.replace(recipe, seed=1)
    assert changed.differences(recipe) == ["seed is 1, but the run was started with 0"]
    assert same.identity() == recipe.identity() != changed.identity()
    assert recipe.identity() == dataclasses.replace(recipe, momentum=0.9, epochs=2.0).identity()


def test_a_path_that_the_recipe_cannot_name_is_refused_before_work_starts(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    data = folder / "data.csv"
    data.write_text("text,label\na,x\nb,y\n")
    out = tmp_path / "run"
    recipe = Recipe(
        task="text-classification", data=("ok.csv", str(data)), model="lstm", out=str(out), steps=1,
        trace=str(folder / "trace"),
    )  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        run(recipe, quiet=True)
    assert [problem.split()[0] for problem in caught.value.problems] == ["data", "trace"]
    assert "must be in UTF-8, because recipe.toml names it" in caught.value.problems[0]
    str(caught.value).encode()  # it can be printed anywhere
    assert not out.exists()
