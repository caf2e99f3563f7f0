"""The classic picture nets: published sizes, small-picture variants, round trips, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageClassification, PreTrainedModel

from anysize.core import plugins
from anysize.core.errors import ConfigurationError, DataError
from anysize.modalities.pictures.settings import ImageFacts, ImageOptions
from anysize.models import bundle
from anysize.models.alexnet import AlexNetConfig, AlexNetForImageClassification, alexnet
from anysize.models.bundle import Card
from anysize.models.convnext import convnext_tiny
from anysize.models.mobilenet import (
    MobileNetV3Config,
    MobileNetV3ForImageClassification,
    SqueezeExcitation,
    mobilenet_v3_small,
)
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import open_network
from anysize.models.vgg import VGGConfig, VGGForImageClassification, vgg11, vgg16
from anysize.models.vit import vit_tiny

BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {
    "alexnet": alexnet,
    "vgg11": vgg11,
    "vgg16": vgg16,
    "mobilenet_v3_small": mobilenet_v3_small,
    "vit_tiny": vit_tiny,
    "convnext_tiny": convnext_tiny,
}


def tiny(name: str, classes: int = 3) -> PreTrainedModel:
    """The family's architecture with few weights, for 32 x 32 pixels."""
    torch.manual_seed(0)
    shape = {"image_size": (32, 32), "num_labels": classes}
    if name == "alexnet":
        return AlexNetForImageClassification(
            AlexNetConfig(stem="small", pooled=2, hidden_size=16, **shape)
        )
    if name.startswith("vgg"):
        return VGGForImageClassification(
            VGGConfig(
                depths=(1, 2), hidden_sizes=(8, 12), pooled=2, linear_sizes=(16,), norm="batch",
                **shape,
            )
        )  # fmt: skip
    if name == "mobilenet_v3_small":
        return MobileNetV3ForImageClassification(
            MobileNetV3Config(stem="small", hidden_size=16, **shape)
        )
    if name == "vit_tiny":
        return vit_tiny(num_hidden_layers=2, **shape)
    return convnext_tiny(depths=(1, 1), hidden_sizes=(8, 16), **shape)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        # One tower: table of torchvision's documentation; the towers' paper says 60 million.
        ("alexnet", 61_100_840),
        # Simonyan and Zisserman 2015, table 2: 133 and 138 million.
        ("vgg11", 132_863_336),
        ("vgg16", 138_357_544),
        # Howard et al. 2019, table 3: 2.5 million.
        ("mobilenet_v3_small", 2_542_856),
        # Touvron et al. 2021, table 1: 5.7 million.
        ("vit_tiny", 5_717_416),
        # Liu et al. 2022, table 1: 28.6 million.
        ("convnext_tiny", 28_589_128),
    ],
)
def test_the_number_of_weights_is_the_published_one(name: str, weights: int) -> None:
    with torch.device("meta"):
        made = BUILDERS[name](num_labels=1000, image_size=(224, 224))
    assert sum(weight.numel() for weight in made.parameters()) == weights


@pytest.mark.parametrize("name", BUILDERS)
def test_pictures_become_logits_and_grey_ones_too(name: str) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        model = BUILDERS[name](num_labels=7, image_size=(32, 48), channels=1).eval()
        logits = model(pixel_values=torch.randn(2, 1, 32, 48)).logits
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()
    # Weights of this variance start near uniform predictions.
    assert logits.std() < 2


@pytest.mark.parametrize("name", BUILDERS)
def test_a_bundle_gives_the_same_outputs(name: str, tmp_path: Path) -> None:
    model = tiny(name)
    plugins.load("models", name)
    pictures = torch.randn(4, 3, 32, 32)
    model.train()(pixel_values=pictures)  # moves the running statistics of batch norm
    model.eval()
    built = plugins.load("models", name).build(
        name,
        BuildRequest(
            task="image-classification",
            labels=("a", "b", "c"),
            wishes=ImageOptions(image_size=(32, 32)),
        ),
    )
    network = Network(module=model, spec=name, settings=built.settings, licence=built.licence)
    card = Card(
        task="image-classification", labels=("a", "b", "c"), model=name, settings=network.settings
    )
    bundle.save(tmp_path, network, card)
    opened, read = open_network(str(tmp_path))
    assert read == card
    assert type(opened.module) is type(model)
    with torch.no_grad():
        expected = model(pixel_values=pictures).logits
        torch.testing.assert_close(opened.module(pixel_values=pictures).logits, expected)
        loaded = AutoModelForImageClassification.from_pretrained(tmp_path).eval()
        torch.testing.assert_close(loaded(pixel_values=pictures).logits, expected)


@pytest.mark.parametrize("name", BUILDERS)
def test_training_on_a_few_pictures_halves_the_loss(name: str) -> None:
    model = tiny(name)
    pictures = torch.randn(12, 3, 32, 32)
    labels = torch.arange(12) % 3
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    losses = []
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(pixel_values=pictures).logits, labels)
        losses.append(loss.item())
        if losses[-1] < 0.5 * losses[0]:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "mobilenet_v3_small"])
