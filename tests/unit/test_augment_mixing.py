"""MixUp and CutMix: shares that add up, and draws that are fixed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anysize.augmentation.image import Augmentation
from anysize.augmentation.mixing import CutMix, Mix, MixUp, draw_mix

COUNT, CLASSES = 6, 6


def constant_pictures() -> np.ndarray:
    """Picture k has the level 40 k everywhere, and belongs to class k."""
    return np.repeat(
        (40 * np.arange(COUNT, dtype=np.uint8))[:, None, None, None], 3, axis=3
    ) * np.ones((1, 32, 24, 1), dtype=np.uint8)


@pytest.mark.parametrize("step", [MixUp(alpha=0.8), CutMix(alpha=1.0)])
@pytest.mark.parametrize("batch", range(8))
def test_targets_are_the_shares_of_the_pixels(step: MixUp | CutMix, batch: int) -> None:
    mix = draw_mix((step,), COUNT, (24, 32), (0, 1, batch))
    assert mix is not None
    assert sorted(mix.partners) == list(range(COUNT))
    assert 0 <= mix.share <= 1
    pictures = constant_pictures()
    mixed = mix.pixels(pictures)
    assert mixed.dtype == np.uint8
    soft = mix.targets(np.eye(CLASSES, dtype=np.float32))
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)
    means = mixed.reshape(COUNT, -1).mean(axis=1)
    np.testing.assert_allclose(means, soft @ (40.0 * np.arange(CLASSES)), atol=0.51)
    np.testing.assert_array_equal(pictures, constant_pictures())


@pytest.mark.parametrize("step", [MixUp(), CutMix()])
def test_tensors_of_either_layout_and_arrays_agree(step: MixUp | CutMix) -> None:
    mix = draw_mix((step,), COUNT, (24, 32), (0, 1, 3))
    assert mix is not None
    pictures = np.random.default_rng(0).normal(size=(COUNT, 32, 24, 3)).astype(np.float32)
    expected = mix.pixels(pictures)
    tensor = torch.from_numpy(pictures)
    last = mix.pixels(tensor)
    first = mix.pixels(tensor.permute(0, 3, 1, 2), channels_first=True).permute(0, 2, 3, 1)
    np.testing.assert_allclose(last.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(first.numpy(), expected, atol=1e-6)
    targets = mix.targets(torch.eye(CLASSES))
    np.testing.assert_allclose(targets.numpy(), mix.targets(np.eye(CLASSES)), atol=1e-6)
    whole = torch.randint(0, 256, (COUNT, 32, 24, 3), dtype=torch.uint8)
    np.testing.assert_array_equal(mix.pixels(whole).numpy(), mix.pixels(whole.numpy()))


def test_cutmix_pastes_a_rectangle() -> None:
    mix = draw_mix((CutMix(),), COUNT, (24, 32), (0, 0, 1))
    assert mix is not None
    assert mix.box is not None
    pictures = constant_pictures()
    mixed = mix.pixels(pictures)
    box = mix.box
    for index, partner in enumerate(mix.partners):
        inside = mixed[index, box.top : box.bottom, box.left : box.right]
        assert (inside == 40 * partner).all()
        outside = np.ones((32, 24), dtype=bool)
        outside[box.top : box.bottom, box.left : box.right] = False
        assert (mixed[index][outside] == 40 * index).all()


def drawn(batch: int, spec: str = "imagenet, mixup(0.4), cutmix") -> Mix | None:
    return Augmentation(spec).mix(COUNT, (24, 32), (5, 2, batch))


def test_draws_are_fixed_and_both_kinds_come() -> None:
    for batch in range(20):
        one, two = drawn(batch), drawn(batch)
        assert one is not None
        assert two is not None
        np.testing.assert_array_equal(one.partners, two.partners)
        assert one.share == two.share
        assert one.box == two.box
    kinds = {drawn(batch).box is None for batch in range(20)}  # type: ignore[union-attr]
    assert kinds == {True, False}
    assert len({drawn(batch).share for batch in range(20)}) > 10  # type: ignore[union-attr]


def test_probability_and_nothing_to_mix() -> None:
    mixed = [drawn(batch, "mixup(p=0.5)") is not None for batch in range(200)]
    assert 70 < sum(mixed) < 130
    assert drawn(0, "imagenet") is None
    assert Augmentation("mixup").mix(1, (24, 32), (0, 0, 0)) is None


def test_batch_steps_leave_single_pictures() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    found = Augmentation("mixup, cutmix")(pixels, (0, 0, "a", 0))
    np.testing.assert_array_equal(found, pixels)
