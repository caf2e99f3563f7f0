"""Geometry: slices where it can be, float64 step by step as the judge where it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anysize.augmentation.geometry import projection
from anysize.augmentation.image import Augmentation
from anysize.augmentation.operations import (
    Canvas,
    Geometry,
    around_centre,
    mirrored,
    moved,
    quarter_turned,
    rotated,
    sheared,
    window,
)
from anysize.augmentation.plan import fused
from anysize.augmentation.regions import fineness, seen
from anysize.augmentation.warp import warped, warped_mask
from anysize.core.windows import Box
from anysize.readers.parts import Part

pytest.importorskip("cv2")
Levels = NDArray[np.float64]


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def waves(x: Levels, y: Levels) -> Levels:
    """An analytic picture, smooth enough to be sampled at whole pixels."""
    red = np.sin(x / 3.1 + y / 7.3) + np.cos(y / 2.9)
    green = np.sin(x / 11.7) * np.cos(y / 5.3 - x / 4.1)
    blue = np.cos((x * x + y * y) / 900.0)
    return 127.5 + 60 * np.stack((red, green * 2, blue * 2), axis=-1)


def sampled(width: int, height: int) -> Levels:
    y, x = np.mgrid[:height, :width] + 0.5
    return waves(x, y)


def through(geometry: Geometry, fine: int = 1) -> Levels:
    """The analytic picture after a geometry, averaged over ``fine * fine`` points a pixel."""
    places = (np.arange(fine) + 0.5) / fine
    total: Levels = np.zeros((geometry.height, geometry.width, 3))
    for dy in places:
        for dx in places:
            y, x = np.mgrid[: geometry.height, : geometry.width].astype(np.float64)
            inverse = np.linalg.inv(geometry.matrix)
            u, v, w = (row[0] * (x + dx) + row[1] * (y + dy) + row[2] for row in inverse)
            total += waves(u / w, v / w)
    return total / fine**2


def psnr(one: NDArray[np.uint8], other: Levels, margin: int) -> float:
    inner = (slice(margin, -margin), slice(margin, -margin))
    return float(10 * np.log10(255**2 / np.mean((one[inner].astype(float) - other[inner]) ** 2)))


SLICES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "hflip(p=1)": lambda pixels: pixels[:, ::-1],
    "vflip(p=1)": lambda pixels: pixels[::-1],
    "quarter_turn(1)": lambda pixels: np.rot90(pixels, 1),
    "quarter_turn(2)": lambda pixels: np.rot90(pixels, 2),
    "quarter_turn(3)": lambda pixels: np.rot90(pixels, 3),
    "hflip(p=1), vflip(p=1)": lambda pixels: pixels[::-1, ::-1],
    "hflip(p=1), quarter_turn(1)": lambda pixels: np.rot90(pixels[:, ::-1], 1),
    "quarter_turn(1), vflip(p=1)": lambda pixels: np.rot90(pixels, 1)[::-1],
    "rotate(0..0)": lambda pixels: pixels,
    "crop(20x10, centre), hflip(p=1)": lambda pixels: pixels[
        (pixels.shape[0] - 10) // 2 : (pixels.shape[0] - 10) // 2 + 10,
        (pixels.shape[1] - 20) // 2 : (pixels.shape[1] - 20) // 2 + 20,
    ][:, ::-1],
    "quarter_turn(1), quarter_turn(3), hflip(p=1), hflip(p=1)": lambda pixels: pixels,
}


@pytest.mark.parametrize("spec", SLICES)
@pytest.mark.parametrize("extent", [(31, 24), (24, 31), (30, 30), (21, 11)])
def test_flips_and_quarter_turns_are_slices(spec: str, extent: tuple[int, int]) -> None:
    source = noise(*extent)
    found = Augmentation(spec)(source, (0, 0, "a", 0))
    np.testing.assert_array_equal(found, SLICES[spec](source))


@given(
    width=st.integers(3, 40), height=st.integers(3, 40), x=st.integers(-30, 30),
    y=st.integers(-30, 30), turns=st.integers(0, 3), flip=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_whole_moves_are_slices_of_the_mirrored_picture(
    width: int, height: int, x: int, y: int, turns: int, flip: bool
) -> None:
    source = noise(width, height)
    canvas = Canvas(width, height)
    geometry = moved(x, y, canvas)
    margin = ((31, 31), (31, 31), (0, 0))
    padded = np.pad(source, margin, mode="reflect")
    expected = padded[31 - y : 31 - y + height, 31 - x : 31 - x + width]
    if flip:
        geometry = geometry.then(mirrored(canvas, left_right=True))
        expected = expected[:, ::-1]
    geometry = geometry.then(quarter_turned(turns, canvas))
    found = warped(Part.whole(source), geometry, "reflect")
    np.testing.assert_array_equal(found, np.rot90(expected, turns))


@pytest.mark.parametrize("border", ["reflect", "edge", 0, 128])
def test_borders(border: str | int) -> None:
    source = noise(20, 16)
    found = warped(Part.whole(source), moved(6, -3, Canvas(20, 16)), border)
    if isinstance(border, int):
        padded = np.pad(source, ((0, 3), (6, 0), (0, 0)), constant_values=border)
    else:
        padded = np.pad(source, ((0, 3), (6, 0), (0, 0)), mode=border)
    np.testing.assert_array_equal(found, padded[3:19, :20])


def random_geometry(seed: int, *, shrinking: bool) -> list[Geometry]:
    """Steps on a canvas of 220 x 180 that end in 90 x 80, looking at the inside."""
    draws = np.random.default_rng(seed)
    canvas = Canvas(220, 180)
    factor = draws.uniform(0.6, 1.0) if shrinking else draws.uniform(1.0, 1.3)
    return [
        rotated(draws.uniform(-30, 30), canvas),
        around_centre((factor, 0.0, 0.0, factor), canvas),
        sheared(draws.uniform(-0.2, 0.2), 0.0, canvas),
        moved(draws.uniform(-9, 9), draws.uniform(-9, 9), canvas),
        mirrored(canvas, left_right=bool(draws.integers(2))),
        window(65, 50, 90, 80, 90, 80),
    ]


@pytest.mark.parametrize("shrinking", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_fused_is_at_least_as_good_as_step_by_step(seed: int, shrinking: bool) -> None:
    steps = random_geometry(seed, shrinking=shrinking)
    source = np.clip(np.rint(sampled(220, 180)), 0, 255).astype(np.uint8)
    (whole,) = fused(steps, "reflect")
    assert isinstance(whole, Geometry)
    truth = np.clip(through(whole, fine=6), 0, 255)
    chained = source
    for step in steps:
        chained = warped(Part.whole(chained), step, "reflect")
    together = warped(Part.whole(source), whole, "reflect")
    assert psnr(together, truth, 3) >= psnr(chained, truth, 3)
    assert psnr(together, truth, 3) > 28


@pytest.mark.parametrize("seed", range(4))
def test_linear_interpolation_agrees_with_float64(seed: int) -> None:
    steps = random_geometry(seed, shrinking=False)
    source = noise(220, 180, seed)
    (whole,) = fused(steps, "reflect")
    assert isinstance(whole, Geometry)
    found = warped(Part.whole(source), whole, "reflect")
    y, x = np.mgrid[:80, :90] + 0.5
    inverse = np.linalg.inv(whole.matrix)
    u, v = (row[0] * x + row[1] * y + row[2] - 0.5 for row in inverse[:2])
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    part_x, part_y = (u - left)[..., None], (v - top)[..., None]
    levels = source.astype(np.float64)
    above = levels[top, left] * (1 - part_x) + levels[top, left + 1] * part_x
    below = levels[top + 1, left] * (1 - part_x) + levels[top + 1, left + 1] * part_x
    expected = above * (1 - part_y) + below * part_y
    assert np.abs(found - expected).max() <= 1.0


@pytest.mark.parametrize("factor", [0.45, 0.3, 0.2, 0.11])
@pytest.mark.parametrize("degrees", [0.0, 17.0])
def test_shrinking_does_not_alias(factor: float, degrees: float) -> None:
    """Noise of one pixel must average out, as it does when it is averaged over each pixel."""
    source = noise(400, 400)
    canvas = Canvas(400, 400)
    geometry = rotated(degrees, canvas).then(
        window(50, 50, 300, 300, round(300 * factor), round(300 * factor))
    )
    found = warped(Part.whole(source), geometry, "reflect")
    averaged = 73.9 * factor
    assert found.std() < 1.5 * averaged + 2
    aliased = source[:: round(1 / factor), :: round(1 / factor)]
    assert found.std() < 0.8 * aliased.std()


@pytest.mark.parametrize("size", [(100, 80), (50, 40), (37, 61), (250, 300), (120, 30)])
def test_resizing_a_rectangle_agrees_with_area_averages(size: tuple[int, int]) -> None:
    source = np.clip(np.rint(sampled(200, 160)), 0, 255).astype(np.uint8)
    geometry = window(20, 10, 150, 120, *size)
    truth = np.clip(through(geometry, fine=8), 0, 255)
    assert psnr(warped(Part.whole(source), geometry, "reflect"), truth, 2) > 24


def test_perspective_takes_corners_to_corners_and_agrees_with_the_analytic_picture() -> None:
    before = np.array([[0.0, 0.0], [220.0, 0.0], [220.0, 180.0], [0.0, 180.0]])
    after = before + np.array([[12.0, 5.0], [-20.0, 9.0], [-4.0, -16.0], [7.0, -2.0]])
    matrix = projection(before, after)
    ends = np.column_stack((before, np.ones(4))) @ matrix.T
    np.testing.assert_allclose(ends[:, :2] / ends[:, 2:], after, atol=1e-9)
    geometry = Geometry(matrix, 220, 180).then(window(40, 40, 120, 90, 120, 90))
    source = np.clip(np.rint(sampled(220, 180)), 0, 255).astype(np.uint8)
    truth = np.clip(through(geometry, fine=4), 0, 255)
    assert psnr(warped(Part.whole(source), geometry, "reflect"), truth, 3) > 28


@given(
    degrees=st.floats(-180, 180), factor=st.floats(0.2, 3), x=st.floats(-60, 60),
    y=st.floats(-60, 60), border=st.sampled_from(["reflect", "edge", 0]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_nothing_outside_of_the_seen_part_matters(
    degrees: float, factor: float, x: float, y: float, border: str | int
) -> None:
    canvas = Canvas(120, 90)
    geometry = (
        rotated(degrees, canvas)
        .then(around_centre((factor, 0.0, 0.0, factor), canvas))
        .then(moved(x, y, canvas))
        .then(window(40, 30, 40, 30, 40, 30))
    )
    box = seen(geometry, (120, 90), border)
    assert 0 <= box.left < box.right <= 120
    assert 0 <= box.top < box.bottom <= 90
    source, other = noise(120, 90), noise(120, 90, 1)
    other[box.top : box.bottom, box.left : box.right] = source[
        box.top : box.bottom, box.left : box.right
    ]
    # A halved picture's pixels are pairs that begin at the box's own edge, in both.
    np.testing.assert_array_equal(
        warped(Part.whole(source), geometry, border), warped(Part.whole(other), geometry, border)
    )


def test_what_a_crop_sees_is_the_crop() -> None:
    assert seen(window(30, 20, 40, 30, 40, 30), (200, 100), "edge") == Box(28, 18, 72, 52)
    half = window(0, 0, 200, 100, 100, 50)
    assert fineness(half) == (0.5, 0.5)


def test_all_geometry_becomes_one_warp_and_colours_without_a_measure_do_not_part_it() -> None:
    plan = Augmentation(
        "rotate, brightness, scale, hue, crop(50), hflip, saturation, perspective(p=1)"
    ).plan((100, 80), (0, 0, "a", 0))
    assert [type(stage).__name__ for stage in plan.stages] == ["Geometry", "Linear"]
    parted = Augmentation("rotate, contrast, scale").plan((100, 80), (0, 0, "a", 0))
    assert [type(stage).__name__ for stage in parted.stages] == ["Geometry", "Linear", "Geometry"]
    black = Augmentation("border(black), rotate, brightness, scale")
    stages = black.plan((100, 80), (0, 0, "a", 0)).stages
    assert [type(stage).__name__ for stage in stages] == ["Geometry", "Linear", "Geometry"]
    blurred = Augmentation("rotate, blur(p=1), scale").plan((100, 80), (0, 0, "a", 0))
    assert [type(stage).__name__ for stage in blurred.stages] == ["Geometry", "Local", "Geometry"]


@pytest.mark.parametrize("spec", ["rotate(±40), scale(0.5..2), shear", "perspective(p=1)", "hflip"])
def test_masks_keep_their_labels(spec: str) -> None:
    labels = np.array([0, 7, 200, 70_000])
    mask = labels[np.random.default_rng(0).integers(0, 4, (70, 90))]
    for epoch in range(5):
        geometry = Augmentation(spec).plan((90, 70), (0, epoch, "a", 0)).stages
        for stage in geometry:
            assert isinstance(stage, Geometry)
            found = warped_mask(mask, stage, "reflect")
            assert found.dtype == mask.dtype
            assert set(np.unique(found)) <= set(labels)


def test_masks_lie_under_the_picture() -> None:
    """A picture with one colour for each label, enlarged, against its mask."""
    cells = np.random.default_rng(0).integers(0, 4, (12, 15))
    mask = cells.repeat(20, axis=0).repeat(20, axis=1)
    source = (mask[..., None] * np.array([80, 60, 20])).astype(np.uint8)
    for geometry in random_geometry(1, shrinking=False):
        pixels = warped(Part.whole(source), geometry, "reflect")
        labels = warped_mask(mask, geometry, "reflect")
        inner = np.ones(labels.shape, dtype=bool)
        for axis in (0, 1):
            for step in (-1, 1):
                inner &= labels == np.roll(labels, step, axis=axis)
        wrong = np.abs(pixels[..., 0].astype(int) - labels * 80) > 25
        assert (wrong & inner).mean() < 0.01


def test_masks_of_flips_and_turns_are_slices() -> None:
    mask = np.random.default_rng(0).integers(0, 9, (24, 31, 2))
    canvas = Canvas(31, 24)
    turned = warped_mask(mask, quarter_turned(1, canvas), "reflect")
    np.testing.assert_array_equal(turned, np.rot90(mask))
    flipped = warped_mask(mask, mirrored(canvas, left_right=True), 0)
    np.testing.assert_array_equal(flipped, mask[:, ::-1])
    shifted = warped_mask(mask, moved(4, 0, canvas), 0)
    assert not shifted[:, :4].any()
    np.testing.assert_array_equal(shifted[:, 4:], mask[:, :-4])