def test_our_own_nets_give_their_features_and_refuse_other_channels(name: str) -> None:
    model = tiny(name).eval()
    pictures = torch.randn(2, 3, 40, 33)
    with torch.no_grad():
        output = model(pictures)
    assert output.features.shape == (2, model.classifier.in_features)
    torch.testing.assert_close(output.logits, model.classifier(output.features))
    with pytest.raises(DataError, match="3 channels"):
        model(torch.zeros(1, 1, 32, 32))


def test_too_small_pictures_are_refused_with_the_smallest_size() -> None:
    with pytest.raises(DataError, match=r"at least 15 x 15.*\(1, 3, 14, 64\)"):
        tiny("alexnet")(torch.zeros(1, 3, 14, 64))
    tiny("alexnet")(torch.zeros(1, 3, 15, 15))
    with pytest.raises(DataError, match="at least 4 x 4"):
        tiny("vgg11")(torch.zeros(1, 3, 3, 8))
    with torch.device("meta"):
        large = alexnet(num_labels=2, image_size=(224, 224))
        large(torch.zeros(1, 3, 63, 63))
        with pytest.raises(DataError, match="at least 63 x 63"):
            large(torch.zeros(1, 3, 62, 224))


@pytest.mark.parametrize(
    ("name", "typical", "expected"),
    [
        ("alexnet", (8, 8), (32, 32)),
        ("alexnet", (16, 32), (32, 64)),
        ("alexnet", (500, 375), (224, 224)),
        ("vgg11", (28, 28), (32, 32)),
        ("vit_tiny", (30, 17), (32, 20)),
        ("convnext_tiny", (28, 28), (28, 28)),
        ("mobilenet_v3_small", (28, 28), (28, 28)),
    ],
)
def test_the_input_fits_the_pictures(
    name: str, typical: tuple[int, int], expected: tuple[int, int]
) -> None:
    module = plugins.load("models", name)
    request = BuildRequest(
        task="image-classification", labels=("a", "b"), facts=ImageFacts(size=typical),
        options={"hidden_size": "8", "pooled": "1"} if name == "alexnet" else {},
    )  # fmt: skip
    network = module.build(name, request)
    assert (network.settings.width, network.settings.height) == expected
    with torch.no_grad():
        values = torch.zeros(1, 3, expected[1], expected[0])
        assert network.module.eval()(pixel_values=values).logits.shape == (1, 2)


def test_small_pictures_get_stems_that_keep_them() -> None:
    with torch.device("meta"):
        assert alexnet(num_labels=2, image_size=(64, 64)).config.stem == "small"
        assert vgg16(num_labels=2, image_size=(32, 32)).config.norm == "batch"
        assert mobilenet_v3_small(num_labels=2, image_size=(32, 32)).config.stem == "full"
        assert mobilenet_v3_small(num_labels=2, image_size=(64, 64)).config.stem == "small"
        assert vit_tiny(num_labels=2, image_size=(32, 32)).config.patch_size == 4
        assert convnext_tiny(num_labels=2, image_size=(16, 16)).config.patch_size == 1


@pytest.mark.parametrize(("stem", "divisor"), [("large", 32), ("small", 16), ("full", 8)])
def test_a_mobilenet_stem_divides_as_it_says(stem: str, divisor: int) -> None:
    config = MobileNetV3Config(stem=stem, hidden_size=8, num_labels=2)
    with torch.no_grad():
        model = MobileNetV3ForImageClassification(config).eval()
        maps = model.blocks(model.stem(torch.zeros(1, 3, 64, 96)))
    assert maps.shape[2:] == (64 // divisor, 96 // divisor)


def test_squeeze_and_excitation_scales_channels_by_their_means() -> None:
    layer = SqueezeExcitation(16)
    with torch.no_grad():
        layer.excite.weight.zero_()
        layer.excite.bias.copy_(torch.linspace(-4, 4, 16))
        maps = torch.randn(2, 16, 5, 5)
        scaled = layer(maps)
    assert torch.equal(scaled[:, 0], torch.zeros(2, 5, 5))  # hard sigmoid of -3 and less
    torch.testing.assert_close(scaled[:, 15], maps[:, 15])  # and of 3 and more
    assert scaled[:, 9].abs().max() < maps[:, 9].abs().max()


def test_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"multiples of the patch of 16 .* not 230x224"):
        vit_tiny(num_labels=2, image_size=(224, 230))
    with pytest.raises(ConfigurationError, match="depths and hidden_sizes") as caught:
        convnext_tiny(num_labels=2, image_size=(32, 32), depths=(1, 2), drop_path=1.0)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigurationError) as caught:
        VGGConfig(depths=(1,), norm="layer", pooled=0, dropout=1.0)
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigurationError) as caught:
        AlexNetConfig(stem="wide", dropout=-1.0)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigurationError) as caught:
        MobileNetV3Config(stem="wide", dropout=-1.0, hidden_size=0)
    assert len(caught.value.problems) == 3
