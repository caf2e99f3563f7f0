"""Colours and tables: fused against step by step in float64, and against Pillow's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from anysize.augmentation.colour import (
    brighter,
    contrasted,
    hue_turned,
    inverted,
    saturated,
)
from anysize.augmentation.execute import coloured, execute
from anysize.augmentation.image import Augmentation
from anysize.augmentation.operations import LUMA, Linear, Table
from anysize.augmentation.plan import Plan, Tables, fused
from anysize.augmentation.tables import (
    equalized,
    gamma_curve,
    posterized,
    solarized,
    stretched,
)
from anysize.readers.parts import Part

pytest.importorskip("cv2")
pillow = pytest.importorskip("PIL.Image")


def photograph() -> NDArray[np.uint8]:
    from sklearn.datasets import load_sample_image

    pixels: NDArray[np.uint8] = load_sample_image("china.jpg")
    return np.ascontiguousarray(pixels[50:200, 100:330])


def by_definition(name: str, levels: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """Each step as its documentation says, in float64."""
    grey = (levels @ LUMA)[..., None]
    if name == "brightness":
        return levels * value
    if name == "contrast":
        return grey.mean() + (levels - grey.mean()) * value
    if name == "saturation":
        return grey + (levels - grey) * value
    if name == "invert":
        return 255 - levels
    raise AssertionError(name)


MAKERS = {
    "brightness": brighter,
    "contrast": contrasted,
    "saturation": saturated,
    "invert": lambda _: inverted(),
}


@pytest.mark.parametrize("seed", range(12))
def test_fused_colours_are_within_one_level_of_step_by_step(seed: int) -> None:
    draws = np.random.default_rng(seed)
    # Levels in the middle, so that no step clips: what is between two fused steps is not clipped.
    source = (96 + photograph() // 4).astype(np.uint8)
    names = draws.choice(list(MAKERS), 5)
    values = draws.uniform(0.7, 1.25, 5)
    levels = source.astype(np.float64)
    for name, value in zip(names, values, strict=True):
        levels = by_definition(name, levels, value)
    operations = [MAKERS[name](value) for name, value in zip(names, values, strict=True)]
    (stage,) = fused(operations, "reflect")
    assert isinstance(stage, Linear)
    found = coloured(source, stage)
    assert np.abs(found - np.clip(levels, 0, 255)).max() <= 1.0


def test_hue_keeps_grey_and_luma_and_comes_round() -> None:
    source = photograph().astype(np.float64)
    turned = source @ hue_turned(0.2).mix.T
    np.testing.assert_allclose(turned @ LUMA, source @ LUMA, atol=0.2)
    grey = np.full((1, 3), 130.0)
    np.testing.assert_allclose(grey @ hue_turned(0.3).mix.T, grey, atol=0.2)
    thrice = np.linalg.matrix_power(hue_turned(1 / 3).mix, 3)
    np.testing.assert_allclose(thrice, np.eye(3), atol=1e-9)


def test_grey_has_three_equal_channels() -> None:
    found = Augmentation("grey(1)")(photograph(), (0, 0, "a", 0))
    assert (np.ptp(found.astype(int), axis=2) == 0).all()
    reference = np.asarray(pillow.fromarray(photograph()).convert("L")).astype(int)
    assert np.abs(found[..., 0] - reference).max() <= 1


def test_enhancements_agree_with_pillow() -> None:
    from PIL import ImageEnhance

    source = photograph()
    picture = pillow.fromarray(source)
    for factor in (0.3, 0.8, 1.4):
        for operation, enhancer in (
            (brighter(factor), ImageEnhance.Brightness),
            (contrasted(factor), ImageEnhance.Contrast),
            (saturated(factor), ImageEnhance.Color),
        ):
            expected = np.asarray(enhancer(picture).enhance(factor)).astype(int)
            # Pillow rounds the mean and the grey to whole levels before it uses them.
            assert np.abs(coloured(source, operation) - expected).max() <= 2


def run(operations: list[Table], source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    stages = fused(operations, "reflect")
    assert len(stages) == 1
    plan = Plan(extent=(source.shape[1], source.shape[0]), stages=stages)
    found: NDArray[np.uint8] = execute(Part.whole(source), plan)
    return found


def test_tables_are_pillows() -> None:
    from PIL import ImageOps

    source = photograph()
    picture = pillow.fromarray(source)
    for operation, expected in (
        (posterized(3), ImageOps.posterize(picture, 3)),
        (solarized(100), ImageOps.solarize(picture, 100)),
        (equalized(), ImageOps.equalize(picture)),
    ):
        np.testing.assert_array_equal(run([operation], source), np.asarray(expected))
    stretch = run([stretched()], source).astype(int)
    assert np.abs(stretch - np.asarray(ImageOps.autocontrast(picture))).max() <= 1


@pytest.mark.parametrize("seed", range(8))
def test_fused_tables_equal_tables_one_by_one(seed: int) -> None:
    draws = np.random.default_rng(seed)
    known = [
        gamma_curve(1.3), posterized(4), solarized(150), equalized(), stretched(),
        Table(draws.permutation(256).astype(np.uint8)),
        Table(np.sort(draws.integers(0, 256, (3, 256))).astype(np.uint8)),
    ]  # fmt: skip
    chain = [known[index] for index in draws.integers(0, len(known), 5)]
    source = photograph()
    expected = source
    for operation in chain:
        expected = run([operation], expected)
    np.testing.assert_array_equal(run(chain, source), expected)


def test_tables_in_a_row_are_one_stage_and_order_is_kept() -> None:
    plan = Augmentation(
        "gamma, posterize(p=1), brightness, contrast, levels, blur(p=1), gamma"
    ).plan((60, 50), (0, 0, "a", 0))
    kinds = [type(stage).__name__ for stage in plan.stages]
    assert kinds == ["Tables", "Linear", "Tables", "Local", "Tables"]
    assert isinstance(plan.stages[0], Tables)
    assert len(plan.stages[0].parts) == 2


def test_a_constant_picture_survives_what_measures() -> None:
    source = np.full((20, 30, 3), 77, dtype=np.uint8)
    found = Augmentation("equalize(1), autocontrast(1), contrast")(source, (0, 0, "a", 0))
    np.testing.assert_array_equal(found, source)
