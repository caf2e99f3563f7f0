"""The small detector: overlaps, assignment, loss, shapes, and going through disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.objects import Annotation
from anysize.core.records import Record
from anysize.core.windows import Box, Window
from anysize.modalities.pictures.facts import object_side
from anysize.modalities.pictures.settings import ImageFacts
from anysize.models.detection_targets import detection_targets
from anysize.models.detector import DetectorConfig, DetectorForObjectDetection, build
from anysize.models.detector_input import input_settings
from anysize.models.detector_layers import points
from anysize.models.detector_loss import Objects, assign, detection_loss, overlaps
from anysize.models.network import BuildRequest
from anysize.readers.image import Image

TINY = {"hidden_sizes": (8, 8, 16, 16), "depths": (1, 1, 1, 1), "neck_size": 16, "head_depth": 1}


def tiny(classes: int = 2, size: tuple[int, int] = (64, 96)) -> DetectorForObjectDetection:
    torch.manual_seed(0)
    return DetectorForObjectDetection(DetectorConfig(num_labels=classes, image_size=size, **TINY))


def objects(boxes: list[list[float]], classes: list[int], ignored: list[list[float]]) -> Objects:
    return Objects(
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        classes=torch.tensor(classes, dtype=torch.int64),
        ignored=torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4),
    )


def test_overlaps_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 2, 2], [0, 0, 1, 1]])
    others = torch.tensor([[0.0, 0, 4, 4], [1, 1, 3, 3], [3, 3, 4, 4]])
    overlap, generous = overlaps(boxes, others)
    torch.testing.assert_close(overlap, torch.tensor([1.0, 1 / 7, 0.0]))
    # Where nothing is shared, the gap counts: 16 around, 2 of it filled.
    torch.testing.assert_close(generous, torch.tensor([1.0, 1 / 7 - 2 / 9, -14 / 16]))


def test_every_object_has_points_near_its_middle() -> None:
    centres, strides = points(64, 96, (8, 16, 32), torch.device("cpu"))
    assert len(centres) == 8 * 12 + 4 * 6 + 2 * 3
    held = objects([[0, 0, 96, 64], [10, 10, 13, 12], [40, 20, 70, 50]], [0, 1, 1], [])
    boxes = torch.cat([centres - strides[:, None], centres + strides[:, None]], 1)
    found = assign(torch.full((len(centres), 2), 0.1), boxes, centres, strides, held)
    assert set(found.objects.tolist()) == {0, 1, 2}
    assert len(set(found.points.tolist())) == len(found.points)
    for point, owner in zip(found.points.tolist(), found.objects.tolist(), strict=True):
        left, top, right, bottom = held.boxes[owner].tolist()
        reach = 0.51 * float(strides[point])
        x, y = centres[point].tolist()
        middle = (left + right) / 2, (top + bottom) / 2
        assert abs(x - middle[0]) < max((right - left) / 2, reach)
        assert abs(y - middle[1]) < max((bottom - top) / 2, reach)
    assert (found.quality >= 0).all()
    assert (found.quality <= 1).all()


def test_a_point_in_two_objects_answers_for_the_one_it_overlaps_most() -> None:
    centres, strides = points(64, 64, (8,), torch.device("cpu"))
    held = objects([[0, 0, 64, 64], [16, 16, 32, 32]], [0, 1], [])
    boxes = torch.tensor([16.0, 16, 32, 32]).repeat(len(centres), 1)
    found = assign(torch.full((len(centres), 2), 0.5), boxes, centres, strides, held)
    inside = ((centres > 16) & (centres < 32)).all(1)
    for point, owner in zip(found.points.tolist(), found.objects.tolist(), strict=True):
        assert owner == (1 if inside[point] else 0)


def test_nothing_to_find() -> None:
    centres, strides = points(32, 32, (8,), torch.device("cpu"))
    found = assign(torch.rand(16, 2), torch.rand(16, 4), centres, strides, objects([], [], []))
    assert len(found.points) == 0


def test_where_it_is_ignored_nothing_is_learned() -> None:
    centres, strides = points(64, 64, (8,), torch.device("cpu"))
    boxes = torch.cat([centres - 8, centres + 8], 1)[None]
    logits = torch.zeros(1, len(centres), 2, requires_grad=True)
    held = objects([[4, 4, 20, 20]], [0], [[32, 0, 64, 64]])
    detection_loss(logits, boxes, centres, strides, [held]).backward()
    assert logits.grad is not None
    right = centres[:, 0] >= 32
    assert (logits.grad[0, right] == 0).all()
    assert (logits.grad[0, ~right] != 0).any()


def test_the_loss_is_a_sum_over_pictures() -> None:
    centres, strides = points(64, 64, (8, 16), torch.device("cpu"))
    torch.manual_seed(1)
    logits = torch.randn(3, len(centres), 2)
    boxes = torch.cat([centres - 9, centres + 11], 1).repeat(3, 1, 1)
    held = [
        objects([[4, 4, 20, 20]], [0], []),
        objects([], [], []),
        objects([[9, 8, 44, 50], [30, 30, 38, 39]], [1, 0], [[0, 0, 9, 9]]),
    ]
    together = detection_loss(logits, boxes, centres, strides, held)
    apart = [
        detection_loss(logits[i : i + 1], boxes[i : i + 1], centres, strides, held[i : i + 1])
        for i in range(3)
    ]
    torch.testing.assert_close(together, torch.stack(apart).sum())


def labelled(boxes: Tensor, classes: list[int]) -> dict[str, Tensor]:
    return {"class_labels": torch.tensor(classes), "boxes": boxes}


def test_it_learns_two_pictures() -> None:
    model = tiny()
    pixels = torch.zeros(2, 3, 64, 96)
    pixels[0, :, 8:40, 16:64] = 1.0
    pixels[1, 0, 30:56, 50:80] = 2.0
    wanted = [
        labelled(torch.tensor([[40 / 96, 24 / 64, 48 / 96, 32 / 64]]), [0]),
        labelled(torch.tensor([[65 / 96, 43 / 64, 30 / 96, 26 / 64]]), [1]),
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    model.train()
    for _ in range(40):
        loss = model(pixel_values=pixels, labels=wanted).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    model.eval()
    # Batch statistics of two pictures are far from settled: those of the batch are used.
    model.train()
    with torch.no_grad():
        found = model(pixel_values=pixels)
    for row in range(2):
        best = found.logits[row].max(1).values.argmax()
        assert int(found.logits[row, best].argmax()) == row
        torch.testing.assert_close(
            found.pred_boxes[row, best], wanted[row]["boxes"][0], atol=0.12, rtol=0
        )


@pytest.mark.parametrize("size", [(64, 96), (33, 70), (8, 8)])
def test_shapes_for_any_size(size: tuple[int, int]) -> None:
    model = tiny().eval()
    with torch.no_grad():
        output = model(pixel_values=torch.randn(2, 3, *size))
    count = sum(-(-size[0] // s) * -(-size[1] // s) for s in (8, 16, 32))
    assert output.logits.shape == (2, count, 2)
    assert output.pred_boxes.shape == (2, count, 4)
    assert output.loss is None
    # A fresh net is sure of nothing.
    assert float(output.logits.sigmoid().max()) < 0.2


def test_channels_are_checked() -> None:
    with pytest.raises(DataError, match="must have 3 channels"):
        tiny()(pixel_values=torch.zeros(1, 1, 32, 32))


def test_all_faults_of_a_configuration_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        DetectorConfig(hidden_sizes=(8, 8), depths=(1, 1, 1, 0), neck_size=0)
    for name in ("hidden_sizes", "depths", "neck_size"):
        assert name in str(caught.value)


def test_transformers_loads_the_folder(tmp_path: Path) -> None:
    from transformers import AutoModelForObjectDetection

    model = tiny().eval()
    model.save_pretrained(tmp_path)
    again = AutoModelForObjectDetection.from_pretrained(tmp_path).eval()
    pixels = torch.randn(1, 3, 40, 56)
    with torch.no_grad():
        before, after = model(pixel_values=pixels), again(pixel_values=pixels)
    torch.testing.assert_close(before.logits, after.logits, rtol=0, atol=0)
    torch.testing.assert_close(before.pred_boxes, after.pred_boxes, rtol=0, atol=0)


def test_building() -> None:
    request = BuildRequest(
        task="object-detection", labels=("a", "b"), facts=ImageFacts(size=(640, 480)),
        options={"neck_size": "16", "hidden_sizes": "8x8x8x8"},
    )  # fmt: skip
    network = build("detector-small", request)
    assert (network.settings.width, network.settings.height) == (416, 320)
    assert (network.settings.tile, network.settings.overlap) == (640, 160)
    assert network.module.config.id2label == {0: "a", 1: "b"}
    assert network.module.config.neck_size == 16
    for task, options, problem in (
        ("image-classification", {}, "is for object-detection"),
        ("object-detection", {"width": "3"}, "has no option 'width'"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            build("detector-small", BuildRequest(task=task, labels=("a",), options=options))


def test_targets_are_parts_of_the_window() -> None:
    box = Box(0, 0, 40, 20)
    example = Example(
        ordinal=0,
        window=Window(record="r", index=0, region=box, core=box, last=True),
        arrays={
            "pixels": np.zeros((20, 40, 3), np.uint8),
            "boxes": np.array([[10, 5, 30, 15]], np.float32),
            "classes": np.array([1]),
            "ignored": np.zeros((0, 4), np.float32),
        },
        cost=800,
    )
    (entry,) = detection_targets([example], torch.device("cpu"))["labels"]
    torch.testing.assert_close(entry["boxes"], torch.tensor([[0.5, 0.5, 0.5, 0.5]]))
    assert entry["class_labels"].tolist() == [1]
    assert entry["ignored"].shape == (0, 4)


def test_the_input_is_smaller_where_all_objects_are_large() -> None:
    usual = input_settings((640, 480), 0.07)
    assert (usual.width, usual.height, usual.tile) == (416, 320, 640)
    assert input_settings((640, 480), None) == usual
    small = input_settings((640, 480), 0.3)
    assert (small.width, small.height) == (224, 160)
    # What is much larger than the typical picture alone is cut: nothing is gained by a closer look.
    assert small.tile == 640
    assert input_settings((2000, 1500), 0.3).tile == 2000
    assert input_settings((2000, 1500), 0.07).tile == 832
    between = input_settings((640, 480), 0.2)
    assert small.width < between.width < usual.width
    assert input_settings((640, 480), 0.3, (96, 64)).width == 96


@pytest.mark.parametrize(("side", "expected"), [(10, 0.1), (50, 0.5)])
def test_the_side_of_the_smaller_objects(side: int, expected: float) -> None:
    image = Image.from_pixels(np.zeros((100, 100, 3), np.uint8))
    small = Annotation("a", (0.0, 0.0, float(side), float(side)))
    large = Annotation("a", (0.0, 0.0, 100.0, 100.0))
    crowd = Annotation("a", (0.0, 0.0, 1.0, 1.0), crowd=True)
    target = (small, large, crowd)
    records: Any = [
        Record(id=str(place), fields={"image": image}, target=target) for place in range(4)
    ]
    assert object_side(records, "image") == pytest.approx(expected)
    # A class that is rare counts like the others.
    rare = Record(id="r", fields={"image": image}, target=(Annotation("b", (0.0, 0.0, 4.0, 9.0)),))
    assert object_side(cast(Any, [*records, rare]), "image") == pytest.approx(0.06)
    assert object_side(cast(Any, [Record(id="x", fields={"image": image})]), "image") is None


def test_first_filters_come_from_the_pictures() -> None:
    module = tiny()
    before = module.backbone.stem[0].convolution.weight.clone()
    pictures = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert module.starts_from_data
    module.start_from([pictures.cumsum(3)])
    after = module.backbone.stem[0].convolution.weight
    half = len(after) // 2
    assert not torch.equal(before, after)
    torch.testing.assert_close(after[:half], -after[half:])
