"""Students trained beside their teachers: whole runs, resumed ones, and the method ``distil``."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from anysize import api, tasks
from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.models.bundle import read_card
from anysize.sources import open_splits
from anysize.training import Recipe, Stopped, run
from anysize.training.stopping import StopRequest

LABELS = ("no", "yes")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Texts, some of several windows; a third of the labels is wrong."""
    path = tmp_path_factory.mktemp("texts") / "data.jsonl"
    generator = random.Random(1)
    words = [f"w{number}" for number in range(20)]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(200):
            label = generator.choice(LABELS)
            known = words[:10] if label == "no" else words[10:]
            text = generator.choices(known, k=generator.choice((4, 9, 30)))
            if generator.random() < 0.33:
                label = generator.choice(LABELS)
            file.write(json.dumps({"text": " ".join(text), "label": label}) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def teacher(data: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "teacher"
    recipe = Recipe(
        task="text-classification", data=data, model="transformer", out=str(out), window=16,
        epochs=8.0, batch=8, micro_cost=256, tensorboard=False,
        options={"hidden_size": "32", "num_layers": "4", "intermediate_size": "64"},
    )  # fmt: skip
    assert (run(recipe, quiet=True).best or 0.0) > 0.6
    return out


def student(data: str, teacher: Path, out: Path, **fields: Any) -> Recipe:
    base: dict[str, Any] = {
        "task": "text-classification", "data": data, "model": str(teacher), "out": str(out),
        "options": {"layers": "2"}, "teacher": str(teacher), "epochs": 2.0, "batch": 8,
        "micro_cost": 64, "tensorboard": False, "validation": 0.0,
    }  # fmt: skip
    return Recipe(**{**base, **fields})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def probabilities(folder: Path, data: str) -> torch.Tensor:
    results = api.load(folder).predict(data)
    return torch.tensor([[found.details["probabilities"]["yes"]] for found in results])


def test_resumed_weights_equal_the_uninterrupted(
    data: str, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (teacher / "model.safetensors").read_bytes()
    # Another width, so that projections are learned as well.
    fields: dict[str, Any] = {
        "model": "transformer",
        "options": {"hidden_size": "16", "num_layers": "2", "intermediate_size": "32"},
        "window": 16,
        "epochs": 1.0,
    }
    straight = student(data, teacher, tmp_path / "straight", **fields)
    run(straight, quiet=True)
    stopped = dataclasses.replace(straight, out=str(tmp_path / "stopped"))
    asked: list[int] = []

    def signal_of(_request: StopRequest) -> int:
        asked.append(1)
        return 15 if len(asked) > 7 else 0

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "signal", property(signal_of, lambda *_: None), raising=False)
        with pytest.raises(Stopped):
            run(stopped, quiet=True)
    run(stopped, resume=True, quiet=True)
    first, second = (weights(tmp_path / name) for name in ("straight", "stopped"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any("projection" in name for name in first)
    assert (teacher / "model.safetensors").read_bytes() == before
    with pytest.raises(ConfigurationError, match="temperature"):
        run(dataclasses.replace(stopped, temperature=5.0), resume=True, quiet=True)


def test_a_distilled_student_agrees_more_with_its_teacher(
    data: str, teacher: Path, tmp_path: Path
) -> None:
    fields: dict[str, Any] = {"epochs": 4.0, "learning_rate": 1e-3}
    learned = student(data, teacher, tmp_path / "learned", distil_weight=0.9, **fields)
    alone = dataclasses.replace(learned, teacher=None, out=str(tmp_path / "alone"))
    run(learned, quiet=True)
    run(alone, quiet=True)
    wanted = probabilities(teacher, data)
    off = {
        name: float((probabilities(tmp_path / name, data) - wanted).abs().mean())
        for name in ("learned", "alone")
    }
    assert off["learned"] < 0.8 * off["alone"]


def context(bundle: Path, data: str) -> Context:
    task = tasks.load(read_card(bundle).task)
    return Context(
        task=task,
        original=bundle,
        memory=4 << 30,
        data=data,
        training=open_splits(data, roles=task.columns).train,
    )


def test_the_method_leaves_a_smaller_bundle(data: str, teacher: Path, tmp_path: Path) -> None:
    (step,) = parse("distil(epochs=1, layers=1)")
    step.method.apply(teacher, tmp_path / "thin", step.options, context(teacher, data))
    entries = json.loads((tmp_path / "thin" / "config.json").read_text())
    assert entries["num_hidden_layers"] == 1
    card = read_card(tmp_path / "thin")
    assert (card.labels, card.settings) == (read_card(teacher).labels, read_card(teacher).settings)
    assert len(list(api.load(tmp_path / "thin").predict(["w1 w2 w3"]))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thin"]
    (step,) = parse("distil(layers=5)")
    with pytest.raises(ConfigurationError, match="at most 4"):
        step.method.apply(teacher, tmp_path / "none", step.options, context(teacher, data))
    with pytest.raises(ConfigurationError, match="either student"):
        parse("distil(student=lstm, layers=2)")


def test_another_kind_of_student_for_pictures(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(2)
    for number in range(120):
        label = ("dark", "light")[number % 2]
        pixels = generator.integers(0, 160, size=(8, 8, 3)) + (60 if label == "light" else 0)
        (tmp_path / "data" / label).mkdir(exist_ok=True, parents=True)
        path = tmp_path / "data" / label / f"{number:03d}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    data = str(tmp_path / "data")
    big = tmp_path / "big"
    run(
        Recipe(
            task="image-classification", data=data, model="cnn", out=str(big), epochs=4.0,
            batch=16, micro_cost=1024, tensorboard=False,
        ),
        quiet=True,
    )  # fmt: skip
    (step,) = parse("distil(student=mlp, epochs=40)")
    step.method.apply(big, tmp_path / "small", step.options, context(big, data))
    card = read_card(tmp_path / "small")
    assert (card.model, card.labels) == ("mlp", ("dark", "light"))
    assert api.load(tmp_path / "small").evaluate(data, split="test").main()["accuracy"] > 0.8
    (step,) = parse("distil(epochs=1)")
    step.method.apply(big, tmp_path / "half", step.options, context(big, data))
    assert read_card(tmp_path / "half").model == "cnn"
    sizes = json.loads((tmp_path / "half" / "config.json").read_text())["hidden_sizes"]
    assert sizes == [16, 32, 64]
    (step,) = parse("distil(layers=2)")
    with pytest.raises(ConfigurationError, match="student=SPEC"):
        step.method.apply(big, tmp_path / "none", step.options, context(big, data))
