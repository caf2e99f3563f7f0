"""Every runtime agrees with float32 torch run window by window, and knows whose row is whose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from anysize.core import plugins
from anysize.core.examples import Example
from anysize.core.protocols import Runtime
from anysize.core.windows import Box, Span, Window
from anysize.models import spec
from anysize.models.network import BuildRequest, Network

RUNTIMES = sorted(plugins.keys("runtimes"))
# Absolute, on logits of order one: float32 by the order of summation, bfloat16 by its 8 bits.
TOLERANCE = {"float32": 2e-4, "bfloat16": 6e-2}
WORDS = ["good", "bad", "film", "plot", "the", "of", "actor", "music", "ending", "story"]


def text_network(merge: str = "mean") -> Network:
    torch.manual_seed(0)
    sentences = [" ".join(np.random.default_rng(i).choice(WORDS, 12)) for i in range(50)]
    network = spec.build(
        "transformer",
        BuildRequest(
            task="text-classification",
            labels=("a", "b", "c"),
            texts=lambda: iter(sentences),
            window=64,
        ),
    )
    if merge == "attention":
        network.pool = nn.Linear(int(network.module.config.hidden_size), 1)
    return network


def picture_network() -> Network:
    torch.manual_seed(0)
    request = BuildRequest(task="image-classification", labels=("a", "b", "c"), image_size=(24, 16))
    return spec.build("cnn", request)


def text_examples(lengths: Sequence[int]) -> list[Example]:
    rng = np.random.default_rng(1)
    return [
        Example(
            ordinal=i,
            window=Window(record=str(i), index=0, region=Span(0, n), core=Span(0, n), last=True),
            arrays={"input_ids": rng.integers(5, 60, n).astype(np.int32)},
            cost=n,
        )
        for i, n in enumerate(lengths)
    ]


def picture_examples(count: int) -> list[Example]:
    rng = np.random.default_rng(2)
    box = Box(0, 0, 24, 16)
    return [
        Example(
            ordinal=i,
            window=Window(record=str(i), index=0, region=box, core=box, last=True),
            arrays={"pixels": rng.integers(0, 256, (16, 24, 3)).astype(np.uint8)},
            cost=24 * 16,
        )
        for i in range(count)
    ]


@pytest.fixture(params=RUNTIMES)
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_runtime(name: str, network: Network, precision: str) -> Runtime:
    if name == "torch":
        from anysize.runtimes.torch import TorchRuntime

        return TorchRuntime(network, precision, "cpu")
    from anysize.runtimes.openvino import OpenVinoRuntime

    return OpenVinoRuntime(network, precision)


def alone(network: Network, example: Example) -> NDArray[np.float32]:
    """The plain model on one example, in float32."""
    network.module.eval()
    with torch.inference_mode():
        if network.image is not None:
            pixels = torch.from_numpy(example.arrays["pixels"]).permute(2, 0, 1).float() / 255
            mean = torch.tensor(network.image.mean).view(3, 1, 1)
            std = torch.tensor(network.image.std).view(3, 1, 1)
            inputs = {"pixel_values": ((pixels - mean) / std)[None]}
        else:
            ids = torch.from_numpy(example.arrays["input_ids"]).long()[None]
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return np.asarray(network.module(**inputs).logits[0].numpy())


@pytest.mark.parametrize("lengths", [[1], [64], [3, 17, 64, 5, 5, 33], [2] * 40])
def test_text_agrees_with_torch_alone(name: str, precision: str, lengths: list[int]) -> None:
    network = text_network()
    examples = text_examples(lengths)
    expected = np.stack([alone(network, example) for example in examples])
    runtime = open_runtime(name, network, precision)
    found = runtime.run(examples).arrays["logits"]
    runtime.close()
    assert found.dtype == np.float32
    assert found.shape == (len(lengths), 3)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE[precision])


@pytest.mark.parametrize("count", [1, 7])
def test_pictures_agree_with_torch_alone(name: str, precision: str, count: int) -> None:
    network = picture_network()
    examples = picture_examples(count)
    expected = np.stack([alone(network, example) for example in examples])
    runtime = open_runtime(name, network, precision)
    found = runtime.run(examples).arrays["logits"]
    runtime.close()
    np.testing.assert_allclose(found, expected, atol=TOLERANCE[precision])


def test_scores_come_with_learned_pooling(name: str) -> None:
    network = text_network("attention")
    outputs = open_runtime(name, network, "float32").run(text_examples([4, 9, 2]))
    assert outputs.arrays["scores"].shape == (3,)
    assert len(set(outputs.arrays["scores"].tolist())) == 3


def test_order_of_the_batch_is_the_order_of_the_rows(name: str) -> None:
    network = text_network()
    examples = text_examples([9, 31, 4, 31, 12])
    runtime = open_runtime(name, network, "float32")
    straight = runtime.run(examples).arrays["logits"]
    turned = runtime.run(examples[::-1]).arrays["logits"]
    runtime.close()
    np.testing.assert_allclose(turned[::-1], straight, atol=TOLERANCE["float32"])


def test_a_converted_model_is_kept_in_the_bundle_and_used_again(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from anysize.runtimes.openvino import OpenVinoRuntime

    network = picture_network()
    examples = picture_examples(3)
    first = OpenVinoRuntime(network, "float32", tmp_path).run(examples).arrays["logits"]
    kept = tmp_path / "runtimes" / "openvino" / "model.xml"
    written = kept.stat().st_mtime_ns
    again = OpenVinoRuntime(network, "float32", tmp_path).run(examples).arrays["logits"]
    assert kept.stat().st_mtime_ns == written
    np.testing.assert_array_equal(first, again)


def test_unknown_precision_is_refused(name: str) -> None:
    from anysize.core.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="precision"):
        open_runtime(name, picture_network(), "float8")
