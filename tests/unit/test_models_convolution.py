"""Convolutions on small maps: the same numbers as torch's own, from less work."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from anysize.models.convolution import Convolution, PickingConvolution, guard_gradients
from anysize.models.resnet import resnet18

SHAPES = [(3, 1, 1), (3, 2, 1), (1, 2, 0), (5, 1, 2), (4, 2, 1), (7, 2, 3)]
SIDES = [(1, 1), (2, 2), (3, 3), (1, 3), (4, 2), (5, 5), (9, 1)]
FITTING = [
    (*shape, side) for shape in SHAPES for side in SIDES if min(side) + 2 * shape[2] >= shape[0]
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "side"), FITTING)
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_torchs(
    kernel: int, stride: int, padding: int, side: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(0)
    ours = Convolution(6, 8, kernel, stride, padding, bias=bias).double()
    torchs = nn.Conv2d(6, 8, kernel, stride, padding, bias=bias).double()
    torchs.load_state_dict(ours.state_dict())
    maps = torch.randn(3, 6, *side, dtype=torch.float64)
    maps = maps.contiguous(memory_format=torch.channels_last)
    results = []
    for layer in (ours, torchs):
        taken = maps.clone().requires_grad_()
        found = layer(taken)
        torch.manual_seed(1)
        found.backward(torch.randn_like(found))
        results.append([found, taken.grad, *(item.grad for item in layer.parameters())])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_only_small_maps_in_training_take_another_way() -> None:
    layer = Convolution(4, 4, 3, 1, 1, bias=False)
    small, large = torch.randn(2, 4, 2, 2), torch.randn(2, 4, 8, 8)
    assert "SmallMap" in type(layer(small).grad_fn).__name__
    assert "SmallMap" not in type(layer(large).grad_fn).__name__
    layer.eval()
    assert "SmallMap" not in type(layer(small).grad_fn).__name__


def test_a_net_in_bfloat16_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = resnet18(num_labels=5, image_size=(16, 16)).train()
    for item in net.modules():
        # A scale of zero at the end of each block would hide its convolutions.
        if isinstance(item, nn.BatchNorm2d):
            nn.init.ones_(item.weight)
    other = copy.deepcopy(net)
    pixels, labels = torch.randn(8, 3, 16, 16), torch.arange(8) % 5
    gradients = []
    for module, own in ((net, True), (other, False)):
        if not own:
            monkeypatch.setattr(Convolution, "forward", nn.Conv2d.forward)
        with torch.autocast("cpu", torch.bfloat16):
            loss = nn.functional.cross_entropy(module(pixel_values=pixels).logits.float(), labels)
        loss.backward()
        gradients.append(torch.cat([item.grad.flatten() for item in module.parameters()]))
    close = torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0)
    assert close > 0.98


_STEP = """
import torch
from torch import nn
from anysize.models.convolution import Convolution, guard_gradients

torch.set_num_threads(2)
for inputs in (8, 12):
    maps = torch.randn(1, inputs, 56, 56).contiguous(memory_format=torch.channels_last)
    maps.requires_grad_()
    for outputs in (8, 16, 32, 64):
        plain = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False))
        assert guard_gradients(plain) == 1
        for net in (plain, Convolution(inputs, outputs, 1, 2, bias=False)):
            net.to(memory_format=torch.channels_last)(maps).square().mean().backward()
            assert all(each.grad.isfinite().all() for each in net.parameters())
"""


def test_narrow_strided_convolutions_train_on_two_threads() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    found = subprocess.run(
        [sys.executable, "-c", _STEP], env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("stride", [(2, 2), (1, 3)])
@pytest.mark.parametrize("padding", [0, "valid"])
def test_guarded_convolutions_keep_their_results(stride: tuple[int, int], padding: object) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 4, 1, stride, padding).double()  # type: ignore[arg-type]
    guarded = copy.deepcopy(plain)
    assert guard_gradients(guarded) == 1
    assert type(guarded) is PickingConvolution
    results = []
    for layer in (plain, guarded):
        maps = torch.linspace(-1, 1, 2 * 8 * 5 * 7, dtype=torch.float64).reshape(2, 8, 5, 7)
        maps.requires_grad_()
        found = layer(maps)
        found.square().sum().backward()
        results.append([found, maps.grad, *(item.grad for item in layer.parameters())])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_other_convolutions_are_left_alone() -> None:
    others = nn.ModuleList(
        [
            nn.Conv2d(16, 8, 1, 2),
            nn.Conv2d(8, 8, 1),
            nn.Conv2d(8, 8, 3, 2),
            nn.Conv2d(8, 8, 1, 2, padding=1),
            nn.Conv2d(8, 8, 1, 2, groups=8),
        ]
    )
    assert guard_gradients(others) == 0
