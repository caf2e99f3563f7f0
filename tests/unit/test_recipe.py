from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.progress import worth_telling
from anysize.modalities import load
from anysize.training import recipe as recipes
from anysize.training import run, toml
from anysize.training.layers import trained_part
from anysize.training.optimization import side_factor
from anysize.training.progress import Moment
from anysize.training.recipe import Recipe
from anysize.training.recipe_defaults import resolve

BASE = {"task": "text-classification", "data": "a.csv", "model": "minilm", "out": "runs/a"}
TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@given(
    st.dictionaries(
        TEXT,
        st.one_of(
            TEXT,
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False),
            st.lists(TEXT),
            st.dictionaries(TEXT, st.one_of(TEXT, st.integers(0, 9)), min_size=1),
        ),
    )
)
def test_toml_reads_back_what_was_written(entries: dict[str, object]) -> None:
    assert tomllib.loads(toml.dumps(entries)) == entries


def test_not_a_number_survives() -> None:
    assert math.isnan(tomllib.loads(toml.dumps({"a": math.nan}))["a"])


def test_recipe_reads_back_what_was_written(tmp_path: Path) -> None:
    written = Recipe(
        **BASE,
        columns={"text": 'the "review"\n', "label": "星"},
        labels=("good", "bad"),
        image_size=(64, 32),
        epochs=2.5,
        compile=True,
    )
    written.write(tmp_path / "recipe.toml")
    assert recipes.load(tmp_path / "recipe.toml") == written


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        'task = "t"\ndata = 3\nmodel = ""\nepochs = 1\nsteps = 0\nbatch = "many"\n'
        'optimizer = "adam"\nlearnig_rate = 1.0\nwarmup = nan\nimage_size = [3]\n'
        "validation = 0.6\ntest = 0.4\nstrict = 1\nlabels = ['a', 'a']\n"
        "window = 10\noverlap = 9\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        recipes.load(path)
    text = str(caught.value)
    for expected in (
        "'learnig_rate' is not a recipe field",
        "out is missing",
        "data must be a text or a list of texts, not 3",
        "model must not be empty",
        "steps must be at least 1",
        "batch must be a whole number, not 'many'",
        "optimizer must be one of adamw, sgd, not 'adam'",
        "warmup must be at least 0",
        "image_size must be width and height",
        "only one of epochs, steps and minutes",
        "validation and test together",
        "strict must be true or false, not 1",
        "labels must differ",
        "overlap must be below window - 2 (8), not 9",
    ):
        assert expected in text
    assert len(caught.value.problems) == 14


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
        recipes.load(path)


def test_defaults_depend_on_the_kind_of_model_and_yield_to_the_user() -> None:
    fine_tuned = resolve(Recipe(**BASE), modality=load("text"), pretrained=True)
    drawn = resolve(Recipe(**BASE, batch=7, steps=5), modality=load("image"), pretrained=False)
    assert fine_tuned.epochs is not None and fine_tuned.steps is None
    assert fine_tuned.learning_rate is not None and drawn.learning_rate is not None
    assert fine_tuned.learning_rate < drawn.learning_rate
    assert (drawn.batch, drawn.steps, drawn.epochs) == (7, 5, None)
    unresolved = {
        item.name for item in dataclasses.fields(Recipe) if getattr(drawn, item.name) is None
    }
    assert unresolved == {
        "labels", "epochs", "minutes", "window", "overlap", "image_size", "tile", "crop", "pages",
        "loaders", "memory", "validate_every", "trace", "teacher",
        "quantization", "threshold", "nms_iou",
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
    chosen = resolve(Recipe(**BASE), **kind)
    assert (chosen.optimizer, chosen.progressive) == ("sgd", 0.5)
    adaptive = resolve(Recipe(**BASE, optimizer="adamw"), **kind)
    assert adaptive.learning_rate is not None and chosen.learning_rate is not None
    assert adaptive.learning_rate < chosen.learning_rate
    assert resolve(Recipe(**BASE), **kind | {"pretrained": True}).progressive == 1.0
    assert resolve(Recipe(**BASE), **kind | {"side": 28}).progressive == 1.0
    with pytest.raises(ConfigurationError, match="pictures of one size"):
        resolve(Recipe(**BASE, progressive=0.5), **kind | {"side": 0})


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
