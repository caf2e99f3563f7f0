"""Cross entropy by blocks of rows, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from anysize.models import cross_entropy as rooms
from anysize.models.cross_entropy import cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("block", [1, 40, 1 << 18])
def test_losses_and_gradients_equal_torchs(
    smoothing: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "AT_ONCE", block)
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(13, 17, generator=generator) * 5).requires_grad_()
    wanted = torch.randint(17, (13,), generator=generator)
    weights = torch.rand(13, generator=generator)
    expected = functional.cross_entropy(logits, wanted, reduction="none", label_smoothing=smoothing)
    found = cross_entropy(logits, wanted, smoothing)
    torch.testing.assert_close(found, expected)
    for one, other in ((found * weights, expected * weights), (found, expected)):
        (ours,) = torch.autograd.grad(one.sum(), logits, retain_graph=True)
        (theirs,) = torch.autograd.grad(other.sum(), logits, retain_graph=True)
        torch.testing.assert_close(ours, theirs)


def test_losses_of_bfloat16_are_computed_in_float32() -> None:
    logits = torch.randn(5, 1000, generator=torch.Generator().manual_seed(0)).bfloat16()
    wanted = torch.arange(5)
    expected = functional.cross_entropy(logits.float(), wanted, reduction="none")
    torch.testing.assert_close(cross_entropy(logits, wanted), expected)
    logits.requires_grad_()
    cross_entropy(logits, wanted).sum().backward()
    assert logits.grad is not None and logits.grad.dtype == torch.bfloat16
    assert abs(float(logits.grad.float().sum())) < 0.05


def test_no_gradient_is_computed_where_none_is_wanted() -> None:
    found = cross_entropy(torch.randn(3, 4), torch.tensor([0, 1, 2]))
    assert not found.requires_grad
