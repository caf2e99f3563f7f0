"""Which values of pixels a Keras model was trained on: read from its graph, else asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

import anysize
from anysize.core.errors import ConfigurationError
from anysize.models import pixels
from anysize.models.wishes import read_labels

# Keras's own, of its conversion to arrays.
pytestmark = [pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
keras = pytest.importorskip("keras")
layers = keras.layers

LABELS = ("a", "b", "c")
PICTURE = np.random.default_rng(1).integers(0, 256, (12, 12, 3)).astype(np.uint8)


def saved(path: Path, first: list[Any]) -> tuple[str, Any]:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            *first,
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(path)
    return str(path), model


def answered(spec: str, **wishes: Any) -> np.ndarray:
    (result,) = anysize.load(spec, labels=LABELS, **wishes).predict([PICTURE])
    return np.array([result.details["probabilities"][label] for label in LABELS])


def batch_norm(mean: float, variance: float) -> Any:
    ones = np.ones(3)
    layer = layers.BatchNormalization()
    layer.build((None, 12, 12, 3))
    layer.set_weights([ones, 0 * ones, mean * ones, variance * ones])
    return layer


FIRST: dict[str, tuple[list[Any], str]] = {
    "resizing": ([layers.Resizing(9, 9), layers.Rescaling(1 / 255)], "0-255"),
    "padding": ([layers.ZeroPadding2D(1), layers.Rescaling(1 / 127.5, offset=-1)], "0-255"),
    "crop": ([layers.CenterCrop(10, 10), layers.Rescaling(1 / 255)], "0-255"),
    "pooling": ([layers.AveragePooling2D(2), layers.Rescaling(1 / 255)], "0-255"),
    "doubling": ([layers.Rescaling(2.0, offset=-1.0)], "0-1"),
    "levels": ([layers.Rescaling(255.0), layers.Rescaling(1 / 255)], "0-1"),
    "norm": ([batch_norm(120.0, 4000.0)], "0-255"),
    "norm of parts": ([batch_norm(0.45, 0.07)], "0-1"),
    "norm of both signs": ([batch_norm(-0.1, 0.3)], "-1-1"),
    "fixed": ([layers.Normalization(mean=[123.7, 116.8, 103.9], variance=[3e3] * 3)], "0-255"),
}
RANGES = {"0-255": (1.0, 0.0), "0-1": (1 / 255, 0.0), "-1-1": (1 / 127.5, -1.0)}


@pytest.mark.parametrize("name", FIRST)
def test_the_graph_says_it(name: str, tmp_path: Path) -> None:
    first, expected = FIRST[name]
    spec, model = saved(tmp_path / "m.keras", first)
    scale, offset = RANGES[expected]
    wanted = model(scale * PICTURE[None].astype(np.float32) + offset).detach().numpy()[0]
    np.testing.assert_allclose(answered(spec), wanted, atol=1e-5)


@pytest.mark.parametrize("first", [[], [layers.BatchNormalization()]], ids=["none", "untrained"])
def test_a_graph_that_does_not_say_it_is_asked_about(first: list[Any], tmp_path: Path) -> None:
    spec, model = saved(tmp_path / "m.keras", first)
    opened = anysize.load(spec)  # which can be looked at
    with pytest.raises(ConfigurationError, match=r"which values of pixels .* \(--pixels\)"):
        next(iter(opened.predict([PICTURE])))
    values = PICTURE[None].astype(np.float32)
    wanted = model(values / 127.5 - 1).detach().numpy()[0]
    np.testing.assert_allclose(answered(spec, pixels="-1-1"), wanted, atol=1e-5)
    caffe = values[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)
    wanted = model(caffe).detach().numpy()[0]
    np.testing.assert_allclose(answered(spec, pixels="caffe"), wanted, atol=1e-5)
    written = "mean=123.68/116.779/103.939,bgr"
    np.testing.assert_allclose(answered(spec, pixels=written), wanted, atol=1e-5)


def test_what_is_written_out_is_what_is_computed() -> None:
    found = pixels.parse("scale=0.0078125,mean=127.5")
    level = 200 / 255
    assert (level - found.mean[0]) / found.std[0] == pytest.approx((200 - 127.5) / 128)
    for text in ("7", "mean=x", "mean=1/2", "std=0", "scale=-1", "mean=nan", ""):
        with pytest.raises(ConfigurationError, match="pixels"):
            pixels.parse(text)


def test_labels_are_a_file_or_names(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("cat\ndog, large\n\n", encoding="utf-8")
    assert read_labels(str(path)) == ("cat", "dog, large")
    assert read_labels("cat, dog") == ("cat", "dog")
    for text in ("cat", "a,a", ","):
        with pytest.raises(ConfigurationError, match="labels"):
            read_labels(text)
    spec, _ = saved(tmp_path / "m.keras", [layers.Rescaling(1 / 255)])
    with pytest.raises(ConfigurationError, match="2 names for a model of 3 classes"):
        anysize.load(spec, labels=("a", "b"))
