"""The convolution with a matrix-product gradient against torch's own, in float64 and bfloat16."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from anysize.models import convolution
from anysize.models.convolution import Convolution, gradient_of_weight


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast way is taken on every processor."""
    monkeypatch.setattr(convolution, "_matrix_products_pay", lambda: True)


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@settings(max_examples=60, deadline=None)
@given(
    pictures=st.integers(1, 5),
    inputs=st.integers(1, 6),
    outputs=st.integers(1, 6),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    patch_bytes=st.integers(1, 20_000),
)
def test_the_weight_gradient_is_the_one_of_autograd(
    pictures: int,
    inputs: int,
    outputs: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    patch_bytes: int,
) -> None:
    padding = tuple(
        max(pad, (edge - side + 1) // 2)
        for pad, edge, side in zip(padding, kernel, size, strict=True)
    )
    torch.manual_seed(0)
    maps = torch.randn(pictures, inputs, *size)
    weight = torch.randn(outputs, inputs, *kernel, requires_grad=True)
    made = nn.functional.conv2d(maps, weight, None, stride, padding)
    gradient = torch.randn_like(made)
    made.backward(gradient)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_PATCH_BYTES", patch_bytes)
        found = gradient_of_weight(maps, gradient, kernel, stride, padding)
    torch.testing.assert_close(found, weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (1, 2, 0), (4, 2, 1), (7, 2, 3)]
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_in_bfloat16_it_is_as_near_to_float32_as_torch_is(
    kernel: int, stride: int, padding: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    ours = Convolution(8, 12, kernel, stride, padding, bias=False).to(memory_format=layout)
    theirs = nn.Conv2d(8, 12, kernel, stride, padding, bias=False).to(memory_format=layout)
    theirs.load_state_dict(ours.state_dict())
    pictures = torch.randn(6, 8, 10, 14)

    def gradients(layer: nn.Module, autocast: bool) -> tuple[Tensor, Tensor, Tensor]:
        layer.zero_grad()
        maps = pictures.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            made = layer(maps)
        made.float().square().sum().backward()
        assert maps.grad is not None and layer.weight.grad is not None
        assert maps.grad.dtype == layer.weight.grad.dtype == torch.float32
        return made.detach(), maps.grad, layer.weight.grad

    exact = gradients(theirs, autocast=False)
    torch_errors = [
        relative_error(*pair) for pair in zip(gradients(theirs, True), exact, strict=True)
    ]
    our_errors = [relative_error(*pair) for pair in zip(gradients(ours, True), exact, strict=True)]
    for ours_is, torch_is in zip(our_errors, torch_errors, strict=True):
        assert ours_is < max(1.2 * torch_is, 1e-2)


def test_it_is_taken_only_while_training_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.dtype] = []

    def watched(maps: Tensor, *rest: object) -> Tensor:
        calls.append(maps.dtype)
        return gradient_of_weight(maps, *rest)

    monkeypatch.setattr(convolution, "gradient_of_weight", watched)
    layer = Convolution(3, 4, 3, padding=1, bias=False)
    pictures = torch.randn(2, 3, 6, 6)
    layer(pictures).sum().backward()
    assert calls == []
    with torch.autocast("cpu", torch.bfloat16):
        layer(pictures).sum().backward()
        assert calls == [torch.bfloat16]
        layer.eval()(pictures).sum().backward()
    assert calls == [torch.bfloat16]


def test_two_backward_passes_add_up() -> None:
    torch.manual_seed(0)
    layer = Convolution(3, 4, 3, padding=1, bias=False)
    pictures = torch.randn(4, 3, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        layer(pictures).float().sum().backward()
        whole = layer.weight.grad.clone()
        layer.zero_grad()
        for half in pictures.split(2):
            layer(half).float().sum().backward()
    torch.testing.assert_close(layer.weight.grad, whole, rtol=0.02, atol=0.05)
