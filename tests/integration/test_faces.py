"""Face recognition from folders to names: train, evaluate, enroll, predict, verify."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import anysize
from anysize.cli.main import app
from anysize.core.errors import ConfigurationError
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest
from anysize.models.spec import build
from anysize.recognition.gallery import Gallery, load, save

PEOPLE, TRAINED, PICTURES = 14, 10, 5


def picture(person: int, number: int) -> np.ndarray:
    """Blobs at places that are the person's own, a little moved and lit otherwise each time."""
    places = np.random.default_rng(person).uniform(8, 40, (6, 2))
    draw = np.random.default_rng(1000 * person + number)
    y, x = np.mgrid[:48, :48]
    total = np.zeros((48, 48))
    for place in places + draw.normal(0, 0.4, (6, 2)):
        total += np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 18)
    light = draw.uniform(70, 110)
    pixels = 40 + light * total + draw.normal(0, 4, (48, 48))
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for person in range(PEOPLE):
        part = "train" if person < TRAINED else "test"
        place = folder / part / f"person {person:02d}"
        place.mkdir(parents=True)
        for number in range(PICTURES):
            Image.fromarray(picture(person, number)).save(place / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> anysize.Model:
    return anysize.train(
        "face-recognition",
        data,
        model="face-gradients",
        out=tmp_path_factory.mktemp("run") / "faces",
        epochs=1.0,
        validation=0.2,
        image_size=(48, 48),
        memory="4GiB",
        options={"finder": "none", "width": "64"},
    )


def test_validation_is_by_people_who_are_not_learned(model: anysize.Model) -> None:
    assert len(model.card.labels) == TRAINED - 2
    assert model.card.metrics["validation_verification_accuracy"] > 0.8


def test_unseen_people_are_told_apart(model: anysize.Model, data: Path, tmp_path: Path) -> None:
    found = model.evaluate(data, tmp_path / "report", split="test").to_json()
    assert found["identities"] == PEOPLE - TRAINED
    assert found["eer"] < 0.15 and found["rank1"] > 0.9
    assert (tmp_path / "report" / "report.html").is_file()
    # Everything there is: those who were learned are left out.
    everybody = model.evaluate(data / "train").to_json()
    assert everybody["trained_identities_left_out"] == TRAINED - 2
    assert everybody["identities"] == 2


def command(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout


def test_people_are_enrolled_named_compared_and_deleted(
    model: anysize.Model, data: Path, tmp_path: Path
) -> None:
    assert model.folder is not None
    test, gallery = data / "test", tmp_path / "gallery"
    command("enroll", model.folder, test, "--out", gallery, "--calibrate", data / "train")
    assert load(gallery).names == tuple(f"person {n}" for n in range(TRAINED, PEOPLE))
    files = [test / f"person {person}" / "4.png" for person in (10, 11)]
    lines = command("predict", model.folder, *files, "--gallery", gallery).splitlines()
    results = [json.loads(line) for line in lines]
    assert [result["prediction"] for result in results] == ["person 10", "person 11"]
    assert "embedding" not in results[0]["found"][0]
    options = ("--gallery", gallery, "--json")
    same = json.loads(command("verify", model.folder, files[0], files[0], *options))
    assert same["same"] is True and same["similarity"] == pytest.approx(1, abs=1e-4)
    other = json.loads(command("verify", model.folder, *files, *options))
    assert other["similarity"] < same["similarity"]
    refused = CliRunner().invoke(app, ["verify", str(model.folder), str(files[0]), str(test)])
    assert isinstance(refused.exception, ConfigurationError)
    assert "two records" in str(refused.exception)
    command("enroll", model.folder, "--out", gallery, "--remove", "person 10")
    assert load(gallery).names == tuple(f"person {n}" for n in range(11, PEOPLE))
    (line,) = command(
        "predict", model.folder, files[0], "--gallery", gallery, "--threshold", "0.9"
    ).splitlines()
    assert json.loads(line)["prediction"] == "unknown"


def test_a_gallery_is_for_bundles_that_embed(data: Path, tmp_path: Path) -> None:
    request = BuildRequest(
        task="image-classification", labels=("cat", "dog"), wishes=ImageOptions(image_size=(16, 16))
    )
    network = build("mlp", request)
    card = Card(
        task=request.task, labels=request.labels, model=network.spec, settings=network.settings
    )
    classifier = bundle.save(tmp_path / "classifier", network, card)
    new, gallery = tmp_path / "new", tmp_path / "gallery"
    save(Gallery(embedder="e" * 64).added({"Ann": np.eye(2, 16)}), gallery)
    for arguments in (
        ("enroll", classifier, data / "test", "--out", new),
        ("verify", classifier, *sorted((data / "test" / "person 10").iterdir())[:2]),
        ("predict", classifier, data / "test", "--gallery", gallery),
    ):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert isinstance(done.exception, ConfigurationError), arguments
        assert "image-classification" in str(done.exception)
        assert done.stdout == ""
    assert not new.exists()
