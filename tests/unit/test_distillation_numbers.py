"""Distillation of models of numbers: the student reads what its teacher reads, and keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import anysize
from anysize.compression import distil
from anysize.compression.distil import DistilOptions
from anysize.compression.narrower import narrower
from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.models import bundle
from anysize.models.network import BuildRequest
from anysize.models.spec import build, open_network
from anysize.tasks.feature_classification import make
from anysize.training import Recipe, run

MEMORY = 8 << 30
TABLE, SERIES = "tabular-classification", "time-series-classification"


def table(path: Path, *, rows: int = 240, seed: int = 0, places: str = "Bonn Ulm Rom") -> Path:
    """The label is decided by a number and a category together; a hole here and there."""
    random = np.random.default_rng(seed)
    lines = ["size,place,noise,label"]
    names = places.split()
    for _ in range(rows):
        size, place = random.normal(), names[random.integers(len(names))]
        label = "big" if (size > 0) != (place == "Ulm") else "small"
        shown = "" if random.random() < 0.02 else f"{size:.4f}"
        lines.append(f"{shown},{place},{random.normal():.3f},{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def context(task: str, data: Path, original: Path) -> Context:
    return Context(task=make(task), original=original, memory=MEMORY, data=str(data))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    recipe = Recipe(
        task=TABLE, data=str(table(folder / "data.csv")), model="dense", out=str(folder / "run"),
        options={"hidden": "48x32"}, memory=MEMORY, epochs=20, batch=16, tensorboard=False,
    )  # fmt: skip
    run(recipe, quiet=True)
    return folder / "run"


def accuracy(model: Path, data: Path) -> float:
    rows = data.read_text(encoding="utf-8").splitlines()[1:]
    wanted = [row.rpartition(",")[2] for row in rows]
    options = anysize.PredictOptions(runtime="torch", precision="float32", memory=MEMORY)
    found = list(anysize.load(model).predict(data, options))
    right = [
        isinstance(one, anysize.Result) and one.label == label
        for one, label in zip(found, wanted, strict=True)
    ]
    return sum(right) / len(right)


def test_a_narrower_student_keeps_the_accuracy(teacher: Path, tmp_path: Path) -> None:
    data, fresh = teacher.parent / "data.csv", table(tmp_path / "new.csv", seed=1)
    method, out = distil.make("distil"), tmp_path / "student"
    network, card = open_network(str(teacher))
    assert method.problems(network, card) == []
    method.apply(teacher, out, DistilOptions(epochs=40), context(TABLE, data, teacher))
    student, own = open_network(str(out))
    assert own.settings == card.settings  # the encoding of columns, learned once
    weights = [sum(each.numel() for each in of.module.parameters()) for of in (network, student)]
    assert weights[1] < 0.5 * weights[0]
    assert accuracy(teacher, fresh) > 0.9
    assert accuracy(out, fresh) > accuracy(teacher, fresh) - 0.03


def test_units_are_halved_and_layers_left_out(teacher: Path) -> None:
    found = [narrower(teacher, layers) for layers in (0, 1, 2)]
    hidden = [each.options["hidden"] for each in found if each is not None]
    assert hidden == ["24x16", "16", "24x16"]
    with pytest.raises(ConfigurationError, match="layers must be at most 2"):
        narrower(teacher, 3)


def test_other_data_does_not_change_what_the_student_reads(teacher: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", seed=2, places="Bonn Ulm Rom Oslo Bern")
    recipe = Recipe(
        task=TABLE, data=str(data), model="dense", out=str(tmp_path / "run"), teacher=str(teacher),
        options={"hidden": "8"}, memory=MEMORY, steps=2, batch=8, tensorboard=False,
    )  # fmt: skip
    run(recipe, quiet=True)
    assert bundle.read_card(tmp_path / "run").settings == bundle.read_card(teacher).settings


def test_a_student_of_other_columns_is_refused(teacher: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", seed=3)
    common = {"task": TABLE, "data": str(data), "memory": MEMORY, "steps": 2, "batch": 8}
    run(Recipe(**common, model="dense", out=str(tmp_path / "own"), tensorboard=False), quiet=True)
    with pytest.raises(ConfigurationError, match="same columns in the same way"):
        run(
            Recipe(**common, model=str(tmp_path / "own"), out=str(tmp_path / "run"),
                   teacher=str(teacher)),
            quiet=True,
        )  # fmt: skip


def test_sequences_of_different_lengths(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label, slope in (("down", -1), ("up", 1)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(12):
            steps = np.linspace(-1, 1, int(random.integers(9, 14)))
            values = slope * steps[:, None] + random.normal(0, 0.1, (len(steps), 2))
            np.save(tmp_path / "data" / label / f"{number}.npy", values.astype(np.float32))
    request = BuildRequest(
        task=SERIES,
        labels=("down", "up"),
        facts=FeatureFacts(shape=(12, 2)),
        options={"hidden": "16x8"},
    )
    network = build("conv1d", request)
    card = bundle.Card(
        task=SERIES, labels=("down", "up"), model="conv1d", settings=network.settings
    )
    bundle.save(tmp_path / "teacher", network, card)
    method = distil.make("distil")
    method.apply(
        tmp_path / "teacher", tmp_path / "student", DistilOptions(epochs=1),
        context(SERIES, tmp_path / "data", tmp_path / "teacher"),
    )  # fmt: skip
    assert narrower(tmp_path / "teacher", 0) is not None
    student, own = open_network(str(tmp_path / "student"))
    assert own.settings == card.settings
    assert [each for each in student.module.state_dict() if "weight" in each]
