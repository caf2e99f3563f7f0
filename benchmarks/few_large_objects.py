"""Few pictures with large objects: ``detector-small`` from scratch on 150, of one class.

    python -m benchmarks.few_large_objects [--minutes 10 | --steps N] [--seed 0]

Flowers of five kinds are cut out of their photographs (``flowers5``, by GrabCut) and laid on other
photographs (``imagenet_sample``), so that the box of each fills a tenth to four fifths of the
picture. No flower and no photograph of the training pictures is in a test picture. Trains through
the command line, as a user would.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import common
from benchmarks.bccd import anysize

BAR = 0.45
PICTURES = {"train": 150, "test": 80}
_KINDS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")

Pixels = NDArray[np.uint8]


def main() -> None:
    """Prints the measures on the test pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments, rest = parser.parse_known_args()
    print(common.machine())
    folder = common.scratch("few_large_objects")
    data, out = made(folder / "data"), folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    limit = (
        ("--minutes", arguments.minutes)
        if arguments.steps is None
        else ("--steps", arguments.steps)
    )
    anysize("train", "object-detection", data, "--model", "detector-small", "--out", out,
            *limit, "--seed", arguments.seed, *rest)  # fmt: skip
    minutes = (time.perf_counter() - started) / 60
    report = anysize("evaluate", out, data, "--split", "test", "--json", "--out", out / "test")
    figures = json.loads(report)
    log = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    steps = max((entry.get("step", 0) for entry in log), default=0)
    print(f"{minutes:.1f} minutes, {steps} steps")
    for name in ("ap", "ap50", "ap75"):
        print(f"{name} {figures[name]:.4f}")
    print(f"ap50 {figures['ap50']:.4f}: {figures['ap50'] / BAR:.2f} times the bar of {BAR}")


def made(folder: Path) -> Path:
    """The folder with the pictures and their annotations, made once; the same every time."""
    if (folder / "done").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    photographs = sorted((common.data("imagenet_sample") / "images").glob("*.*"))
    for place, (split, count) in enumerate(PICTURES.items()):
        rng = np.random.default_rng(place)
        # Even and odd ones, so that no photograph is in both splits.
        behind = rng.permutation(np.array(photographs[place::2], dtype=object))
        flowers = _flowers({"train": "train", "test": "val"}[split], rng)
        images, annotations = [], []
        (folder / split).mkdir(parents=True)
        for number in range(count):
            pixels, boxes = _picture(_read(behind[number]), flowers, rng)
            height, width = pixels.shape[:2]
            name = f"{number:03d}.jpg"
            cv2.imwrite(str(folder / split / name), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
            images.append({"id": number, "file_name": name, "width": width, "height": height})
            for box in boxes:
                entry = {"id": len(annotations), "image_id": number, "category_id": 1, "bbox": box}
                annotations.append(entry)
        document = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "flower"}],
        }
        (folder / split / f"instances_{split}.json").write_text(json.dumps(document))
        share = np.mean([
            entry["bbox"][2] * entry["bbox"][3]
            / (images[entry["image_id"]]["width"] * images[entry["image_id"]]["height"])
            for entry in annotations
        ])  # fmt: skip
        print(f"{split}: {count} pictures, {len(annotations)} flowers, {share:.2f} of the picture "
              "on average", file=sys.stderr)  # fmt: skip
    (folder / "done").touch()
    return folder


def _picture(
    behind: Pixels, flowers: Iterator[tuple[Pixels, NDArray[np.float32]]], rng: np.random.Generator
) -> tuple[Pixels, list[list[int]]]:
    """A photograph with one or two flowers on it, and their boxes as COCO has them."""
    width, height = [(400, 300), (300, 400), (360, 360), (440, 280)][int(rng.integers(4))]
    scale = max(width / behind.shape[1], height / behind.shape[0]) * rng.uniform(1, 1.3)
    pixels: Any = cv2.resize(behind, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    top, left = (int(rng.integers(max(have - want, 0) + 1))
                 for have, want in zip(pixels.shape, (height, width), strict=False))  # fmt: skip
    pixels = pixels[top : top + height, left : left + width].astype(np.float32)
    height, width = pixels.shape[:2]
    boxes: list[list[int]] = []
    for _ in range(1 + int(rng.random() < 0.25)):
        flower, mask = next(flowers)
        share = math.exp(rng.uniform(math.log(0.1), math.log(0.4 if boxes else 0.8)))
        scale = math.sqrt(share * width * height / (flower.shape[0] * flower.shape[1]))
        scale = min(scale, 0.97 * width / flower.shape[1], 0.97 * height / flower.shape[0])
        size = (max(int(flower.shape[1] * scale), 8), max(int(flower.shape[0] * scale), 8))
        x, y = (int(rng.integers(max(have - want, 0) + 1))
                for have, want in zip((width, height), size, strict=True))  # fmt: skip
        if any(_shared(box, [x, y, *size]) > 0.2 for box in boxes):
            continue
        soft: Any = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)[..., None]
        laid: Any = cv2.resize(flower, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        part = pixels[y : y + size[1], x : x + size[0]]
        part += soft * (laid * rng.uniform(0.7, 1.15) - part)
        boxes.append([x, y, *size])
    return np.clip(pixels, 0, 255).astype(np.uint8), boxes


def _flowers(split: str, rng: np.random.Generator) -> Iterator[tuple[Pixels, NDArray[np.float32]]]:
    """Flowers cut out of photographs that show one large enough, each once, without end."""
    folders = [common.data("flowers5") / split / kind for kind in _KINDS]
    paths = [path for folder in folders for path in sorted(folder.glob("*.jpg"))]
    while True:
        for index in rng.permutation(len(paths)):
            cut = _cut_out(_read(paths[index]))
            if cut is not None:
                yield cut


def _cut_out(pixels: Pixels) -> tuple[Pixels, NDArray[np.float32]] | None:
    """The flower in the middle and how much each of its pixels shows; None where none is clear."""
    height, width = pixels.shape[:2]
    marks = np.zeros((height, width), np.uint8)
    inner = (width // 16, height // 16, width - width // 8, height - height // 8)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(pixels, marks, inner, *models, 3, cv2.GC_INIT_WITH_RECT)
    front = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, facts, _ = cv2.connectedComponentsWithStats(front)
    if count < 2:
        return None
    largest = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    left, top, across, down, area = facts[largest].tolist()
    if not 0.1 < area / (width * height) < 0.7 or area < 0.45 * across * down:
        return None
    mask = (parts == largest).astype(np.float32)
    mask = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3))), (5, 5), 0)
    part = np.s_[top : top + down, left : left + across]
    return np.ascontiguousarray(pixels[part]), np.ascontiguousarray(mask[part])


def _shared(box: list[int], other: list[int]) -> float:
    """The part of the smaller of two boxes that lies in the other."""
    sides = [
        min(box[axis] + box[axis + 2], other[axis] + other[axis + 2]) - max(box[axis], other[axis])
        for axis in (0, 1)
    ]
    smaller = min(box[2] * box[3], other[2] * other[3])
    return max(sides[0], 0) * max(sides[1], 0) / smaller


def _read(path: Path) -> Pixels:
    pixels: Any = cv2.imread(str(path))
    return pixels


if __name__ == "__main__":
    main()
