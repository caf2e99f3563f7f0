"""Every runtime gives the numbers of torch for each token of a window, and none for padding."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from anysize.core import plugins
from anysize.core.examples import Example
from anysize.core.protocols import Runtime
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network

TOLERANCE = {"float32": 2e-4, "bfloat16": 6e-2}
LENGTHS = (3, 17, 40, 5, 1, 33)
OUTPUTS = ("start_logits", "end_logits")


@functools.cache
def spans() -> Network:
    """A tiny BERT that looks for the start and the end of an answer."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=66, num_labels=2,
    )  # fmt: skip
    module = transformers.BertForQuestionAnswering(config).eval()
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.2)
    return Network(
        module=module,
        spec="spans",
        settings=TextSettings(window=48),
        outputs=OUTPUTS,
        per_token=OUTPUTS,
        beside=("token_type_ids",),
    )


@functools.cache
def opened(name: str, precision: str) -> Runtime:
    runtime: Runtime = plugins.load("runtimes", name).open_runtime(spans(), precision)
    return runtime


def examples_of() -> list[Example]:
    numbers = np.random.default_rng(1)
    found = []
    for ordinal, length in enumerate(LENGTHS):
        region = Span(0, length)
        arrays = {
            "input_ids": numbers.integers(5, 60, length).astype(np.int32),
            "token_type_ids": np.sort(numbers.integers(0, 2, length)).astype(np.int32),
        }
        window = Window(record=str(ordinal), index=0, region=region, core=region, last=True)
        found.append(Example(ordinal=ordinal, window=window, arrays=arrays, cost=length))
    return found


def alone(network: Network, example: Example) -> dict[str, NDArray[np.float32]]:
    inputs = {name: torch.from_numpy(each).long()[None] for name, each in example.arrays.items()}
    with torch.inference_mode():
        outputs: Any = network.module(**inputs)
    return {name: getattr(outputs, name)[0].numpy() for name in network.outputs}


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize(
    "name",
    [
        key
        for key in sorted(plugins.keys("runtimes"))
        if hasattr(plugins.load("runtimes", key), "open_runtime")
    ],
)
def test_each_window_has_a_row_a_token(name: str, precision: str) -> None:
    module = plugins.load("runtimes", name)
    network = spans()
    if precision not in module.precisions(network):
        pytest.skip(f"{name} does not run in {precision} here")
    if not getattr(module, "AUTOMATIC", True):
        pytest.skip(f"{name} takes a minute for each network")
    examples = examples_of()
    found = opened(name, precision).run(examples)
    assert found.finite().all()
    for row, example in enumerate(examples):
        expected = alone(network, example)
        for output, values in found.row(row).items():
            assert values.dtype == np.float32
            assert values.shape == expected[output].shape
            largest = max(float(np.abs(expected[output]).max()), 1.0)
            np.testing.assert_allclose(
                values, expected[output], rtol=0, atol=TOLERANCE[precision] * largest
            )
