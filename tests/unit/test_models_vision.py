"""The built-in picture nets: shapes, start values, round trips, and what must not change."""

from __future__ import annotations

import subprocess
import sys
from math import prod
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification, PreTrainedModel

from anysize.core import plugins
from anysize.core.errors import ConfigurationError, DataError
from anysize.modalities.pictures.settings import ImageFacts
from anysize.models.cnn import cnn
from anysize.models.mlp import mlp
from anysize.models.network import BuildRequest
from anysize.models.resnet import (
    ResidualBlock,
    ResNetConfig,
    ResNetForImageClassification,
    resnet18,
    resnet34,
    resnet50,
)

NAMES = ("mlp", "cnn", "resnet18", "resnet34", "resnet50")


def tiny_resnet(stem: str = "small", block: str = "basic", **options: object) -> PreTrainedModel:
    torch.manual_seed(0)
    return ResNetForImageClassification(
        ResNetConfig(
            block=block,
            depths=(1, 1, 1, 1),
            hidden_sizes=(8, 8, 16, 16),
            stem=stem,
            num_labels=3,
            **options,
        )
    )


def tiny(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    if name == "mlp":
        return mlp(num_labels=3, image_size=(32, 32), hidden_sizes=(16, 8))
    if name == "cnn":
        return cnn(num_labels=3, image_size=(32, 32), hidden_sizes=(8, 16))
    return tiny_resnet(block="bottleneck" if name == "resnet50" else "basic")


def builder(name: str) -> object:
    module = plugins.load("models", name)
    assert set(module.BUILDERS) == set(module.PROVIDES)
    return module.BUILDERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_builds_a_classifier_that_gives_features_and_logits(name: str) -> None:
    torch.manual_seed(0)
    model = builder(name)(num_labels=7, image_size=(16, 24), channels=1).eval()
    pictures = torch.randn(2, 1, 16, 24)
    with torch.no_grad():
        output = model(pictures)
        features = model.features(pictures)
    assert output.loss is None
    assert output.logits.shape == (2, 7)
    assert features.shape == (2, model.classifier.in_features)
    torch.testing.assert_close(output.features, features, rtol=0, atol=0)
    torch.testing.assert_close(output.logits, model.classifier(features), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_loading_keeps_every_weight_and_output(name: str, tmp_path: Path) -> None:
    model = tiny(name).to(memory_format=torch.channels_last)
    pictures = torch.randn(4, 3, 32, 32)
    model(pictures)  # moves the running statistics of batch norm away from their start
    model.eval()
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    loaded = AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    assert type(loaded) is type(model)
    for (key, one), (other_key, other) in zip(
        model.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert key == other_key
        assert torch.equal(one, other), key
    torch.testing.assert_close(loaded(pictures).logits, model(pictures).logits)
    again = AutoConfig.from_pretrained(tmp_path).to_dict()
    for volatile in ("dtype", "architectures", "transformers_version", "_name_or_path"):
        again.pop(volatile, None)
    assert again.items() <= loaded.config.to_dict().items()


def test_a_new_head_of_another_size_keeps_the_other_weights(tmp_path: Path) -> None:
    model = tiny("resnet18")
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForImageClassification.from_pretrained(
        tmp_path, num_labels=5, ignore_mismatched_sizes=True
    )
    assert loaded.classifier.out_features == 5
    assert loaded.classifier.weight.abs().max() < 0.1
    before, after = model.state_dict(), loaded.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before if "classifier" not in key)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18", "resnet50"])
def test_the_global_seed_alone_decides_the_weights(name: str) -> None:
    same = zip(tiny(name).parameters(), tiny(name).parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)
    first = tiny(name)
    torch.manual_seed(1)
    second = type(first)(first.config)
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18", "resnet50"])
def test_the_loss_is_cross_entropy_and_training_halves_it(name: str) -> None:
    model = tiny(name)
    pictures = torch.randn(12, 3, 32, 32)
    labels = torch.arange(12) % 3
    first = model(pictures, labels=labels)
    torch.testing.assert_close(first.loss, nn.functional.cross_entropy(first.logits, labels))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(25):
        loss = model(pictures, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * first.loss.item()


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        # Worked out from table 1 of the paper, with batch norms and 1,000 classes.
        (resnet18, 11_689_512),
        (resnet34, 21_797_672),
        (resnet50, 25_557_032),
    ],
)
def test_large_resnets_have_the_published_number_of_weights(model: object, weights: int) -> None:
    with torch.device("meta"):
        made = model(num_labels=1000, image_size=(224, 224))
    assert sum(weight.numel() for weight in made.parameters()) == weights


@pytest.mark.parametrize(
    ("side", "stem"), [(8, "full"), (16, "full"), (28, "small"), (64, "small"), (65, "large")]
)
def test_the_stem_fits_the_size_of_the_pictures(side: int, stem: str) -> None:
    with torch.device("meta"):
        assert resnet18(num_labels=2, image_size=(side, 8)).config.stem == stem
        assert resnet18(num_labels=2, image_size=(8, side), stem="large").config.stem == "large"


@pytest.mark.parametrize(("stem", "divisor"), [("full", 1), ("small", 2), ("large", 4)])
def test_a_stem_divides_the_side_by_what_it_says(stem: str, divisor: int) -> None:
    model = tiny_resnet(stem)
    assert model.stem(torch.zeros(1, 3, 64, 32)).shape[2:] == (64 // divisor, 32 // divisor)


@pytest.mark.parametrize("name", ["cnn", "resnet18", "resnet50"])
@pytest.mark.parametrize("size", [(8, 8), (9, 31), (50, 17)])
def test_convolutional_nets_take_any_size(name: str, size: tuple[int, int]) -> None:
    model = tiny(name).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, *size)).logits.isfinite().all()


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_fresh_residual_block_is_its_shortcut(block: str) -> None:
    model = tiny_resnet(block=block).eval()
    blocks = [part for part in model.modules() if isinstance(part, ResidualBlock)]
    assert len(blocks) == 4
    for part in blocks:
        inputs = next(part.opening.parameters()).shape[1]
        maps = torch.rand(2, inputs, 6, 6)
        torch.testing.assert_close(part(maps), part.shortcut(maps).relu())


