"""What every step and policy for pictures must fulfil."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from anysize.augmentation.catalogue import describe
from anysize.augmentation.image import Augmentation
from anysize.augmentation.mixing import BatchStep
from anysize.augmentation.policies import POLICIES
from anysize.augmentation.sample import Normalisation, Targets
from anysize.augmentation.specification import catalogue, parse
from anysize.core import plugins

pytest.importorskip("cv2")
SINGLE = [
    name
    for name, kind in catalogue().items()
    if kind.content == "pictures" and not issubclass(kind, BatchStep)
]
ALWAYS = [
    name if "p" not in catalogue()[name].__dataclass_fields__ else f"{name}(p=1)" for name in SINGLE
]
NAMES = [
    *ALWAYS,
    *(name for name in POLICIES if any(step.content == "pictures" for step in parse(name))),
]


def picture(width: int = 90, height: int = 70) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    planes = [127 + 120 * np.sin(x / 7 + k) * np.cos(y / (5 + k)) for k in range(3)]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


@pytest.mark.parametrize("spec", NAMES)
def test_same_draw_same_picture_whatever_the_thread(spec: str) -> None:
    source = picture()
    before = source.copy()
    draws = [(3, epoch, f"record {number}", 0) for epoch in range(3) for number in range(3)]
    one = Augmentation(spec)
    two = pickle.loads(pickle.dumps(one))  # noqa: S301  our own, as workers are sent it
    expected = [one(source, draw, size=(48, 40)) for draw in draws]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda draw: two(source, draw, size=(48, 40)), reversed(draws)))
    for mine, other in zip(expected, reversed(found), strict=True):
        assert mine.dtype == np.uint8
        assert mine.shape == (40, 48, 3)
        assert mine.flags.c_contiguous
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(source, before)


@pytest.mark.parametrize("spec", NAMES)
def test_the_result_is_not_the_picture(spec: str) -> None:
    source = picture()
    for epoch in range(4):
        found = Augmentation(spec)(source, (0, epoch, "a", 0), size=(90, 70))
        assert not np.may_share_memory(found, source)


@pytest.mark.parametrize(
    "changed", [(1, 0, "a", 0), (0, 1, "a", 0), (0, 0, "b", 0), (0, 0, "a", 1)]
)
def test_every_part_of_the_draw_counts(changed: tuple[int, int, str, int]) -> None:
    augmentation = Augmentation("rotate, scale, translate, colour")
    first = augmentation.plan((90, 70), (0, 0, "a", 0)).matrix
    assert not np.allclose(first, augmentation.plan((90, 70), changed).matrix)


def test_the_numbers_of_a_step_do_not_depend_on_later_ones() -> None:
    short = Augmentation("rotate, hflip, scale").plan((90, 70), (0, 4, "a", 0))
    long = Augmentation("rotate, hflip, scale, noise, aug_mix").plan((90, 70), (0, 4, "a", 0))
    np.testing.assert_array_equal(short.matrix, long.matrix)


@pytest.mark.parametrize("spec", NAMES)
def test_normalised_is_the_picture_scaled(spec: str) -> None:
    source, draw = picture(), (1, 2, "a", 0)
    rule = Normalisation(mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    augmentation = Augmentation(spec)
    levels = augmentation(source, draw, size=(48, 40))
    found = augmentation.apply(source, draw, size=(48, 40), normalisation=rule).pixels
    assert found.dtype == np.float32
    expected = (levels / 255 - np.array(rule.mean)) / np.array(rule.std)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 3)])
@pytest.mark.parametrize("spec", NAMES)
def test_tiny_pictures(spec: str, size: tuple[int, int]) -> None:
    for epoch in range(3):
        found = Augmentation(spec)(picture(*size), (0, epoch, "a", 0), size=(6, 5))
        assert found.shape == (5, 6, 3)


@pytest.mark.parametrize("spec", [name for name in NAMES if "aug" not in name])
def test_empty_targets_stay_empty(spec: str) -> None:
    targets = Targets(boxes=np.zeros((0, 4)), oriented=np.zeros((0, 5)), keypoints=np.zeros((0, 2)))
    found = Augmentation(spec).apply(picture(), (0, 0, "a", 0), targets, size=(48, 40))
    assert found.boxes is not None
    assert found.oriented is not None
    assert found.boxes.shape == (0, 4)
    assert found.oriented.shape == (0, 5)
    assert found.keypoints is not None


def test_every_step_is_documented_and_provided() -> None:
    keys = plugins.keys("augmentation")
    entries = {entry.name: entry for entry in describe()}
    assert entries.keys() == keys.keys()
    for name, entry in entries.items():
        assert entry.about.endswith("."), name
        assert all(item.about and item.rule for item in entry.parameters), name
