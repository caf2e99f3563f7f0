"""Batches of pictures: normalised as the definition says, in memory that nobody else looks at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
from anysize.models.picture_batches import PictureBatches  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures(count: int, height: int, width: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(seed)
    return list(generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def defined(levels: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    values = (np.stack(levels) / 255 - np.array(MEAN)) / np.array(STD)
    return np.moveaxis(values, 3, 1)


@pytest.mark.parametrize(("count", "height", "width"), [(1, 1, 1), (70, 32, 33), (3, 300, 299)])
def test_values_are_what_the_definition_says(count: int, height: int, width: int) -> None:
    levels = pictures(count, height, width)
    values = PictureBatches(MEAN, STD)(levels)
    assert values.shape == (count, 3, height, width)
    assert values.dtype == torch.float32
    assert values.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(values.numpy(), defined(levels), rtol=0, atol=1e-6)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    levels = pictures(50, 48, 40)
    batches = PictureBatches(MEAN, STD)
    together = batches(levels)
    for place in (0, 17, 49):
        assert torch.equal(together[place], batches(levels[place : place + 1])[0])


def test_pictures_that_only_can_be_read_and_views_are_taken(
    recwarn: pytest.WarningsRecorder,
) -> None:
    levels = pictures(2, 20, 30)
    expected = PictureBatches(MEAN, STD)(levels)
    levels[0].flags.writeable = False
    mirrored = [np.ascontiguousarray(level[:, ::-1])[:, ::-1] for level in levels]
    for given in (levels, mirrored):
        for place in range(2):
            found = PictureBatches(MEAN, STD)(given[place : place + 1])
            assert torch.equal(found[0], expected[place])
    assert not recwarn.list


def test_memory_is_lent_again_only_when_no_tensor_looks_at_it() -> None:
    batches = PictureBatches(MEAN, STD)
    held = [batches(pictures(4, 16, 16, seed)) for seed in range(4)]
    kept = held[0][1:2, :, 3:9].numpy()
    copies = [values.clone() for values in held]
    del held[0]
    batches(pictures(4, 16, 16, 9))
    for values, copy in zip(held, copies[1:], strict=True):
        assert torch.equal(values, copy)
    np.testing.assert_array_equal(kept, copies[0][1:2, :, 3:9].numpy())


def test_gradients_see_the_batch_that_they_belong_to() -> None:
    batches = PictureBatches(MEAN, STD)
    layer = torch.nn.Conv2d(3, 2, 3)
    levels = [pictures(2, 12, 12, seed) for seed in range(3)]
    losses = [layer(batches(some)).square().sum() for some in levels]
    late = [torch.autograd.grad(loss, layer.weight)[0] for loss in losses]
    for some, gradient in zip(levels, late, strict=True):
        fresh = layer(torch.tensor(defined(some), dtype=torch.float32)).square().sum()
        expected = torch.autograd.grad(fresh, layer.weight)[0]
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)


def test_one_batch_after_the_other_needs_no_new_memory() -> None:
    batches = PictureBatches(MEAN, STD)
    places = []
    values = None
    for seed in range(8):
        values = batches(pictures(4 - seed % 2, 16, 16, seed))
        places.append(values.data_ptr())
    assert len(set(places)) == 2
    assert all(one != other for one, other in pairwise(places))


def test_threads_do_not_share_memory() -> None:
    batches = PictureBatches(MEAN, STD)

    def right(seed: int) -> bool:
        levels = pictures(3, 24, 24, seed)
        found = batches(levels)
        return bool(np.allclose(found.numpy(), defined(levels), rtol=0, atol=1e-6))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(right, range(200)))
