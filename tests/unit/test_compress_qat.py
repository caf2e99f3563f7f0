"""Quantization-aware fine-tuning: rounding, its gradients, and the compiled form it ends in."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anysize import tasks
from anysize.compression.chain import load_method, parse
from anysize.compression.protocols import Context
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.examples import Example
from anysize.core.windows import Box, Window
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import fake_quantization as fake
from anysize.models.bundle import read_card
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build, open_network
from anysize.sources import open_splits
from anysize.training import Recipe, run

LABELS = ("dark", "light")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture_net(key: str) -> Network:
    torch.manual_seed(0)
    request = BuildRequest(
        task="image-classification", labels=LABELS, wishes=ImageOptions(image_size=(8, 8))
    )
    network = build(key, request)
    network.module.eval()
    return network


def examples(count: int) -> list[Example]:
    generator = np.random.default_rng(1)
    region = Box(0, 0, 8, 8)
    window = Window("record", 0, region, region, True)
    return [
        Example(
            ordinal=number,
            window=window,
            arrays={"pixels": generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)},
            cost=64,
        )
        for number in range(count)
    ]


def test_rounding_is_torchs_and_its_gradient_the_formula() -> None:
    values = torch.linspace(-2.03, 3.01, 211, requires_grad=True)
    step, zero = torch.tensor(0.01, requires_grad=True), 100
    rounded = fake.LearnedStep.apply(values, step, zero)
    expected = torch.fake_quantize_per_tensor_affine(values.detach(), 0.01, zero, 0, 255)
    torch.testing.assert_close(rounded.detach(), expected, rtol=0, atol=1e-6)
    rounded.sum().backward()
    inside = (values >= -1.0) & (values <= 1.55)
    assert torch.equal(values.grad != 0, inside)
    # Esser et al. 2020, equation 3.
    scaled = values.detach() / 0.01
    formula = torch.where(inside, scaled.round() - scaled, scaled.clamp(-zero, 255 - zero))
    assert float(step.grad) == pytest.approx(float(formula.sum()), rel=1e-4)


@pytest.mark.parametrize("key", ["mlp", "cnn", "vit_tiny"])
def test_what_is_trained_is_what_is_exported(key: str) -> None:
    """The module in training, as exported in torch, and compiled: one arithmetic."""
    openvino = pytest.importorskip("openvino")
    from anysize.runtimes.openvino import convert

    network = picture_net(key)
    windows = examples(12)
    plain = make_execution(network)(windows)["logits"].detach()
    ranges = fake.calibrate(network, windows)
    assert set(ranges.layers) == set(fake.layers_of(network.module))
    quantizer = fake.FakeQuantizer(ranges)
    with torch.no_grad():
        quantizer.factors.uniform_(-0.02, 0.0)
    quantizer.attach(network.module)
    trained = make_execution(network)(windows)["logits"].detach()
    with quantizer.exported(network.module):
        exported = make_execution(network)(windows)["logits"].detach()
        model = convert(network)
    after = make_execution(network)(windows)["logits"].detach()
    assert torch.equal(after, plain)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    from anysize.runtimes.feeding import feeding

    executed = torch.from_numpy(compiled(feeding(network)(windows))[0])
    noise = float((trained - plain).abs().mean())
    assert noise > 0
    # A value between two steps may fall on the other side; nothing else differs.
    assert float((exported - trained).abs().mean()) < 0.1 * noise
    assert float((executed - trained).abs().mean()) < 0.25 * noise


def test_layers_that_read_one_tensor_share_its_range(tmp_path: Path) -> None:
    network = picture_net("vit_tiny")
    ranges = fake.calibrate(network, examples(2))
    attention = [name for name in ranges.layers if "layer.0.attention" in name or "q_proj" in name]
    assert len({*ranges.layers.values()}) == len(ranges.steps) < len(ranges.layers), attention
    ranges.save(tmp_path / "ranges.safetensors")
    again = fake.Ranges.load(tmp_path / "ranges.safetensors")
    assert again.layers == ranges.layers
    assert torch.equal(again.steps, ranges.steps) and torch.equal(again.zeros, ranges.zeros)
    with pytest.raises(BundleError, match="another model"):
        fake.FakeQuantizer(again).attach(picture_net("mlp").module)
    (tmp_path / "damaged").write_bytes(b"no")
    with pytest.raises(BundleError, match="damaged"):
        fake.Ranges.load(tmp_path / "damaged")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(2)
    for number in range(160):
        label = LABELS[number % 2]
        pixels = generator.integers(0, 160, size=(8, 8, 3)) + (40 if label == "light" else 0)
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number:03d}.png")
    return str(folder)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("texts") / "data.jsonl"
    generator = random.Random(1)
    words = [f"w{number}" for number in range(20)]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(160):
            label = generator.choice(LABELS)
            known = words[:10] if label == "dark" else words[10:]
            text = generator.choices(known, k=generator.choice((4, 9, 30)))
            file.write(json.dumps({"text": " ".join(text), "label": label}) + "\n")
    return str(path)


def trained(task: str, data: str, model: str, out: Path, **fields: Any) -> Path:
    recipe = Recipe(
        task=task,
        data=data,
        model=model,
        out=str(out),
        tensorboard=False,
        micro_cost=1024,
        **fields,
    )
    run(recipe, quiet=True)
    return out


def context(bundle: Path, data: str) -> Context:
    task = tasks.load(read_card(bundle).task)
    return Context(
        task=task,
        original=bundle,
        memory=4 << 30,
        data=data,
        training=open_splits(data, roles=task.columns).train,
    )


@pytest.mark.parametrize("kind", ["cnn", "transformer"])
def test_a_bundle_is_trained_in_eight_bits_and_compiled(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    from anysize import api

    if kind == "cnn":
        data = request.getfixturevalue("pictures")
        bundle = trained("image-classification", data, "cnn", tmp_path / "bundle", epochs=4.0)
    else:
        data = request.getfixturevalue("texts")
        sizes = {"hidden_size": "32", "num_layers": "2", "intermediate_size": "64"}
        bundle = trained(
            "text-classification", data, "transformer", tmp_path / "bundle", epochs=8.0,
            batch=8,
            options=sizes, window=16,
        )  # fmt: skip
    before = (bundle / "model.safetensors").read_bytes()
    (step,) = parse("qat(epochs=1, windows=20)")
    network, card = open_network(str(bundle))
    assert step.method.problems(network, card) == []
    said: list[str] = []
    step.method.apply(bundle, tmp_path / "small", step.options, context(bundle, data))
    assert not said
    assert (bundle / "model.safetensors").read_bytes() == before
    small = read_card(tmp_path / "small")
    assert small.form is not None
    assert (small.form.runtime, small.form.precision) == ("openvino", "int8")
    assert not list((tmp_path / "small").glob("*.safetensors"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "small"]
    weights = (tmp_path / "small" / small.form.file).with_suffix(".bin").stat().st_size
    assert weights < 0.4 * len(before)
    found = {
        name: api.load(tmp_path / name).evaluate(data, split="test").main()["accuracy"]
        for name in ("bundle", "small")
    }
    assert found["bundle"] > 0.85
    assert found["small"] > found["bundle"] - 0.1


def test_refusals() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse("qat(epochs=0, windows=0, distil=2)")
    assert len(caught.value.problems) == 3
    network = picture_net("mlp")
    from anysize.models.bundle import Card

    card = Card(task="image-classification", labels=LABELS, model="mlp", settings=network.settings)
    assert load_method("qat").problems(network, card) == []
