"""The fast dropout: its law, its gradients and its repeatability."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.models import packed_attention as attention
from anysize.models.packed_attention import packed_attention
from anysize.models.packed_dropout import (
    LEVELS,
    DropBits,
    PackedDropout,
    QuickDropout,
    drop_level,
    dropped,
    negate_dropped_,
    replace_dropout,
    survivor_scale,
)
from anysize.models.packed_layout import Packing


@pytest.mark.parametrize("probability", [0.0, 1e-4, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_rate_is_within_one_part_in_65536(probability: float) -> None:
    assert abs(drop_level(probability) / LEVELS - probability) <= 1 / 65536


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_law(dtype: torch.dtype, probability: float) -> None:
    torch.manual_seed(5)
    count = 400_001
    values = PackedDropout(probability)(torch.ones(count, dtype=dtype)).float()
    dropped = values == 0
    spread = math.sqrt(probability * (1 - probability) / count)
    assert abs(float(dropped.float().mean()) - probability) < 5 * spread
    scale = survivor_scale(drop_level(probability))
    assert set(values.unique().tolist()) == {0.0, float(torch.tensor(scale).to(dtype))}
    for lag in (1, 2, 3, 4, 64):
        both = float((dropped[:-lag] & dropped[lag:]).float().mean())
        assert abs(both - probability**2) < 5 * math.sqrt(probability**2 / count)


def test_gradient_follows_the_mask() -> None:
    torch.manual_seed(0)
    values = torch.randn(50, 33, requires_grad=True)
    kept = PackedDropout(0.3)(values)
    kept.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values.detach(), kept.detach())


def test_evaluation_and_zero_rate_pass_through() -> None:
    values = torch.randn(4)
    assert PackedDropout(0.5).eval()(values) is values
    assert PackedDropout(0.0)(values) is values
    assert torch.equal(PackedDropout(1.0)(values), torch.zeros(4))


def test_restored_state_replays() -> None:
    layer, values = PackedDropout(0.5), torch.ones(1000)
    state = torch.get_rng_state()
    first, second = layer(values), layer(values)
    torch.set_rng_state(state)
    assert torch.equal(layer(values), first)
    assert not torch.equal(first, second)


def test_replacing_keeps_parameters_and_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2), nn.Sequential(nn.Dropout(0.4))).eval()
    names = list(model.state_dict())
    assert replace_dropout(model) == 2
    assert replace_dropout(model) == 0
    assert list(model.state_dict()) == names
    assert isinstance(model[1], PackedDropout) and model[1].p == 0.2 and not model[1].training


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sign_keeps_value_and_fate(dtype: torch.dtype) -> None:
    values = torch.rand(1001).add_(0.1).to(dtype)
    marked = negate_dropped_(values.clone(), DropBits(7, drop_level(0.4)))
    kept = DropBits(7, drop_level(0.4)).keep_masks(1001).bool()
    assert torch.equal(marked.abs(), values)
    assert torch.equal(marked > 0, kept)


def _masks(packing: Packing, heads: int, level: int, seed: int) -> list[Tensor]:
    bits = DropBits(seed, level)
    shapes = [(b.segments, heads, b.width, b.width) for b in packing.blocks]
    return [bits.keep_masks(math.prod(shape)).bool().view(shape) for shape in shapes]


def test_attention_dropout_gradients_equal_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    monkeypatch.setattr(attention, "draw_seed", lambda: 1234)
    lengths, heads, probability, scale = [24, 24, 19, 18, 6, 6, 1], 2, 0.4, 0.35
    packing = Packing(lengths, heads)
    masks = _masks(packing, heads, drop_level(probability), 1234)
    rows = [torch.randn(sum(lengths), heads, 8, requires_grad=True) for _ in range(3)]
    weights = torch.randn(sum(lengths), heads, 8)
    output = packed_attention(*rows, packing, scale, probability)
    (output * weights).sum().backward()
    gradients = [row.grad for row in rows]

    parts = []
    copies = [row.detach().clone().requires_grad_() for row in rows]
    split = [iter(row.split(lengths)) for row in copies]
    for block, mask in zip(packing.blocks, masks, strict=True):
        for segment, length in enumerate(block.lengths):
            q, k, v = (next(each) for each in split)
            p = (torch.einsum("qhd,khd->hqk", q, k) * scale).softmax(-1)
            p = p * mask[segment, :, :length, :length] * survivor_scale(drop_level(probability))
            parts.append(torch.einsum("hqk,khd->qhd", p, v))
    expected = torch.cat(parts)
    (expected * weights).sum().backward()
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-6)
    for gradient, copy in zip(gradients, copies, strict=True):
        torch.testing.assert_close(gradient, copy.grad, rtol=1e-4, atol=1e-5)


def test_attention_dropout_mean_is_the_attention_without() -> None:
    torch.manual_seed(2)
    length, copies = 9, 4000
    query, key, value = torch.randn(3, length, 2, 8).unbind(0)
    plain = packed_attention(query, key, value, Packing([length], 2), 0.35)
    rows = (row.repeat(copies, 1, 1) for row in (query, key, value))
    runs = packed_attention(*rows, Packing([length] * copies, 2), 0.35, 0.3)
    runs = runs.view(copies, *plain.shape)
    error = (runs.mean(0) - plain).abs() / (runs.std(0) / math.sqrt(len(runs)))
    assert float(error.max()) < 5.5


def test_bfloat16_attention_dropout_is_near_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(4)
    monkeypatch.setattr(attention, "draw_seed", lambda: 99)
    packing = Packing([40, 40, 37], 2)
    results = []
    base = torch.randn(3, 117, 2, 16).to(torch.bfloat16)
    weights = torch.randn(117, 2, 16).to(torch.bfloat16)
    for dtype in (torch.float32, torch.bfloat16):
        rows = [row.to(dtype).requires_grad_() for row in base]
        output = packed_attention(*rows, packing, 0.25, 0.1)
        functional.mse_loss(output, weights.to(dtype), reduction="sum").backward()
        results.append([output.detach().float(), *(row.grad.float() for row in rows)])
    for exact, rounded in zip(*results, strict=True):
        assert float((exact - rounded).norm() / exact.norm()) < 0.02


def test_functions_are_quick_inside_the_mode_alone() -> None:
    ones = torch.ones(4096)
    torch.manual_seed(1)
    expected = dropped(ones, drop_level(0.25))
    with QuickDropout():
        torch.manual_seed(1)
        found = functional.dropout(ones, 0.25)
        assert torch.equal(functional.dropout(ones, p=0.25, training=False), ones)
        assert functional.dropout(torch.ones(8, dtype=torch.float64), 0.5).dtype == torch.float64
        changed = torch.ones(8)
        assert functional.dropout(changed, 1.0, inplace=True) is changed
        assert not changed.any()
    assert torch.equal(found, expected)
    torch.manual_seed(1)
    assert not torch.equal(functional.dropout(ones, 0.25), expected)
