"""Keras models as torch modules: the same results, and nothing dangerous read on the way."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import anysize
from anysize.core.errors import BundleError, ConfigurationError
from anysize.models import bundle, spec
from anysize.models.keras import container as keras_container
from anysize.models.keras import file as keras_file
from anysize.models.keras.graph import Graph
from anysize.models.keras.library import ALLOW, KerasBody
from anysize.models.keras_model import KerasClassifier
from anysize.models.network import BuildRequest

if find_spec("keras") is None:
    pytest.skip("Keras is not installed (anysize[keras])", allow_module_level=True)

# Keras's own: of its conversion to arrays, and of the older file format.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

VECTORS, SEQUENCES, IMAGES = (
    "tabular-classification",
    "time-series-classification",
    "image-classification",
)


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Keras on torch, its settings not in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        from anysize.models.keras.library import library

        found = library()
        found.utils.set_random_seed(0)
        yield found


def randomised(model: Any) -> Any:
    """Weights that show every mistake: none zero, moving variances above zero."""
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            (0.1 + rng.random(weight.shape)).astype(weight.dtype)
            if "variance" in variable.path
            else rng.normal(0, 0.5, weight.shape).astype(weight.dtype)
            for weight, variable in zip(model.get_weights(), model.weights, strict=True)
        ]
    )
    return model


def saved(model: Any, path: Path) -> str:
    randomised(model).save(path)
    return str(path)


def probabilities(module: KerasClassifier, **given: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        tensors = {name: torch.from_numpy(value) for name, value in given.items()}
        return torch.softmax(module.train(False)(**tensors).logits, 1).numpy()


def sequence_layers(keras: Any) -> dict[str, list[Any]]:
    layers = keras.layers
    return {
        "conv valid": [layers.Conv1D(6, 4, activation="relu"), layers.GlobalMaxPooling1D()],
        "conv same, even kernel": [
            layers.Conv1D(6, 4, padding="same", activation="gelu"),
            layers.GlobalAveragePooling1D(),
        ],
        "conv causal, dilated": [
            layers.Conv1D(6, 3, padding="causal", dilation_rate=2),
            layers.LeakyReLU(),
            layers.GlobalAveragePooling1D(),
        ],
        "strided same": [
            layers.Conv1D(6, 5, strides=3, padding="same"),
            layers.MaxPooling1D(2, padding="same"),
            layers.AveragePooling1D(3, padding="same"),
            layers.GlobalAveragePooling1D(),
        ],
        "separable": [
            layers.SeparableConv1D(8, 3, depth_multiplier=2, padding="same"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling1D(),
        ],
        "lstm": [layers.LSTM(7, return_sequences=True), layers.LSTM(5)],
        "gru": [layers.GRU(7, return_sequences=True), layers.GRU(5)],
        "both directions": [
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.Bidirectional(layers.GRU(3)),
        ],
        "dense on each step": [
            layers.Dense(6, activation="tanh"),
            layers.LayerNormalization(),
            layers.ZeroPadding1D(2),
            layers.GlobalMaxPooling1D(),
        ],
    }


def picture_layers(keras: Any) -> dict[str, list[Any]]:
    layers = keras.layers
    return {
        "flattened": [
            layers.Conv2D(5, 3, strides=2, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(7, activation="relu"),
        ],
        "flattened, then normalised": [
            layers.Conv2D(4, (3, 2)),
            layers.Flatten(),
            layers.BatchNormalization(),
        ],
        "depthwise": [
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu6"),
            layers.Conv2D(6, 1, groups=2),
            layers.BatchNormalization(scale=False),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
        ],
        "separable": [
            layers.SeparableConv2D(5, 3, strides=2, activation="silu"),
            layers.AveragePooling2D(3, strides=2, padding="same"),
            layers.GlobalMaxPooling2D(keepdims=True),
            layers.Flatten(),
        ],
        "reshaped": [
            layers.Conv2D(4, 3, padding="same"),
            layers.Reshape((-1, 4)),
            layers.Conv1D(3, 3),
            layers.GlobalAveragePooling1D(),
        ],
        "padded": [
            layers.ZeroPadding2D(((1, 0), (2, 1))),
            layers.Conv2D(4, 3),
            layers.SpatialDropout2D(0.2),
            layers.ELU(),
            layers.GlobalAveragePooling2D(),
        ],
    }


@pytest.mark.parametrize(
    "kind",
    [
        "conv valid",
        "conv same, even kernel",
        "conv causal, dilated",
        "strided same",
        "separable",
        "lstm",
        "gru",
        "both directions",
        "dense on each step",
    ],
)
def test_sequence_layers_give_what_keras_gives(kind: str, keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    stack = [keras.Input((None, 4)), *sequence_layers(keras)[kind], layers.Dense(3)]
    model = randomised(keras.Sequential([*stack, layers.Softmax()]))
    network, _ = spec.open_network(saved(model, tmp_path / "m.keras"))
    module: Any = network.module
    assert isinstance(module.body, Graph)
    # Padding by size makes every length a case of its own.
    for length in (7, 8, 9, 23):
        values = np.random.default_rng(length).normal(size=(2, length, 4)).astype(np.float32)
        wanted = model(values).detach().numpy()
        np.testing.assert_allclose(
            probabilities(module, features=values), wanted, atol=2e-5, err_msg=f"{length} steps"
        )


@pytest.mark.parametrize(
    "kind",
    [
        "flattened",
        "flattened, then normalised",
        "depthwise",
        "separable",
        "reshaped",
        "padded",
    ],
)
def test_picture_layers_give_what_keras_gives(kind: str, keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    stack = [keras.Input((11, 14, 3)), *picture_layers(keras)[kind]]
    model = randomised(keras.Sequential([*stack, layers.Dense(4, activation="softmax")]))
    network, card = spec.open_network(saved(model, tmp_path / "m.keras"))
    assert (card.task, network.settings.modality == "image") == (IMAGES, True)
    values = np.random.default_rng(2).random((3, 11, 14, 3)).astype(np.float32)
    module: Any = network.module
    assert isinstance(module.body, Graph)
    found = probabilities(module, pixel_values=values.transpose(0, 3, 1, 2).copy())
    np.testing.assert_allclose(found, model(values).detach().numpy(), atol=2e-5)


def test_a_graph_with_branches_shared_layers_and_a_model_inside(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((6,)), layers.Dense(6, activation="selu"), layers.Dense(6)], name="inner"
    )
    shared = layers.Dense(6, activation="tanh", name="shared")
    start = keras.Input((6,))
    left, right = shared(start), shared(inner(start))
    joined = layers.Concatenate()(
        [
            layers.Add()([left, right, start]),
            layers.Multiply()([left, right]),
            layers.Subtract()([left, right]),
            layers.Average()([left, right]),
            layers.Maximum()([left, right]),
            layers.Minimum()([left, right]),
        ]
    )
    model = randomised(keras.Model(start, layers.Dense(3, activation="softmax")(joined)))
    network, _ = spec.open_network(saved(model, tmp_path / "m.keras"))
    module: Any = network.module
    assert isinstance(module.body, Graph)
    values = np.random.default_rng(3).normal(size=(5, 6)).astype(np.float32)
    wanted = model(values).detach().numpy()
    np.testing.assert_allclose(probabilities(module, features=values), wanted, atol=2e-5)


def test_a_layer_without_counterpart_leaves_the_model_to_keras(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = randomised(
        keras.Sequential(
            [
                keras.Input((None, 3)),
                layers.Masking(),
                layers.SimpleRNN(5),
                layers.Dense(2, activation="softmax"),
            ]
        )
    )
    network, card = spec.open_network(saved(model, tmp_path / "m.keras"))
    module: Any = network.module
    assert isinstance(module.body, KerasBody)
    values = np.random.default_rng(3).normal(size=(2, 9, 3)).astype(np.float32)
    values[1, 5:] = 0  # masked
    wanted = model(values).detach().numpy()
    np.testing.assert_allclose(probabilities(module, features=values), wanted, atol=1e-6)

    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.1)
    module.train()(features=torch.from_numpy(values), labels=torch.tensor([0, 1])).loss.backward()
    optimizer.step()
    trained = probabilities(module, features=values)
    assert np.abs(trained - wanted).max() > 1e-3

    folder = bundle.save(tmp_path / "bundle", network, card)
    again, _ = spec.open_network(str(folder))
    found = probabilities(again.module, features=values)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, trained, atol=1e-6)


@pytest.mark.parametrize("ending", ["softmax", "softmax layer", "sigmoid", "logits"])
def test_endings(ending: str, keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    last = {
        "softmax": [layers.Dense(3, activation="softmax")],
        "softmax layer": [layers.Dense(3), layers.Softmax()],
        "sigmoid": [layers.Dense(1, activation="sigmoid")],
        "logits": [layers.Dense(3)],
    }[ending]
    model = randomised(keras.Sequential([keras.Input((4,)), *last]))
    network, card = spec.open_network(saved(model, tmp_path / "m.keras"))
    assert card.labels == (("0", "1") if ending == "sigmoid" else ("0", "1", "2"))
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    found = probabilities(network.module, features=values)  # type: ignore[arg-type]
    wanted = model(values).detach()
    if ending == "sigmoid":
        found = found[:, 1:]
    if ending == "logits":
        wanted = torch.softmax(wanted, 1)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)

    from anysize.export.keras import export

    written = keras.models.load_model(
        export(network, card, tmp_path / "back.keras", source=None, options={})
    )
    np.testing.assert_allclose(
        written(values).detach().numpy(), model(values).detach().numpy(), atol=1e-6
    )


def test_logits_are_exact_where_probabilities_are_not(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
    model.set_weights([np.array([[100.0, -100.0]], np.float32), np.zeros(2, np.float32)])
    model.save(tmp_path / "m.keras")
    network, _ = spec.open_network(str(tmp_path / "m.keras"))
    logits = network.module(features=torch.ones(1, 1)).logits
    assert logits.tolist() == [[100.0, -100.0]]  # a logarithm of the softmax would say 0 and -inf


@pytest.mark.parametrize(
    ("shape", "task", "problem"),
    [
        ((5,), SEQUENCES, "tabular-classification"),
        ((None, 5), VECTORS, "time-series-classification"),
        ((8, 8, 3), VECTORS, "image-classification"),
        ((8, 8, 4), None, r"\(8, 8, 4\)"),
    ],
)
def test_a_task_that_the_input_is_not_for(
    shape: Any, task: str | None, problem: str, keras: Any, tmp_path: Path
) -> None:
    layers = keras.layers
    pool: Callable[[], Any] = {
        1: layers.Flatten,
        2: layers.GlobalMaxPooling1D,
        3: layers.GlobalMaxPooling2D,
    }[len(shape)]
    model = keras.Sequential([keras.Input(shape), pool(), layers.Dense(2)])
    with pytest.raises(BundleError, match=problem):
        spec.open_network(saved(model, tmp_path / "m.keras"), task)


@pytest.mark.parametrize(
    ("units", "activation", "task", "head"),
    [
        (1, None, "tabular-regression", "regression"),
        (3, "sigmoid", "tabular-classification", "multi_label_classification"),
    ],
)
def test_numbers_and_several_labels_are_read_as_such(
    units: int, activation: str | None, task: str, head: str, keras: Any, tmp_path: Path
) -> None:
    model = randomised(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=activation)])
    )
    network, card = spec.open_network(saved(model, tmp_path / "m.keras"))
    assert (card.task, card.head["name"]) == (task, head)
    rows = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    found = anysize.Model(network, card)(rows, runtime="torch", precision="float32")
    for result, wanted in zip(found, model(rows).detach().numpy(), strict=True):
        assert isinstance(result, anysize.Result)
        if units == 1:
            assert result.prediction == pytest.approx(float(wanted[0]), abs=1e-5)
        else:
            shares = list(result.details["probabilities"].values())
            assert shares == pytest.approx(wanted.tolist(), abs=1e-5)
            assert result.prediction == [str(n) for n in range(3) if wanted[n] >= 0.5]


@pytest.mark.parametrize("last", ["dense", "scaled"])
def test_a_file_that_estimates_numbers_is_trained_further_from_what_it_estimates(
    last: str, keras: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    layers = [keras.Input((2,)), keras.layers.Dense(1)]
    if last == "scaled":
        layers.append(keras.layers.Rescaling(3.0))
    model = randomised(keras.Sequential(layers))
    rows = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
    wanted = model(rows).detach().numpy()[:, 0]
    lines = [f"{a},{b},{500 + 40 * a}" for a, b in rows.tolist()]
    data = tmp_path / "data.csv"
    data.write_text("\n".join(["a,b,target", *lines]) + "\n")
    trained = anysize.train(
        "tabular-regression", data, model=saved(model, tmp_path / "m.keras"), steps=1,
        learning_rate=1e-12, out=tmp_path / "run", validation=0.0, test=0.0, quiet=True,
        precision="float32", memory="3GiB", tensorboard=False,
    )  # fmt: skip
    assert trained.card.head["mean"] == pytest.approx(500, abs=20)
    found = trained(rows, runtime="torch", precision="float32")
    values = [result.prediction for result in found if isinstance(result, anysize.Result)]
    if last == "dense":
        np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-3)
        # One column is the target in another scale, and that is said.
        assert all("says the label in other words" in each for each in caplog.messages)
    else:
        assert any("cannot be brought into the scale" in each for each in caplog.messages)


def test_several_numbers_are_refused_where_one_is_estimated(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(BundleError, match="ends in 3 numbers; one can be estimated"):
        spec.open_network(saved(model, tmp_path / "m.keras"), "tabular-regression")


def test_grey_pictures_and_pictures_without_channels(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    for shape in ((8, 6, 1), (8, 6)):
        model = randomised(
            keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(3)])
        )
        network, _ = spec.open_network(saved(model, tmp_path / "m.keras"), IMAGES)
        colour = np.random.default_rng(0).random((2, 8, 6, 3)).astype(np.float32)
        grey = colour @ np.array([0.299, 0.587, 0.114], np.float32)
        wanted = torch.softmax(model(grey.reshape(2, *shape)).detach(), 1).numpy()
        module: Any = network.module
        found = probabilities(module, pixel_values=colour.transpose(0, 3, 1, 2).copy())
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_the_range_of_pixels(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    plain = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(2)])
    scaled = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)]
    )
    request = BuildRequest(task=IMAGES, labels=("a", "b"))
    asked = BuildRequest(task=IMAGES, labels=("a", "b"), options={"pixels": "-1-1"})
    plain_file, scaled_file = saved(plain, tmp_path / "p.keras"), saved(scaled, tmp_path / "s.h5")
    for path, wish, mean, std in (
        (plain_file, request, 0.0, 1.0),
        (scaled_file, request, 0.0, 1 / 255),
        (plain_file, asked, 0.5, 0.5),
    ):
        settings = spec.build(path, wish).settings
        assert settings is not None
        assert (settings.mean, settings.std) == ((mean,) * 3, (std,) * 3)


def test_another_number_of_labels_gets_a_new_last_layer(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(5), layers.Dense(1, activation="sigmoid")]
    )
    path = saved(model, tmp_path / "m.keras")
    labels = ("a", "b", "c")
    network = spec.build(path, BuildRequest(task=VECTORS, labels=labels))
    module: Any = network.module
    assert module(features=torch.zeros(2, 4)).logits.shape == (2, 3)
    kept = dict(module.body.weighted())[model.layers[0].name,]
    np.testing.assert_array_equal(kept.give()[0], model.layers[0].get_weights()[0])
    card = bundle.Card(task=VECTORS, labels=labels, model=path, settings=network.settings)
    from anysize.export.keras import export

    written = keras.models.load_model(
        export(network, card, tmp_path / "b.keras", source=None, options={})
    )
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    np.testing.assert_allclose(
        written(values).detach().numpy(), probabilities(module, features=values), atol=1e-6
    )


def test_weights_alone_need_an_architecture(keras: Any, tmp_path: Path) -> None:
    model = randomised(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    )
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    wanted = model(values).detach().numpy()
    path = tmp_path / "net.weights.h5"
    model.save_weights(path)
    with pytest.raises(BundleError, match=r"weights alone.*net\.json"):
        spec.open_network(str(path))
    (tmp_path / "net.json").write_text(model.to_json())
    network, _ = spec.open_network(str(path))
    found = probabilities(network.module, features=values)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, wanted, atol=1e-6)

    elsewhere = tmp_path / "other.h5"
    elsewhere.write_bytes(path.read_bytes())
    options = {"architecture": str(tmp_path / "net.json")}
    request = BuildRequest(task=VECTORS, labels=("a", "b", "c"), options=options)
    named = spec.build(str(elsewhere), request)
    found = probabilities(named.module, features=values)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, wanted, atol=1e-6)

    (tmp_path / "net.json").write_text(
        keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)]).to_json()
    )
    with pytest.raises(BundleError, match=r"net\.weights\.h5.*Keras cannot read"):
        spec.open_network(str(path))


def test_lambda_layers_are_refused_unless_allowed(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALLOW, raising=False)
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2.0), layers.Dense(2)])
    path = saved(model, tmp_path / "m.keras")
    whole = saved(model, tmp_path / "m.h5")
    for each in (path, whole):
        with pytest.raises(BundleError, match="lambda layer"):
            spec.open_network(each)
    monkeypatch.setenv(ALLOW, "no")  # so that what the option sets is undone
    request = BuildRequest(task=VECTORS, labels=("a", "b"), options={"allow-lambda": "yes"})
    network = spec.build(path, request)
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    wanted = torch.softmax(model(values).detach(), 1).numpy()
    found = probabilities(network.module, features=values)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    card = bundle.Card(task=VECTORS, labels=("a", "b"), model=path, settings=network.settings)
    folder = bundle.save(tmp_path / "bundle", network, card)
    anysize.load(folder)
    # A bundle from elsewhere must not run code either.
    monkeypatch.delenv(ALLOW)
    with pytest.raises(BundleError, match=ALLOW):
        anysize.load(folder)


def test_classes_of_others_are_refused(keras: Any, tmp_path: Path) -> None:
    path = Path(
        saved(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), tmp_path / "m.keras")
    )
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    entries = json.loads(parts["config.json"])
    entries["config"]["layers"][1] |= {"module": "os", "class_name": "system"}
    parts["config.json"] = json.dumps(entries).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(BundleError, match=r"os\.system"):
        spec.open_network(str(path))


def test_damaged_files_are_named(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2000), keras.layers.Dense(2)])
    for name in ("m.keras", "m.h5"):
        path = Path(saved(model, tmp_path / name))
        whole = path.read_bytes()
        for spoiled in (whole[: len(whole) // 2], b"", b"nothing of Keras" * 99):
            path.write_bytes(spoiled)
            with pytest.raises(BundleError, match=name):
                spec.open_network(str(path))
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 255
        path.write_bytes(bytes(changed))
        if name == "m.keras":  # HDF5 has no checksums
            with pytest.raises(BundleError, match=r"m\.keras.*damaged"):
                spec.open_network(str(path))
    with pytest.raises(BundleError, match="no such file"):
        spec.open_network(str(tmp_path / "none.keras"))


def test_archives_that_grow_too_much_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(1 << 26))
    with pytest.raises(BundleError, match=f"{keras_container.MOST_GROWTH} times"):
        spec.open_network(str(path))


def test_arrays_that_are_only_declared_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", shape=(1 << 20, 1 << 12), dtype="f4", chunks=(1024, 1024))
    with pytest.raises(BundleError, match="declares"):
        spec.open_network(str(path))
    with h5py.File(path, "w") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(BundleError, match="another file"):
        spec.open_network(str(path))


def test_all_faults_of_options_at_once() -> None:
    request = BuildRequest(
        task=VECTORS,
        labels=("a", "b"),
        options={"colour": "red", "pixels": "7", "allow-lambda": ""},
    )
    with pytest.raises(ConfigurationError) as caught:
        keras_file.build("m.keras", request)
    assert len(caught.value.problems) == 3


def test_batch_normalisation_of_a_single_value_in_training(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            layers.GlobalAveragePooling1D(),
            layers.BatchNormalization(),
            layers.Dense(2),
        ]
    )
    network, _ = spec.open_network(saved(model, tmp_path / "m.keras"))
    # torch refuses a batch of one value a channel, which comes about by lengths of their own.
    logits = network.module.train()(features=torch.randn(1, 5, 3)).logits
    assert torch.isfinite(logits).all()
