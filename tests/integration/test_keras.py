"""The three classic Keras examples: trained further, evaluated, predicted, written back."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import anysize
from anysize.export.keras import export
from anysize.models import spec

if find_spec("keras") is None:
    pytest.skip("Keras is not installed (anysize[keras])", allow_module_level=True)

# Of Keras's own conversion to arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Run = Callable[..., Any]
OPTIONS = anysize.PredictOptions(runtime="torch", precision="float32", memory="6GiB")
ADAM: dict[str, Any] = {
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "warmup": 0.0,
    "clip": 0.0,
    "label_smoothing": 0.0,
    "batch": 32,
    "precision": "float32",
    "memory": "6GiB",
    "tensorboard": False,
}


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Keras on torch, its settings not in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        from anysize.models.keras.library import library

        found = library()
        found.utils.set_random_seed(0)
        yield found


def rows(results: Any) -> np.ndarray:
    """Probabilities ``[records, classes]``."""
    found = []
    for result in results:
        assert isinstance(result, anysize.Result), result
        assert result.receipt.dropped == 0
        found.append(list(result.details["probabilities"].values()))
    return np.array(found)


def assert_compresses(bundle: Path, data: Path, *methods: str) -> None:
    """Each method makes another bundle, which is as good on all of the data."""
    pytest.importorskip("nncf")
    from anysize import tasks
    from anysize.compression.chain import parse
    from anysize.compression.protocols import Context
    from anysize.sources import open_splits

    for place, text in enumerate(methods):
        (step,) = parse(text)
        network, card = spec.open_network(str(bundle))
        assert step.method.problems(network, card) == []
        task = tasks.load(card.task)
        context = Context(
            task=task,
            original=bundle,
            memory=6 << 30,
            data=str(data),
            training=open_splits(data, roles=task.columns).train,
        )
        out = bundle.with_name(f"compressed-{place}")
        step.method.apply(bundle, out, step.options, context)
        small = anysize.load(out)
        options = anysize.PredictOptions(memory="6GiB")
        assert small.evaluate(data, None, options).main()["accuracy"] > 0.9, text


def digits(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits as a table of 64 columns; the vectors and labels."""
    from sklearn.datasets import load_digits

    vectors, labels = load_digits(return_X_y=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"pixel_{place}" for place in range(64)), "label"])
        writer.writerows(
            [*map(int, vector), label] for vector, label in zip(vectors, labels, strict=True)
        )
    return vectors.astype(np.float32), labels


def test_a_dense_classifier_of_vectors(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(tmp_path / "dense.keras")
    vectors, labels = digits(tmp_path / "digits.csv")
    trained = anysize.train(
        "tabular-classification",
        tmp_path / "digits.csv",
        model=str(tmp_path / "dense.keras"),
        out=tmp_path / "run",
        epochs=10,
        **ADAM,
    )
    assert trained.card.metrics["validation_accuracy"] > 0.93
    measured = trained.evaluate(tmp_path / "digits.csv", tmp_path / "report", OPTIONS)
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())["accuracy"] > 0.97
    assert measured.summary.records == 1797  # type: ignore[attr-defined]
    results = list(trained.predict(tmp_path / "digits.csv", OPTIONS))
    assert isinstance(results[0], anysize.Result)
    assert results[0].receipt.to_json() == {
        "extent": 64,
        "unit": "features",
        "windows": 1,
        "covered": 1.0,
        "dropped": 0,
        "merge": "mean",
        "fidelity": "exact",
    }
    written = export(trained.network, trained.card, tmp_path / "out", source=None, options={})
    again = keras.models.load_model(written)
    np.testing.assert_allclose(rows(results), again.predict(vectors, verbose=0), atol=2e-6)
    assert (again.predict(vectors, verbose=0).argmax(1) == labels).mean() > 0.97

    assert_compresses(
        tmp_path / "run",
        tmp_path / "digits.csv",
        "int8(windows=40)",
        "prune-magnitude(sparsity=0.3, epochs=0)",
    )

    # The exported file is a model spec again: labels and columns are in it.
    shuffled = tmp_path / "shuffled.csv"
    with shuffled.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"pixel_{place}" for place in reversed(range(64))])
        writer.writerows(vector[::-1] for vector in vectors[:5].astype(int))
    reopened = anysize.load(written)
    assert reopened.card.labels == trained.card.labels
    np.testing.assert_allclose(
        rows(reopened.predict(shuffled, OPTIONS)), rows(results[:5]), atol=1e-6
    )