@pytest.mark.parametrize("name", ["resnet18", "cnn"])
def test_convolutions_start_with_the_variance_of_he(name: str) -> None:
    torch.manual_seed(0)
    model = builder(name)(num_labels=10, image_size=(32, 32))
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            fan_out = part.out_channels * prod(part.kernel_size)
            assert part.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
    logits = model.eval()(torch.randn(16, 3, 32, 32)).logits
    assert logits.std() < 0.5  # near uniform predictions


@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_a_picture_does_not_depend_on_its_neighbours_in_the_batch(name: str) -> None:
    model = tiny(name).eval()
    pictures = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        together = model(pictures).logits
        alone = torch.cat([model(pictures[i : i + 1]).logits for i in range(3)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18"])
def test_pictures_with_the_wrong_channels_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"3 channels.*\(2, 1, 32, 32\)"):
        tiny(name)(torch.zeros(2, 1, 32, 32))


def test_pictures_of_the_wrong_size_are_refused_where_size_matters() -> None:
    with pytest.raises(DataError, match=r"32 x 32.*\(1, 3, 16, 64\)"):
        tiny("mlp")(torch.zeros(1, 3, 16, 64))
    with pytest.raises(DataError, match=r"at least 2 x 2.*\(1, 3, 1, 64\)"):
        tiny("cnn")(torch.zeros(1, 3, 1, 64))


@pytest.mark.parametrize("name", NAMES)
def test_a_request_with_a_wide_picture_gives_a_network_for_it(name: str) -> None:
    request = BuildRequest(
        task="image-classification", labels=("ham", "egg"), facts=ImageFacts(size=(40, 20))
    )
    network = plugins.load("models", name).build(name, request)
    assert (network.settings.width, network.settings.height) == (40, 20)
    assert network.module.config.id2label == {0: "ham", 1: "egg"}
    with torch.no_grad():
        assert network.module.eval()(torch.zeros(1, 3, 20, 40)).logits.shape == (1, 2)


def test_options_reach_the_family_and_unknown_ones_are_refused() -> None:
    options = {"hidden_sizes": "12x6", "dropout": "0.25"}
    request = BuildRequest(task="image-classification", labels=("a", "b"), options=options)
    config = plugins.load("models", "mlp").build("mlp", request).module.config
    assert (config.hidden_sizes, config.dropout) == ([12, 6], 0.25)
    with pytest.raises(ConfigurationError, match="dropout"):
        plugins.load("models", "cnn").build("cnn", request)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ResNetConfig(block="wide", stem="tall", depths=(1, 2), num_channels=0, image_size=(3, 4, 5))
    for name in ("block", "stem", "depths", "num_channels", "image_size"):
        assert any(problem.startswith(name) for problem in caught.value.problems), name
    with pytest.raises(ConfigurationError, match="dropout"):
        mlp(num_labels=2, image_size=(4, 4), dropout=1.0)
    with pytest.raises(ConfigurationError, match="hidden_sizes"):
        cnn(num_labels=2, image_size=(4, 4), hidden_sizes=())
    with pytest.raises(ConfigurationError, match="num_labels"):
        mlp(num_labels=0, image_size=(4, 4))


def test_listing_the_names_imports_no_torch() -> None:
    code = (
        "import sys; from anysize.core import plugins; names = plugins.keys('models'); "
        f"assert set({NAMES!r}) <= set(names), names; assert 'torch' not in sys.modules"
    )
    environment = {"PYTHONPATH": _source()}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert done.returncode == 0


def _source() -> str:
    return str(Path(plugins.__file__).resolve().parents[2])
