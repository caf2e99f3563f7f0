"""Alignment recovers known similarities and puts landmarks where they belong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import DataError
from anysize.readers.alignment import SIDE, TEMPLATE, align, similarity, warp
from anysize.readers.image import Image


def turned(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


@settings(max_examples=100, deadline=None)
@given(st.floats(-3.1, 3.1), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_a_known_similarity_is_recovered(angle: float, scale: float, x: float, y: float) -> None:
    matrix = turned(angle, scale, (x, y))
    moved = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(similarity(TEMPLATE, moved), matrix, atol=1e-8 * max(1, scale) * 600)


def test_with_noise_the_error_is_the_least() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(5, 2)) * 20
    target = source @ turned(0.7, 1.6, (0, 0))[:, :2].T + [3, 4] + rng.normal(size=(5, 2))
    found = similarity(source, target)

    def error(matrix: np.ndarray) -> float:
        return float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())

    for _ in range(200):
        angle, scale = rng.normal(0, 0.02), math.exp(rng.normal(0, 0.02))
        other = turned(angle, scale, (0, 0))[:, :2] @ found
        other[:, 2] += rng.normal(0, 0.1, 2)
        assert error(other) >= error(found) - 1e-9


def test_mirrored_points_give_no_reflection() -> None:
    mirrored = TEMPLATE * [-1, 1]
    matrix = similarity(mirrored, TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_points_on_one_spot_are_refused() -> None:
    with pytest.raises(DataError):
        similarity(np.ones((5, 2)), TEMPLATE)


def test_the_identity_reproduces_the_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align(Image.from_pixels(pixels), TEMPLATE, SIDE, SIDE), pixels)
    whole = np.array([[1.0, 0, 3], [0, 1, 0]])
    np.testing.assert_array_equal(warp(pixels, whole, SIDE, SIDE)[:, 3:], pixels[:, :-3])


def picture(matrix: np.ndarray, width: int, height: int) -> Image:
    """Smooth waves that depend on the place in the standard position alone."""
    y, x = np.mgrid[:height, :width] + 0.5
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    u = inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]
    v = inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]
    waves = [np.sin(u / 9), np.cos(v / 7), np.sin((u + v) / 11)]
    return Image.from_pixels(np.rint(127 + 100 * np.stack(waves, axis=2)).astype(np.uint8))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.7, 9.0])
@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_a_moved_picture_comes_back(scale: float, angle: float) -> None:
    matrix = turned(angle, scale, (60 * scale, 20 * scale))
    image = picture(matrix, round(210 * scale), round(210 * scale))
    landmarks = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    found = align(image, landmarks, SIDE, SIDE).astype(float)
    standard = picture(turned(0, 1, (0, 0)), SIDE, SIDE).resized(SIDE, SIDE)
    expected = standard.astype(float)
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(found - expected)[inner].mean() < 2.5


def test_other_sizes_keep_the_face_in_the_middle() -> None:
    matrix = turned(0, 2.0, (0, 0))
    image = picture(matrix, 224, 224)
    landmarks = 2 * TEMPLATE
    wide = align(image, landmarks, 112, 56)
    assert wide.shape == (56, 112, 3)
    small = align(image, landmarks, 56, 56)
    np.testing.assert_allclose(
        wide[:, 28:84].astype(float)[4:-4, 4:-4], small.astype(float)[4:-4, 4:-4], atol=3
    )


def test_a_face_outside_the_picture_is_refused() -> None:
    image = Image.from_pixels(np.zeros((50, 50, 3), np.uint8))
    with pytest.raises(DataError, match="outside"):
        align(image, TEMPLATE + 500, SIDE, SIDE)
