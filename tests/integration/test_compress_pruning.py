"""Pruning from a trained bundle to one that predicts: by every method, on made-up data."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from anysize import Model, load, tasks
from anysize.compression import chain
from anysize.compression.flops import measure
from anysize.compression.protocols import Context
from anysize.models.bundle import read_card
from anysize.models.spec import open_network
from anysize.sources import Subset, open_splits
from anysize.training import Recipe, run
from anysize.training.sparsity import prunable, two_of_four, zeros
from anysize.training.step import Stepper

MEMORY = 4 << 30


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_stripes(folder: Path) -> None:
    """Stripes across, stripes down, or neither, in noise."""
    from PIL import Image

    generator = np.random.default_rng(3)
    for number in range(150):
        label = ("across", "down", "plain")[number % 3]
        pixels = generator.integers(0, 120, size=(16, 16, 3))
        if label == "across":
            pixels[::2] += 90
        if label == "down":
            pixels[:, ::2] += 90
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number:03d}.png")


def write_texts(folder: Path) -> None:
    """Short texts whose label is told by one word."""
    generator = random.Random(1)
    words = [f"w{number}" for number in range(30)]
    with (folder / "data.csv").open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for number in range(160):
            text = generator.choices(words, k=9)
            text[generator.randrange(9)] = ("awful", "great")[number % 2]
            file.write(f"{' '.join(text)},{('no', 'yes')[number % 2]}\n")


@pytest.fixture(scope="module")
def pictures(shelf: Callable[..., Path]) -> dict[str, Any]:
    return {
        "task": "image-classification",
        "data": str(shelf("stripes", write_stripes)),
        "model": "cnn",
        "batch": 16,
        "micro_cost": 16 * 16 * 16,
        "augment": "none",
        "tensorboard": False,
    }


@pytest.fixture(scope="module")
def dense(pictures: dict[str, Any], shelf: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        recipe = Recipe(**pictures, epochs=6.0, learning_rate=0.05, out=str(folder / "run"))
        run(recipe, quiet=True)

    return shelf("stripes cnn", make, own=True) / "run"


@pytest.fixture(scope="module")
def texts(shelf: Callable[..., Path]) -> dict[str, Any]:
    return {
        "task": "text-classification",
        "data": str(shelf("one word", write_texts) / "data.csv"),
        "model": "transformer",
        "options": {
            "hidden_size": "32", "num_layers": "4", "intermediate_size": "64", "num_heads": "4",
        },
        "window": 16,
        "batch": 16,
        "micro_cost": 512,
        "tensorboard": False,
    }  # fmt: skip


@pytest.fixture(scope="module")
def encoder(texts: dict[str, Any], shelf: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        recipe = Recipe(**texts, epochs=8.0, learning_rate=3e-3, out=str(folder / "run"))
        run(recipe, quiet=True)

    return shelf("one word encoder", make, own=True) / "run"


def compressed(method: str, source: Path, out: Path, data: dict[str, Any]) -> list[str]:
    """Applies one method; gives what it said."""
    task = tasks.load(data["task"])
    said: list[str] = []
    context = Context(
        task=task,
        original=source,
        memory=MEMORY,
        say=said.append,
        data=data["data"],
        training=open_splits(data["data"], roles=task.columns, validation=0.1, test=0.1).train,
    )
    (step,) = chain.parse(method)
    network, card = open_network(str(source))
    assert step.method.problems(network, card) == []
    step.method.apply(source, out, step.options, context)
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
    return said


def score(folder: Path) -> float:
    return float(read_card(folder).metrics["validation_accuracy"])


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def test_magnitude_is_exact_and_stored_small(
    dense: Path, pictures: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = compressed("prune-magnitude(sparsity=0.8, epochs=4)", dense, out, pictures)
    network, card = open_network(str(out))
    weights = list(prunable(network.module).values())
    total = sum(weight.numel() for weight in weights)
    assert zeros(weights) == round(0.8 * total)
    assert said[-1] == f"{zeros(weights):,} of {total:,} weights are zero"
    assert not (out / "model.safetensors").exists()
    assert size(out) < 0.3 * size(dense)
    assert score(dense) > 0.9 and score(out) > 0.9
    assert card.provenance["recipe"] == read_card(dense).provenance["recipe"]
    (tuning,) = card.provenance["tuning"]
    assert (tuning["sparsity"], tuning["optimizer"]) == (0.8, "sgd")
    assert tuning["learning_rate"] == pytest.approx(0.2 * 0.05)
    results = load(out).predict([next(Path(pictures["data"]).glob("down/*.png"))])
    assert next(iter(results)).label == "down"  # type: ignore[union-attr]


def test_two_of_four_holds_after_training(
    dense: Path, pictures: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    compressed("prune-2:4(epochs=1)", dense, out, pictures)
    network, _ = open_network(str(out))
    found = 0
    for weight in prunable(network.module).values():
        if weight.shape[1] % 4 == 0:
            fours = (weight != 0).movedim(1, -1).reshape(-1, 4).sum(1)
            assert int(fours.max()) == 2
            kept = two_of_four(weight)
            assert kept is not None and not bool((weight != 0)[~kept].any())
            found += 1
    assert found == 3
    assert score(out) > 0.9


def test_channels_go_and_what_is_left_is_trained_further(
    dense: Path, pictures: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    compressed("prune-structured(flops=0.5, epochs=3, records=64)", dense, out, pictures)
    before, _ = open_network(str(dense))
    network, card = open_network(str(out))
    assert 0.485 <= measure(network).total / measure(before).total <= 0.5
    assert size(out) < 0.8 * size(dense)
    assert score(out) > 0.9
    assert card.altered == network.altered != {}

    again = tmp_path / "again"
    run(
        Recipe(**{**pictures, "model": str(out)}, steps=2, learning_rate=1e-9, out=str(again)),
        quiet=True,
    )
    further, further_card = open_network(str(again))
    assert further.altered == network.altered
    assert further_card.model == "cnn"
    torch.testing.assert_close(
        further.module.classifier.weight, network.module.classifier.weight, atol=1e-6, rtol=1e-4
    )
    assert score(again) == score(out)


def test_encoders_lose_heads_layers_and_rank(
    encoder: Path, texts: dict[str, Any], tmp_path: Path
) -> None:
    assert score(encoder) > 0.9
    before, _ = open_network(str(encoder))
    heads = tmp_path / "heads"
    compressed("prune-structured(flops=0.6, epochs=2, records=64)", encoder, heads, texts)
    network, _ = open_network(str(heads))
    assert 0.58 <= measure(network).total / measure(before).total <= 0.6
    assert score(heads) > 0.9

    layers = tmp_path / "layers"
    said = compressed("prune-layers(layers=2, epochs=2, windows=32)", heads, layers, texts)
    assert said[0].startswith("layers ") and said[0].endswith(" of 4 stay")
    network, card = open_network(str(layers))
    assert network.module.config.num_hidden_layers == 2
    assert network.altered and card.labels == ("no", "yes")
    assert score(layers) > 0.9

    ranks = tmp_path / "ranks"
    compressed("low-rank(energy=0.6, epochs=1)", layers, ranks, texts)
    network, _ = open_network(str(ranks))
    assert set(network.altered) == {"factored", "layers"}
    assert size(ranks) < size(layers) < size(heads) < size(encoder)
    assert score(ranks) > 0.9
    for folder in (heads, layers, ranks):
        (result,) = load(folder).predict(["w1 w2 great w3"])
        assert result.label == "yes"  # type: ignore[union-attr]


def test_a_killed_run_goes_on_with_its_masks(
    dense: Path, pictures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {
        **pictures,
        "model": str(dense),
        "steps": 16,
        "sparsity": 0.7,
        "ema": 0.5,
        "checkpoint_steps": 3,
    }
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(Recipe(**recipe, out=str(whole)), quiet=True)
    original = Stepper.gradients
    steps = 0

    def dying(self: Stepper, *inputs: Any, **named: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 8:
            raise KeyboardInterrupt
        return original(self, *inputs, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "gradients", dying)
        with pytest.raises(KeyboardInterrupt):
            run(Recipe(**recipe, out=str(broken)), quiet=True)
    run(Recipe(**recipe, out=str(broken)), resume=True, quiet=True)
    first, second = (open_network(str(folder))[0].module.state_dict() for folder in (whole, broken))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    weights = list(prunable(open_network(str(whole))[0].module).values())
    assert zeros(weights) == round(0.7 * sum(weight.numel() for weight in weights))


def test_without_data_there_is_no_training(dense: Path, tmp_path: Path) -> None:
    from anysize.core.errors import ConfigurationError

    context = Context(task=tasks.load("image-classification"), original=dense, memory=MEMORY)
    (step,) = chain.parse("prune-magnitude")
    with pytest.raises(ConfigurationError, match="fine-tuning needs data: give --data"):
        step.method.apply(dense, tmp_path / "out", step.options, context)
    (step,) = chain.parse("prune-magnitude(sparsity=0.3, epochs=0)")
    step.method.apply(dense, tmp_path / "out", step.options, context)
    weights = list(prunable(open_network(str(tmp_path / "out"))[0].module).values())
    assert zeros(weights) == round(0.3 * sum(weight.numel() for weight in weights))


@pytest.mark.parametrize("sureness", [1.0, 1e8])
def test_channels_that_nothing_reads_go_first(
    dense: Path, pictures: dict[str, Any], sureness: float
) -> None:
    """Also in a network so sure of itself that its loss has no gradient."""
    from anysize.compression.prune_structured import Options, removable, select

    task = tasks.load(pictures["task"])
    network, card = open_network(str(dense))
    groups, flops = removable(network, 8)
    idle = [[1, 5, 8, 9, 20, 21, 22, 31], [0, 3, 30, 31, 32, 33, 34, 63], []]
    for group, units in zip(groups[::-1], idle, strict=True):
        group.silence(units)
    training = open_splits(pictures["data"], roles=task.columns).train
    assert training is not None
    if sureness > 1:
        results = list(Model(network, card).predict(training))
        right = np.array(
            [
                result.label == training[place].target  # type: ignore[union-attr]
                for place, result in enumerate(results)
            ]
        )
        assert right.sum() >= 16
        training = Subset(training, lambda start, stop: right[start:stop], "those it knows")
        *_, last = (layer for layer in network.module.modules() if isinstance(layer, nn.Linear))
        with torch.no_grad():
            last.weight.mul_(sureness)
    context = Context(
        task=task,
        original=dense,
        memory=MEMORY,
        training=training,
    )
    options = Options(flops=0.6, records=32)
    chosen = select(network, card, groups, flops, options, context)
    for units, without in zip(chosen[::-1], idle, strict=True):
        assert set(without) <= set(units)
