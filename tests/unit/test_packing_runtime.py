"""The inference form against the plain model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anysize.core.errors import ConfigurationError
from anysize.runtimes.packed import PackedInference, native_bfloat16
from tests.unit.test_packing import FAMILIES, LENGTHS, alone, make, sequences_of


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_equals_single_runs(family: str) -> None:
    model = make(family)
    sequences = sequences_of([min(length, 47) for length in LENGTHS])
    with torch.inference_mode():
        expected = torch.stack([alone(model, each) for each in sequences]).numpy()
    result = PackedInference(model, "float32").run(sequences)
    np.testing.assert_allclose(result.logits, expected, rtol=1e-5, atol=2e-5)
    assert result.logits.dtype == result.features.dtype == np.float32
    assert len(result.features) == len(sequences)


@pytest.mark.skipif(not native_bfloat16(), reason="the processor has no bfloat16 products")
@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_is_near_and_neighbours_do_not_change(family: str) -> None:
    model = make(family)
    sequences = sequences_of([min(length, 47) for length in LENGTHS])
    exact = PackedInference(model, "float32").run(sequences).logits
    runtime = PackedInference(model, "bfloat16")
    rounded = runtime.run(sequences).logits
    assert np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()
    changed = list(sequences)
    changed[3] = (changed[3] + 1) % 60
    others = [i for i in range(len(sequences)) if i != 3]
    again = runtime.run(changed).logits
    assert np.array_equal(again[others], rounded[others])
    assert not np.array_equal(again[3], rounded[3])


def test_adapters_fall_back_to_the_models_own_code() -> None:
    class Doubled(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return 2 * rows

    model = make("Bert")
    layer = model.bert.encoder.layer[0].output
    layer.dense = torch.nn.Sequential(layer.dense, Doubled())
    sequences = sequences_of([5, 9])
    with torch.inference_mode():
        expected = torch.stack([alone(model, each) for each in sequences]).numpy()
    result = PackedInference(model, "float32").run(sequences)
    np.testing.assert_allclose(result.logits, expected, rtol=1e-5, atol=2e-5)


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="precision.*'int3'"):
        PackedInference(make("Bert"), "int3")  # type: ignore[arg-type]
