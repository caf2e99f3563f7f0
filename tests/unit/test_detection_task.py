"""From pictures with objects to windows and targets, and average precision."""

from __future__ import annotations

import contextlib
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize import tasks
from anysize.augmentation import make
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.objects import Annotation, Detections, ObjectResult
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.windows import Box
from anysize.modalities.pictures.settings import ImageSettings
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.readers.image import Image
from anysize.tasks.detection_matching import OVERLAPS, verdicts
from anysize.tasks.detection_meter import PrecisionMeter
from anysize.tasks.detection_windows import PADDING, padded, views

LABELS = ("cat", "dog")
SETTINGS = ImageSettings(width=96, height=64, overlap=24)
MODULE: Any = SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(LABELS))))


def preprocess(settings: ImageSettings = SETTINGS, spec: str = "none", seed: int = 0) -> Any:
    network = Network(module=MODULE, spec="test", settings=settings)
    return tasks.load("object-detection").preprocess(network, augment=make(spec), seed=seed)


def painted(width: int, height: int, boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    pixels = np.full((height, width, 3), 20, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 250
    return pixels


def record(pixels: np.ndarray, boxes: Any, **marks: bool) -> Record:
    target = tuple(Annotation("dog", tuple(map(float, box)), **marks) for box in boxes)
    return Record(id="r", fields={"image": Image.from_pixels(pixels)}, target=target)


def bounds(pixels: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(pixels[..., 0] > 190)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 300),
    overlap=st.integers(0, 40),
    tile=st.sampled_from([0, 60, 130]),
    mode=st.sampled_from(["auto", "always", "never"]),
)
def test_windows_own_the_picture_once(
    width: int, height: int, overlap: int, tile: int, mode: Any
) -> None:
    chosen = ImageSettings(width=96, height=64, tile=tile, overlap=overlap, tiles=mode)
    image = Image.from_pixels(np.zeros((height, width, 3), np.uint8))
    owned = np.zeros((height, width), np.int64)
    found = list(views(image, chosen))
    for view in found:
        core, part, region = view.core, view.part, view.region
        owned[core.top : core.bottom, core.left : core.right] += 1
        assert (region.left, region.top) == (part.left, part.top)
        assert region.width >= part.width
        assert region.height >= part.height
        # In the shape of the input, up to rounding to whole pixels.
        assert abs(region.width / region.height * 64 / 96 - 1) <= 1.5 / min(
            region.width, region.height
        )
    assert (owned == 1).all()
    assert [view.last for view in found] == [False] * (len(found) - 1) + [True]
    if mode == "never":
        assert len(found) == 1
    if len(found) > 1:
        assert found[0].core.size == 0
        assert found[0].part == Box(0, 0, width, height)


@pytest.mark.parametrize("size", [(96, 64), (300, 90), (70, 200), (50, 40)])
def test_a_place_in_the_input_is_a_part_of_the_region(size: tuple[int, int]) -> None:
    width, height = size
    box = (width // 4, height // 3, width // 2, 2 * height // 3)
    for example in preprocess()(0, record(painted(width, height, [box]), [box])):
        pixels, region = example.arrays["pixels"], example.window.region
        assert pixels.shape == (64, 96, 3)
        if pixels.max() < 200:
            continue
        found = np.array(bounds(pixels)) / [96, 64, 96, 64]
        scale = np.array([region.width, region.height] * 2)
        corner = np.array([region.left, region.top] * 2)
        seen = np.clip(np.array(box), corner, corner + scale)
        np.testing.assert_allclose(found * scale + corner, seen, atol=1.2 * region.width / 96)


def test_beside_a_picture_is_padding() -> None:
    (example,) = preprocess()(0, record(np.zeros((64, 48, 3), np.uint8), []))
    assert (example.arrays["pixels"][:, 48:] == PADDING).all()
    assert (example.arrays["pixels"][:, :48] == 0).all()
    assert example.window.region == Box(0, 0, 96, 64)
    assert example.window.core == Box(0, 0, 48, 64)
    assert padded(Box(5, 7, 10, 107), SETTINGS) == Box(5, 7, 155, 107)


def training(found: Any) -> list[Example]:
    return list(found)


def test_prediction_carries_no_targets() -> None:
    (example,) = preprocess()(0, record(painted(96, 64, []), [(1, 1, 9, 9)]))
    assert set(example.arrays) == {"pixels"}


def test_objects_cut_by_a_tile_are_clipped_or_ignored() -> None:
    # Tiles of 96 x 64 with 24 shared, of a picture of 240 x 64: at 0, 72 and 144.
    boxes = [
        (10, 10, 40, 40),  # in the first tile alone
        (80, 5, 130, 25),  # 16 of 50 columns in the first: not enough to tell
        (60, 40, 100, 60),  # 36 of 40 in the first, 28 of 40 in the second
    ]
    chosen = ImageSettings(width=96, height=64, overlap=24, tiles="always")
    whole, *tiles = preprocess(chosen)(0, record(painted(240, 64, boxes), boxes), 1)
    assert len(whole.arrays["boxes"]) == 3
    first, second, third = (example.arrays for example in tiles)
    assert first["boxes"].tolist() == [[10, 10, 40, 40], [60, 40, 96, 60]]
    assert first["ignored"].tolist() == [[80, 5, 96, 25]]
    assert second["boxes"].tolist() == [[8, 5, 58, 25], [0, 40, 28, 60]]
    assert third["boxes"].tolist() == []
    assert first["classes"].tolist() == [1, 1]


def test_crowds_and_what_is_too_small_are_ignored() -> None:
    rec = record(painted(96, 64, []), [(10, 10, 30, 30)], crowd=True)
    (example,) = preprocess()(0, rec, 1)
    assert len(example.arrays["boxes"]) == 0
    assert example.arrays["ignored"].tolist() == [[10, 10, 30, 30]]
    (example,) = preprocess()(0, record(painted(96, 64, []), [(10, 10, 11, 30)]), 1)
    assert len(example.arrays["boxes"]) == 0
    assert len(example.arrays["ignored"]) == 1


@pytest.mark.parametrize(
    "spec",
    [
        "hflip(p=1)",
        "scale(0.5..0.6)",
        "scale(1.3..1.4), translate(0.1, 0.1)",
        "quarter_turn(1)",
        "shift(0.1)",
    ],
)
@pytest.mark.parametrize("size", [(96, 64), (120, 130), (230, 90)])
def test_boxes_go_where_augmentation_moves_the_pixels(spec: str, size: tuple[int, int]) -> None:
    width, height = size
    box = (int(0.4 * width), int(0.4 * height), int(0.6 * width), int(0.65 * height))
    made = preprocess(ImageSettings(width=96, height=64, overlap=24, tiles="never"), spec, seed=3)
    for epoch in range(3):
        (example,) = made(0, record(painted(width, height, [box]), [box]), epoch)
        pixels = example.arrays["pixels"]
        assert pixels.shape == (64, 96, 3)
        (found,) = example.arrays["boxes"]
        np.testing.assert_allclose(found, bounds(pixels), atol=1.1)


@pytest.mark.parametrize("tiles", ["never", "always"])
def test_boxes_follow_bent_pictures(tiles: Any) -> None:
    box = (20, 12, 76, 52)
    chosen = ImageSettings(width=96, height=64, overlap=24, tiles=tiles)
    made = preprocess(chosen, "elastic(0.1..0.1, smoothness=0.5, p=1)", seed=1)
    moved = 0.0
    for epoch in range(6):
        pixels = painted(96, 65 if tiles == "always" else 64, [box])
        example = next(made(0, record(pixels, [box]), epoch))
        (found,) = example.arrays["boxes"]
        np.testing.assert_allclose(found, bounds(example.arrays["pixels"]), atol=2.2)
        moved = max(moved, float(np.abs(found - box).max()))
    assert moved > 3


def test_augmented_tiles_keep_their_targets() -> None:
    boxes = [(x, y, x + 14, y + 12) for x in range(4, 220, 30) for y in (4, 40)]
    chosen = ImageSettings(width=96, height=64, overlap=24, tiles="always")
    seen = 0
    for example in preprocess(chosen, "hflip(p=1)")(0, record(painted(240, 64, boxes), boxes), 2):
        marked = np.zeros((64, 96), bool)
        for left, top, right, bottom in np.round(
            np.concatenate([example.arrays["boxes"], example.arrays["ignored"]])
        ).astype(int):
            marked[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = True
        # Nothing bright outside of a box: no object is there untold.
        assert not (example.arrays["pixels"][..., 0] > 190)[~marked].any()
        seen += len(example.arrays["boxes"])
    assert seen > len(boxes)


def test_targets_are_checked() -> None:
    task = tasks.load("object-detection")
    made = record(painted(9, 9, []), [(1, 1, 3, 3)])
    assert task.encode_target(made, LABELS) == 1
    with pytest.raises(DataError, match=r"r: holds dog, not among the model's 1 labels \(cat\)"):
        task.encode_target(made, ("cat",))
    with pytest.raises(DataError, match="nothing says which objects"):
        task.encode_target(Record(id="r", fields={}), LABELS)
    with pytest.raises(ConfigurationError, match="reads texts, and a model of pictures"):
        task.preprocess(Network(module=MODULE, spec="m", settings=TextSettings(window=8)))


def found(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> ObjectResult:
    receipt = Receipt(
        extent=1, unit="pixels", windows=1, covered=1.0, dropped=0, merge="objects",
        fidelity="exact",
    )  # fmt: skip
    return ObjectResult(
        id="r", prediction=[], score=0.0, receipt=receipt,
        detections=Detections(
            boxes.astype(np.float32), scores.astype(np.float32), classes.astype(np.int64)
        ),
    )  # fmt: skip


def made_up(seed: int, pictures: int) -> list[tuple[ObjectResult, tuple[Annotation, ...]]]:
    """Objects, and detections around them and elsewhere."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(pictures):
        count = int(rng.integers(0, 12))
        corner = rng.uniform(0, 200, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(8, 120, (count, 2))], 1)
        classes = rng.integers(0, 2, count)
        target = tuple(
            Annotation(LABELS[place], tuple(box), crowd=bool(rng.random() < 0.1))
            for box, place in zip(boxes.tolist(), classes.tolist(), strict=True)
        )
        near = np.concatenate([boxes, boxes, rng.uniform(0, 100, (3, 4)).cumsum(1)])
        near = near + rng.normal(0, 4, near.shape)
        labels = np.concatenate([classes, classes, rng.integers(0, 2, 3)])
        sound = (near[:, 2] > near[:, 0]) & (near[:, 3] > near[:, 1])
        scores = rng.random(len(near)) if seed % 2 else rng.integers(1, 5, len(near)) / 5
        pairs.append((found(near[sound], scores[sound], labels[sound]), target))
    return pairs


def slow_precision(pairs: list[tuple[ObjectResult, tuple[Annotation, ...]]], column: int) -> float:
    """COCO's definition, step by step, at one overlap; the mean over the classes."""
    found = []
    for place, label in enumerate(LABELS):
        rows: list[tuple[float, int]] = []
        objects = 0
        for result, target in pairs:
            wanted = [each for each in target if each.label == label]
            mine = result.detections.take(result.detections.classes == place)
            mine = mine.take(np.argsort(-mine.scores, kind="stable"))
            boxes = np.array([each.box for each in wanted], np.float64).reshape(-1, 4)
            ignored = np.array([each.ignored for each in wanted], bool)
            judged, _ = verdicts(mine.boxes.astype(np.float64), boxes, ignored)
            rows += zip(mine.scores.tolist(), judged[:, column].tolist(), strict=True)
            objects += int((~ignored).sum())
        rows = sorted((row for row in rows if row[1] >= 0), key=lambda row: -row[0])
        points, right = [], 0
        for rank, (_, verdict) in enumerate(rows, start=1):
            right += verdict
            points.append((right / objects, right / rank))
        found.append(
            np.mean(
                [
                    max((best for recall, best in points if recall >= step), default=0.0)
                    for step in np.linspace(0, 1, 101)
                ]
            )
        )
    return float(np.mean(found))


@pytest.mark.parametrize("seed", [1, 3, 5, 7])
def test_average_precision_equals_the_definition(seed: int) -> None:
    pytest.importorskip("faster_coco_eval")
    pairs = made_up(seed, 25)
    meter = PrecisionMeter(LABELS)
    for result, target in pairs:
        meter.add(result, target)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        score, loss = meter.score()
    assert said.getvalue() == ""
    expected = [slow_precision(pairs, column) for column in range(len(OVERLAPS))]
    assert 0.05 < score < 0.95
    assert score == pytest.approx(np.mean(expected), abs=1e-6)
    assert 1 - loss == pytest.approx(expected[0], abs=1e-6)


def test_meters_of_workers_join() -> None:
    pairs = made_up(1, 20)
    alone = PrecisionMeter(LABELS)
    parts = [PrecisionMeter(LABELS) for _ in range(3)]
    for place, (result, target) in enumerate(pairs):
        alone.add(result, target)
        parts[place % 3].add(result, target)
    joined = PrecisionMeter(LABELS)
    joined.join([part.state() for part in parts])
    assert joined.score() == pytest.approx(alone.score(), abs=1e-9)


def test_perfect_and_absent_detections() -> None:
    boxes = np.array([[1, 1, 9, 9], [20, 20, 50, 40.0]])
    target = tuple(Annotation("cat", tuple(box)) for box in boxes.tolist())
    meter = PrecisionMeter(LABELS)
    assert meter.score() == (0.0, 1.0)
    meter.add(found(boxes, np.array([0.9, 0.8]), np.zeros(2)), target)
    assert meter.score() == pytest.approx((1.0, 0.0), abs=1e-9)
    meter = PrecisionMeter(LABELS)
    meter.add(found(boxes[:0], np.zeros(0), np.zeros(0)), target)
    assert meter.score() == (0.0, 1.0)
