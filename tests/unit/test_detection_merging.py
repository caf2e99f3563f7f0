"""Objects of tiles against those of the whole picture, with detectors that make no mistakes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from anysize.core.objects import Detections, ObjectResult
from anysize.core.windows import Box, Window
from anysize.mergers.objects import ObjectMerger, ObjectRules, decode
from anysize.windows.boxes import tiles

cv2 = pytest.importorskip("cv2")

LABELS = ("ellipse", "rectangle")
EXACT = ObjectRules(edge=0.0, overlap=0.9)


def mosaic(
    seed: int, width: int, height: int, largest: int, count: int, gap: int = 1
) -> np.ndarray:
    """Separate objects on black: the value of a pixel is its class plus one."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.uint8)
    taken = np.zeros((height, width), np.uint8)
    for _ in range(count):
        w, h = rng.integers(2, largest + 1, 2).tolist()
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        if taken[max(y - gap, 0) : y + h + gap, max(x - gap, 0) : x + w + gap].any():
            continue
        taken[y : y + h, x : x + w] = 1
        kind = int(rng.integers(1, 3))
        if kind == 2:
            picture[y : y + h, x : x + w] = kind
        else:
            down, across = np.mgrid[:h, :w]
            round_ = ((down - (h - 1) / 2) / (h / 2)) ** 2 + ((across - (w - 1) / 2) / (w / 2)) ** 2
            picture[y : y + h, x : x + w][round_ <= 1] = kind
    return picture


def detect(pixels: np.ndarray, region: Box) -> dict[str, np.ndarray]:
    """The connected components of each class, as a detector gives them."""
    boxes, scores = [np.zeros((0, 4))], [np.zeros((0, 2))]
    sides = np.array([region.width, region.height] * 2)
    for place in range(2):
        found = cv2.connectedComponentsWithStats((pixels == place + 1).astype(np.uint8))[2][1:]
        x, y, w, h, area = found.T
        boxes.append(np.stack([x, y, x + w, y + h], 1) / sides)
        score = np.zeros((len(found), 2))
        score[:, place] = 0.3 + 0.6 * area / (area + 100)
        scores.append(score)
    return {"boxes": np.concatenate(boxes), "class_scores": np.concatenate(scores)}


