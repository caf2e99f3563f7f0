"""Whether a change of the code leaves what is learned as it was: one short run of each task.

Every run is trained by the command line on data that this script makes, with everything that a
plan could choose fixed, and the digests of its weights and losses are printed::

    python -m benchmarks.same_weights
    python -m benchmarks.same_weights --before ../anysize-before

``--before`` names another checkout; the same runs are made there, and what differs is listed. The
exit code is then 1 if anything does.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_WORDS = ("good", "bad", "fine", "poor", "film", "plot", "actor", "scene", "long", "short")
_FIXED = ("--seed", "7", "--precision", "float32", "--steps", "4", "--batch", "8")


def runs(data: Path) -> dict[str, Sequence[str]]:
    """The arguments of ``anysize train``, by the name of the run."""
    return {
        "text": ("text-classification", _texts(data), "--model", "transformer"),
        "text, long": (
            "text-classification", _texts(data), "--model", "lstm", "--window", "16",
            "--merge", "attention",
        ),
        "pictures": ("image-classification", _pictures(data), "--model", "cnn"),
        "pictures, augmented": ("image-classification", _pictures(data), "--model", "resnet18"),
        "rows": ("tabular-classification", _rows(data), "--model", "dense"),
        "series": ("time-series-classification", _series(data), "--model", "conv1d"),
        "detection": ("object-detection", _objects(data), "--model", "detector-small"),
        "faces": (
            "face-recognition", _pictures(data), "--model", "face-resnet18",
            "--model-options", "finder=none",
        ),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    arguments = parser.parse_args()
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        after = digests(here, Path(folder), "after")
        print(json.dumps(after, indent=2))
        if arguments.before is None:
            return
        before = digests(arguments.before, Path(folder), "before")
    different = [name for name in after if after[name] != before[name]]
    print(f"different: {', '.join(different) or 'none'} of {len(after)} runs")
    sys.exit(1 if different else 0)


def digests(checkout: Path, folder: Path, name: str) -> dict[str, dict[str, str]]:
    """By run, the digests of the weights and of the logged losses."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src")}
    found = {}
    for run, arguments in runs(folder / "data").items():
        out = folder / name / run.replace(", ", "-").replace(" ", "-")
        subprocess.run(
            [sys.executable, "-m", "anysize", "train", *arguments, *_FIXED, "--out", str(out)],
            env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        lines = map(json.loads, (out / "training.jsonl").read_text().splitlines())
        losses = [line["loss"] for line in lines if "loss" in line]
        found[run] = {
            "weights": _digest((out / "model.safetensors").read_bytes()),
            "losses": _digest(json.dumps(losses).encode()),
        }
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _texts(data: Path) -> str:
    path = data / "texts.csv"
    draw = random.Random(1)
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label"])
            for index in range(80):
                text = " ".join(draw.choices(_WORDS, k=draw.randint(5, 60)))
                rows.writerow([text, "ab"[index % 2]])
    return str(path)


def _pictures(data: Path) -> str:
    folder = data / "pictures"
    numbers = np.random.default_rng(2)
    for name in ("one", "two", "three"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(24):
            path = folder / name / f"{index}.png"
            if not path.exists():
                values = numbers.integers(0, 255, (40, 48, 3), dtype=np.uint8)
                Image.fromarray(values).save(path)
    return str(folder)


def _rows(data: Path) -> str:
    path = data / "rows.csv"
    numbers = np.random.default_rng(3)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*(f"x{column}" for column in range(6)), "kind", "label"])
        for _ in range(120):
            values = numbers.normal(size=6)
            kind = "xyz"[int(numbers.integers(3))]
            label = "no" if values[0] + values[1] > 0 else "yes"
            rows.writerow([*values.round(4), kind, label])
    return str(path)


def _series(data: Path) -> str:
    folder = data / "series"
    numbers = np.random.default_rng(4)
    for name in ("low", "high"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(24):
            path = folder / name / f"{index}.npy"
            if not path.exists():
                steps = 20 + index % 7
                np.save(path, numbers.normal(size=(steps, 3)).astype(np.float32))
    return str(folder)


def _objects(data: Path) -> str:
    folder = data / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(5)
    images, annotations = [], []
    for index in range(32):
        picture = Image.new("RGB", (96, 96), (draw.randrange(99), 40, 60))
        x, y, side = draw.randrange(60), draw.randrange(60), draw.randrange(16, 32)
        ImageDraw.Draw(picture).rectangle((x, y, x + side, y + side), fill=(250, 200, 10))
        picture.save(folder / f"{index}.png")
        images.append({"id": index, "file_name": f"{index}.png", "width": 96, "height": 96})
        annotations.append(
            {"id": index, "image_id": index, "category_id": 1, "bbox": [x, y, side, side],
             "area": side * side, "iscrowd": 0}
        )  # fmt: skip
    document = {
        "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "box"}],
    }  # fmt: skip
    (folder / "annotations.json").write_text(json.dumps(document))
    return str(folder)


if __name__ == "__main__":
    main()