def striped(folder: Path, count: int) -> None:
    """JPEGs of horizontal, vertical and no stripes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        kind = ("across", "down", "plain")[number % 3]
        pixels = rng.integers(60, 120, (40, 40, 3))
        step = int(rng.integers(3, 5))
        if kind == "across":
            pixels[::step] += 120
        if kind == "down":
            pixels[:, ::step] += 120
        path = folder / kind / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        ok, data = cv2.imencode(".jpg", pixels.astype(np.uint8))
        assert ok
        path.write_bytes(data.tobytes())


def test_a_convolutional_classifier_of_pictures(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(tmp_path / "conv2d.h5")
    striped(tmp_path / "data", 120)
    trained = anysize.train(
        "image-classification",
        tmp_path / "data",
        model=str(tmp_path / "conv2d.h5"),
        out=tmp_path / "run",
        epochs=12,
        augment="none",
        **{**ADAM, "batch": 8, "learning_rate": 3e-3},
    )
    measured = trained.evaluate(tmp_path / "data", None, OPTIONS)
    assert measured.summary.accuracy > 0.9  # type: ignore[attr-defined]
    one = tmp_path / "data" / "down" / "1.jpg"
    (result,) = trained.predict(one, OPTIONS)
    assert isinstance(result, anysize.Result)
    assert result.prediction == "down"
    assert result.receipt.shape == (40, 40)
    again = keras.models.load_model(
        export(trained.network, trained.card, tmp_path, source=None, options={})
    )
    from anysize.readers.image import Image

    pixels = Image(one).resized(32, 32)
    wanted = again.predict(pixels[None].astype(np.float32), verbose=0)
    np.testing.assert_allclose(rows([result]), wanted, atol=1e-5)
    assert_compresses(tmp_path / "run", tmp_path / "data", "int8(windows=20)")


def sequences(folder: Path, count: int) -> dict[str, np.ndarray]:
    """Sequences of 22 features, from 10 to 90 steps, of which one rises, falls or stays."""
    rng = np.random.default_rng(0)
    found = {}
    for number in range(count):
        kind, slope = (("falls", -1.0), ("rises", 1.0), ("stays", 0.0))[number % 3]
        length = int(rng.integers(10, 90))
        values = 0.3 * rng.standard_normal((length, 22)).astype(np.float32)
        values[:, 7] += slope * np.arange(length)
        path = folder / kind / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
        found[f"{kind}/{number}.npy"] = values
    return found


def test_a_convolutional_classifier_of_sequences(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None, 22)),
            layers.Conv1D(16, 5, activation="relu"),
            layers.Conv1D(16, 3, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(tmp_path / "conv1d.keras")
    data = sequences(tmp_path / "data", 90)
    trained = anysize.train(
        "time-series-classification",
        tmp_path / "data",
        model=str(tmp_path / "conv1d.keras"),
        out=tmp_path / "run",
        epochs=10,
        **{**ADAM, "batch": 8, "learning_rate": 3e-3},
    )
    features = trained.network.settings
    assert features is not None
    assert (features.width, features.least) == (22, 7)
    measured = trained.evaluate(tmp_path / "data", None, OPTIONS)
    assert measured.summary.accuracy > 0.9  # type: ignore[attr-defined]
    results = list(trained.predict(tmp_path / "data", OPTIONS))
    again = keras.models.load_model(
        export(trained.network, trained.card, tmp_path, source=None, options={})
    )
    for result in results[::7]:
        assert isinstance(result, anysize.Result)
        values = data[result.id]
        assert (result.receipt.extent, result.receipt.unit) == (len(values), "steps")
        assert (result.receipt.windows, result.receipt.fidelity) == (1, "exact")
        wanted = again(values[None]).detach().numpy()
        np.testing.assert_allclose(rows([result]), wanted, atol=2e-6)
    assert_compresses(
        tmp_path / "run",
        tmp_path / "data",
        "int8(windows=20)",
        "qat(epochs=1, windows=20)",
    )
    # In windows along time, whose logits are pooled, nothing is left out.
    windowed = anysize.PredictOptions(
        runtime="torch", precision="float32", memory="6GiB", window=20, overlap=4
    )
    longest = max(data, key=lambda name: len(data[name]))
    (result,) = trained.predict(tmp_path / "data" / longest, windowed)
    assert isinstance(result, anysize.Result)
    assert result.receipt.windows == -(-(len(data[longest]) - 4) // 16)
    assert (result.receipt.covered, result.receipt.fidelity) == (1.0, "approximate")


def test_a_pruned_model_goes_back_smaller(keras: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch_pruning")
    from anysize import tasks
    from anysize.compression.chain import parse
    from anysize.compression.protocols import Context
    from anysize.models import bundle
    from anysize.sources import open_source

    layers = keras.layers
    start = keras.Input((16, 16, 3))
    first = layers.Conv2D(16, 3, padding="same", activation="relu")(start)
    normal = layers.BatchNormalization()(first)
    second = layers.Conv2D(16, 3, padding="same", activation="relu")(normal)
    flat = layers.Flatten()(layers.MaxPooling2D(4)(layers.Add()([normal, second])))
    dense = layers.Dense(32, activation="relu")(layers.Dropout(0.1)(flat))
    keras.Model(start, layers.Dense(3, activation="softmax")(dense)).save(tmp_path / "m.keras")
    network, card = spec.open_network(str(tmp_path / "m.keras"))
    card = dataclasses.replace(card, labels=("across", "down", "plain"))
    bundle.save(tmp_path / "bundle", network, card)
    striped(tmp_path / "data", 12)
    (step,) = parse("prune-structured(flops=0.6, epochs=0, multiple=1)")
    assert step.method.problems(network, card) == []
    task = tasks.load(card.task)
    context = Context(
        task=task,
        original=tmp_path / "bundle",
        memory=6 << 30,
        data=str(tmp_path / "data"),
        training=open_source(tmp_path / "data", roles=task.columns),
    )
    step.method.apply(tmp_path / "bundle", tmp_path / "pruned", step.options, context)
    pruned, smaller = spec.open_network(str(tmp_path / "pruned"))
    # Which checks that Keras gives what the pruned network gives, flattened pixels included.
    written = export(pruned, smaller, tmp_path / "pruned.keras", source=None, options={})
    again = keras.models.load_model(written)
    before = keras.models.load_model(tmp_path / "m.keras")
    assert again.count_params() < 0.8 * before.count_params()


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_compiled_runtimes_agree_on_sequences_of_many_lengths(
    runtime: str, keras: Any, tmp_path: Path
) -> None:
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxruntime"}[runtime])
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None, 22)),
            layers.Conv1D(16, 5, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.LSTM(8),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.save(tmp_path / "m.keras")
    data = sequences(tmp_path / "data", 12)
    opened = anysize.load(tmp_path / "m.keras")
    wanted = rows(opened.predict(tmp_path / "data", OPTIONS))
    found = rows(
        opened.predict(
            tmp_path / "data",
            anysize.PredictOptions(runtime=runtime, precision="float32", memory="6GiB"),
        )
    )
    assert len(found) == len(data)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_bundle_of_a_keras_model_needs_no_keras(keras: Any, tmp_path: Path, run: Run) -> None:
    from anysize.models import bundle

    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.save(tmp_path / "m.keras")
    network, card = spec.open_network(str(tmp_path / "m.keras"))
    bundle.save(tmp_path / "bundle", network, card)
    (tmp_path / "numbers.jsonl").write_text('{"features": [1, 2, 3, 4, 5, 6]}\n')
    script = (
        "import sys, anysize\n"
        f"model = anysize.load({str(tmp_path / 'bundle')!r})\n"
        f"(result,) = model.predict([{str(tmp_path / 'numbers.jsonl')!r}])\n"
        "assert result.receipt.extent == 6\n"
        "assert 'keras' not in sys.modules and 'h5py' not in sys.modules\n"
    )
    (tmp_path / "program.py").write_text(script, encoding="utf-8")
    done = run(tmp_path / "program.py")
    assert done.returncode == 0, done.stderr


def test_another_backend_of_keras_is_told(tmp_path: Path, run: Run) -> None:
    (tmp_path / "m.keras").write_bytes(b"")
    script = (
        "import sys, types\n"
        "keras = types.ModuleType('keras')\n"
        "keras.backend = types.SimpleNamespace(backend=lambda: 'tensorflow')\n"
        "sys.modules['keras'] = keras\n"
        "from anysize.core.errors import ConfigurationError\n"
        "from anysize.models.keras.library import library\n"
        "try:\n"
        "    library()\n"
        "except ConfigurationError as error:\n"
        "    assert 'tensorflow' in str(error) and 'KERAS_BACKEND' in str(error)\n"
        "else:\n"
        "    raise SystemExit('not refused')\n"
    )
    (tmp_path / "program.py").write_text(script, encoding="utf-8")
    done = run(tmp_path / "program.py")
    assert done.returncode == 0, done.stderr