def windows(picture: np.ndarray, tile: int, overlap: int, whole: int) -> Iterator[tuple]:
    """Tiles, and before them the picture at a ``whole``-th of its size (0: no such window)."""
    height, width = picture.shape
    everything = Box(0, 0, width, height)
    if whole:
        window = Window(record="r", index=0, region=everything, core=Box(0, 0, 0, 0), last=False)
        small = picture[whole // 2 :: whole, whole // 2 :: whole]
        yield window, detect(small, Box(0, 0, width // whole, height // whole))
    laid = list(tiles(width, height, tile, tile, overlap))
    for index, (region, core) in enumerate(laid):
        window = Window(
            record="r",
            index=index + bool(whole),
            region=region,
            core=core,
            last=index == len(laid) - 1,
        )
        pixels = picture[region.top : region.bottom, region.left : region.right]
        yield window, detect(pixels, region)


def merged(picture: np.ndarray, tile: int, overlap: int, whole: int = 0) -> ObjectResult:
    merger = ObjectMerger("r", LABELS, EXACT)
    for window, output in windows(picture, tile, overlap, whole):
        merger.add(window, output)
    return merger.finish()


def rows(found: Detections) -> np.ndarray:
    table = np.concatenate([found.boxes, found.scores[:, None], found.classes[:, None]], 1)
    table = np.round(table.astype(np.float64), 2)
    return table[np.lexsort(table.T)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("tile", "overlap", "whole"), [(97, 24, 0), (64, 25, 0), (128, 40, 4)])
def test_objects_smaller_than_the_overlap_come_out_as_without_tiles(
    seed: int, tile: int, overlap: int, whole: int
) -> None:
    # Seen from afar, what is nearer than two of its pixels is one thing.
    picture = mosaic(seed, 450, 390, overlap - 1, 300, gap=2 * whole + 1)
    expected = merged(picture, 500, 0)
    found = merged(picture, tile, overlap, whole)
    assert len(expected.detections) > 60
    np.testing.assert_allclose(rows(found.detections), rows(expected.detections), atol=0.011)
    assert found.receipt.covered == 1.0
    assert found.receipt.extent == 450 * 390
    assert expected.receipt.fidelity == "exact" and found.receipt.fidelity == "local"


@pytest.mark.parametrize("seed", range(4))
def test_larger_objects_are_joined_across_borders(seed: int) -> None:
    picture = np.zeros((400, 520), np.uint8)
    rng = np.random.default_rng(seed)
    boxes = []
    for row in range(3):
        left, width = int(rng.integers(3, 60)), int(rng.integers(150, 430))
        top, height = 10 + 130 * row, int(rng.integers(60, 110))
        picture[top : top + height, left : left + width] = 2
        boxes.append([left, top, left + width, top + height])
    found = merged(picture, 100, 20).detections
    assert sorted(np.round(found.boxes).tolist()) == sorted(boxes)


def test_the_whole_picture_brings_what_is_larger_than_the_overlap() -> None:
    picture = mosaic(1, 480, 480, 19, 250)
    picture[60:420, 100:400] = 0
    # A grid of stripes is one thing to whoever sees it from afar, and many things to a tile.
    picture[100:400:4, 120:380] = 1
    merger = ObjectMerger("r", LABELS, EXACT)
    afar = np.array([[120 / 480, 100 / 480, 380 / 480, 400 / 480]])
    window = Window(
        record="r", index=0, region=Box(0, 0, 480, 480), core=Box(0, 0, 0, 0), last=False
    )
    merger.add(window, {"boxes": afar, "class_scores": np.array([[0.9, 0.0]])})
    for tile, output in windows(picture, 120, 24, 0):
        merger.add(tile, output)
    found = merger.finish().detections
    large = found.take((found.boxes[:, 2:] - found.boxes[:, :2]).max(1) > 24)
    assert large.boxes.round().tolist() == [[120, 100, 380, 400]]


def test_the_order_of_windows_does_not_matter() -> None:
    picture = mosaic(2, 300, 300, 60, 90)
    steps = list(windows(picture, 80, 20, 3))
    expected = merged(picture, 80, 20, 3)
    for seed in range(3):
        merger = ObjectMerger("r", LABELS, EXACT)
        for place in np.random.default_rng(seed).permutation(len(steps)):
            merger.add(*steps[place])
        found = merger.finish()
        assert found.prediction == expected.prediction
        assert found.receipt == expected.receipt


def test_a_padded_window_ends_where_the_picture_does() -> None:
    """A region may be larger than the picture: its border is no border to be cut at."""
    merger = ObjectMerger("r", LABELS, EXACT)
    window = Window(
        record="r", index=0, region=Box(0, 0, 200, 100), core=Box(0, 0, 120, 100), last=True
    )
    boxes = np.array([[0.5, 0.1, 0.7, 0.5], [0.1, 0.2, 0.3, 1.0]])
    merger.add(window, {"boxes": boxes, "class_scores": np.array([[0.9, 0.0], [0.0, 0.8]])})
    result = merger.finish()
    assert [(each["label"], each["box"]) for each in result.prediction] == [
        ("ellipse", [100.0, 10.0, 120.0, 50.0]),
        ("rectangle", [20.0, 20.0, 60.0, 100.0]),
    ]
    assert result.receipt.fidelity == "exact"
    assert result.receipt.shape == (120, 100)


def test_weak_objects_are_for_whoever_measures() -> None:
    merger = ObjectMerger("r", LABELS, ObjectRules(threshold=0.5, floor=0.1))
    region = Box(0, 0, 10, 10)
    window = Window(record="r", index=0, region=region, core=region, last=True)
    boxes = np.array([[0, 0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9], [0.1, 0.6, 0.3, 0.9]])
    merger.add(window, {"boxes": boxes, "class_scores": np.array([[0.9, 0], [0.3, 0], [0, 0.05]])})
    result = merger.finish()
    assert len(result.prediction) == 1
    assert result.detections.scores.tolist() == pytest.approx([0.9, 0.3])
    assert result.score == pytest.approx(0.9)
    assert set(result.to_json()) == {"id", "prediction", "score", "receipt"}


def test_nothing_found() -> None:
    result = merged(np.zeros((90, 90), np.uint8), 40, 8)
    assert result.prediction == []
    assert result.score == 0.0


def test_decoding_of_transformers_outputs() -> None:
    logits = np.array([[2.0, -30.0], [-30.0, 0.0]], np.float32)
    parts = np.array([[0.5, 0.5, 0.2, 0.4], [0.25, 0.75, 0.1, 0.1]], np.float32)
    region = Box(100, 200, 300, 300)
    found = decode({"logits": logits, "pred_boxes": parts}, 2, region, 0.01)
    np.testing.assert_allclose(found.boxes, [[180, 230, 220, 270], [140, 270, 160, 280]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-2)), 0.5], rtol=1e-6)
    # One logit more than labels: the softmax, the last being "no object".
    logits = np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 50.0]], np.float32)
    found = decode({"logits": logits, "pred_boxes": parts}, 2, region, 0.01)
    shares = np.exp([2.0, 0.0, 1.0]) / np.exp([2.0, 0.0, 1.0]).sum()
    np.testing.assert_allclose(found.scores, shares[:2], rtol=1e-6)
    assert found.classes.tolist() == [0, 1]
