"""Boxes, keypoints and oriented boxes follow the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anysize.augmentation.image import Augmentation
from anysize.augmentation.sample import Targets
from anysize.augmentation.targets import (
    clipped,
    corners_of_oriented,
    oriented_of_corners,
    visible_boxes,
)
from anysize.core.errors import ConfigurationError

pytest.importorskip("cv2")
WIDTH, HEIGHT = 160, 120


def scene(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Boxes that do not overlap, and the mask with label i + 1 inside of box i."""
    draws = np.random.default_rng(seed)
    boxes, mask = [], np.zeros((HEIGHT, WIDTH), dtype=np.int64)
    for row in range(3):
        for column in range(4):
            left = column * 40 + draws.integers(0, 10)
            top = row * 40 + draws.integers(0, 10)
            right, bottom = left + draws.integers(12, 30), top + draws.integers(12, 30)
            mask[top:bottom, left:right] = len(boxes) + 1
            boxes.append((left, top, right, bottom))
    return np.array(boxes, dtype=np.float64), mask


PIXELS = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
SPECS = [
    "border(black), hflip(1), vflip(1)",
    "border(black), quarter_turn(1)",
    "border(black), crop(90x70)",
    "border(black), random_resized_crop(96, 0.3..1)",
    "border(black), rotate(±35), scale(0.7..1.6), translate",
    "border(black), shear(±15, ±10), crop(100)",
    "border(black), perspective(0.4, p=1), resize(100x90)",
    "border(grey), letterbox(128)",
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("seed", range(3))
def test_boxes_are_those_of_the_masks(spec: str, seed: int) -> None:
    boxes, mask = scene(seed)
    found = Augmentation(spec).apply(
        PIXELS, (seed, 0, "a", 0), Targets(boxes=boxes, mask=mask), min_visibility=0.0
    )
    assert found.boxes is not None
    assert found.kept is not None
    assert found.mask is not None
    height, width = found.mask.shape
    assert (found.boxes[:, :2] >= 0).all()
    assert (found.boxes[:, 2] <= width).all()
    assert (found.boxes[:, 3] <= height).all()
    kept = dict(zip(found.kept.tolist(), found.boxes, strict=True))
    for label in range(1, len(boxes) + 1):
        rows, columns = np.nonzero(found.mask == label)
        if len(rows) == 0 or min(np.ptp(rows), np.ptp(columns)) < 4:
            # Of a corner that just looks in, no pixel's centre need be seen.
            continue
        around = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        np.testing.assert_allclose(kept[label - 1], around, atol=2.5)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "perspective" not in spec])
def test_visibility_is_the_part_of_the_mask_that_is_left(spec: str) -> None:
    boxes, mask = scene(7)
    augmentation = Augmentation(spec)
    full = augmentation.plan((WIDTH, HEIGHT), (0, 0, "a", 0))
    scale = abs(np.linalg.det(full.matrix[:2, :2]))
    for threshold in (0.2, 0.5, 0.8):
        found = augmentation.apply(
            PIXELS, (0, 0, "a", 0), Targets(boxes=boxes, mask=mask), min_visibility=threshold
        )
        assert found.kept is not None
        assert found.mask is not None
        for index, box in enumerate(boxes):
            area = (box[2] - box[0]) * (box[3] - box[1]) * scale
            left = np.count_nonzero(found.mask == index + 1) / area
            if abs(left - threshold) > 0.12:
                assert (index in found.kept) == (left > threshold)


@given(st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_higher_visibility_keeps_fewer(seed: int, threshold: float) -> None:
    boxes, _ = scene(seed)
    augmentation = Augmentation("rotate(±90), scale(0.5..3), crop(100)")
    some = augmentation.apply(
        PIXELS, (seed, 0, "a", 0), Targets(boxes=boxes), min_visibility=threshold
    )
    every = augmentation.apply(PIXELS, (seed, 0, "a", 0), Targets(boxes=boxes), min_visibility=0.0)
    assert some.kept is not None
    assert every.kept is not None
    assert set(some.kept) <= set(every.kept)
    assert some.boxes is not None
    assert (some.boxes[:, 2:] > some.boxes[:, :2]).all()


def test_boxes_of_flips_are_exact() -> None:
    boxes = np.array([[10.0, 20.0, 50.0, 60.0]])
    found = Augmentation("hflip(1)").apply(PIXELS, (0, 0, "a", 0), Targets(boxes=boxes))
    np.testing.assert_array_equal(found.boxes, [[110, 20, 150, 60]])
    assert found.mirrored
    turned = Augmentation("quarter_turn(1)").apply(PIXELS, (0, 0, "a", 0), Targets(boxes=boxes))
    np.testing.assert_array_equal(turned.boxes, [[20, 110, 60, 150]])
    assert not turned.mirrored


def test_keypoints_follow_marks_in_the_picture() -> None:
    points = np.array([[30.0, 40.0], [100.0, 80.0], [120.0, 30.0]])
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    for spec in (
        "rotate(±40), scale(0.8..1.3)",
        "shear(±15)",
        "perspective(0.3, 1)",
        "elastic(smoothness=0.4, p=1)",
    ):
        for index in range(len(points)):
            spot = np.exp(-((x - points[index, 0]) ** 2 + (y - points[index, 1]) ** 2) / 18)
            pixels = np.repeat(np.rint(250 * spot).astype(np.uint8)[..., None], 3, axis=2)
            found = Augmentation(f"border(black), {spec}").apply(
                pixels, (4, index, "a", 0), Targets(keypoints=points)
            )
            assert found.keypoints is not None
            weights = found.pixels[..., 0].astype(np.float64)
            assert weights.sum() > 0
            centre = (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()
            np.testing.assert_allclose(found.keypoints[index], centre, atol=1.0)


def test_keypoints_of_instances_keep_their_shape() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (5, 3, 2))
    found = Augmentation("hflip(1)").apply(PIXELS, (0, 0, "a", 0), Targets(keypoints=points))
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints[..., 0], WIDTH - points[..., 0], rtol=1e-6)


@given(
    st.lists(
        st.tuples(
            st.floats(-50, 200), st.floats(-50, 200), st.floats(1, 90), st.floats(1, 90),
            st.floats(-89, 89),
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_oriented_boxes_to_corners_and_back(rows: list[tuple[float, ...]]) -> None:
    oriented = np.array(rows)
    np.testing.assert_allclose(
        oriented_of_corners(corners_of_oriented(oriented)), oriented, atol=1e-6
    )


def test_oriented_boxes_turn_with_the_picture() -> None:
    oriented = np.array([[80.0, 60.0, 40.0, 10.0, 0.0]])
    found = Augmentation("rotate(30..30), scale(1.5..1.5)").apply(
        PIXELS, (0, 0, "a", 0), Targets(oriented=oriented)
    )
    # Counter-clockwise by 30 degrees is -30 clockwise.
    np.testing.assert_allclose(found.oriented, [[80, 60, 60, 15, -30]], atol=1e-4)
    flipped = Augmentation("hflip(1)").apply(
        PIXELS, (0, 0, "a", 0), Targets(oriented=np.array([[50.0, 60.0, 40.0, 10.0, 25.0]]))
    )
    np.testing.assert_allclose(flipped.oriented, [[110, 60, 40, 10, -25]], atol=1e-4)
    gone = Augmentation("crop(40, centre)").apply(
        PIXELS, (0, 0, "a", 0), Targets(oriented=np.array([[10.0, 10.0, 8.0, 8.0, 5.0]]))
    )
    assert gone.oriented_kept is not None
    assert len(gone.oriented_kept) == 0


def test_clipping_a_polygon() -> None:
    square = np.array([[-10.0, -10.0], [10.0, -10.0], [10.0, 10.0], [-10.0, 10.0]])
    part = clipped(square, 100, 100)
    assert sorted(map(tuple, part.tolist())) == [(0, 0), (0, 10), (10, 0), (10, 10)]
    assert len(clipped(square - 50, 100, 100)) == 0
    boxes, kept = visible_boxes(np.stack((square, square - 50)), 100, 100, 0.2)
    np.testing.assert_array_equal(boxes, [[0, 0, 10, 10]])
    np.testing.assert_array_equal(kept, [0])


def test_wrong_shapes_are_refused_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Targets(boxes=np.zeros((3, 5)), keypoints=np.zeros(4), mask=np.zeros(3))
    assert len(caught.value.problems) == 3


def test_a_mixture_of_copies_has_no_boxes() -> None:
    with pytest.raises(ConfigurationError, match="aug_mix"):
        Augmentation("aug_mix").apply(PIXELS, (0, 0, "a", 0), Targets(boxes=np.zeros((1, 4))))
