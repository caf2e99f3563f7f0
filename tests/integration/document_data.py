"""The small data and the two bundles that the documentation's examples talk about."""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

GOOD = ("wonderful", "delightful", "brilliant", "moving", "charming", "superb")
BAD = ("dreadful", "boring", "clumsy", "tedious", "awful", "lifeless")
KEPT = (2, 5)
THINGS = ("story", "acting", "music", "ending", "dialogue", "photography")


def sentences(words: tuple[str, ...], draw: random.Random) -> Iterator[str]:
    """Endless sentences of praise or complaint."""
    while True:
        yield f"The {draw.choice(THINGS)} was {draw.choice(words)} and {draw.choice(words)}."


def write_texts(folder: Path) -> None:
    """``reviews.csv``, ``stars.tsv``, ``notes/`` and ``book.txt``."""
    draw = random.Random(0)
    streams = {"positive": sentences(GOOD, draw), "negative": sentences(BAD, draw)}
    with (folder / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(160):
            label = ("positive", "negative")[number % 2]
            writer.writerow([" ".join(next(streams[label]) for _ in range(2)), label])
    with (folder / "stars.tsv").open("w", encoding="utf-8") as file:
        file.write("review\tstars\n")
        for number in range(40):
            label, stars = (("positive", 5), ("negative", 1))[number % 2]
            file.write(f"{next(streams[label])}\t{stars}\n")
    (folder / "notes").mkdir()
    for number, label in enumerate(("positive", "negative", "positive")):
        text = " ".join(next(streams[label]) for _ in range(5))
        (folder / "notes" / f"{number}.txt").write_text(text, encoding="utf-8")
    book = "\n\n".join(" ".join(next(streams["positive"]) for _ in range(20)) for _ in range(20))
    (folder / "book.txt").write_text(book, encoding="utf-8")


def shape(kind: str, draw: np.random.Generator) -> np.ndarray:
    """A bright circle or square on a dark ground, uint8 ``[32, 32, 3]``."""
    rows, columns = np.mgrid[0:32, 0:32]
    row, column = draw.integers(12, 20, 2)
    radius = draw.integers(6, 11)
    away = np.stack([abs(rows - row), abs(columns - column)]).astype(float)
    distance = np.hypot(*away) if kind == "circle" else away.max(axis=0)
    pixels = draw.integers(0, 60, (32, 32, 3))
    pixels[distance < radius] += 180
    return pixels.astype(np.uint8)


def write_pictures(folder: Path) -> None:
    """``photos/circle``, ``photos/square``, ``mosaic.png`` and a damaged ``broken.jpg``."""
    from PIL import Image

    draw = np.random.default_rng(0)
    for kind in ("circle", "square"):
        (folder / "photos" / kind).mkdir(parents=True)
        for number in range(60):
            Image.fromarray(shape(kind, draw)).save(folder / "photos" / kind / f"{number:03}.png")
    rows = [np.concatenate([shape("circle", draw) for _ in range(20)], axis=1) for _ in range(10)]
    Image.fromarray(np.concatenate(rows)).save(folder / "mosaic.png")
    whole = folder / "whole.jpg"
    Image.fromarray(shape("circle", draw)).save(whole)
    (folder / "broken.jpg").write_bytes(whole.read_bytes()[:200])
    whole.unlink()


def write_small_encoder(folder: Path) -> None:
    """``encoder/``: the package of MiniLM with two of its six layers, in front of the whole one.

    Training, exporting and compressing it are the same commands in less than half the time.
    """
    import shutil

    from safetensors.numpy import load_file, save_file

    from anysize.models import minilm

    whole, small = minilm.folder(), folder / "encoder" / minilm.PACKAGE / "model"
    small.mkdir(parents=True)
    (small.parent / "__init__.py").touch()
    for path in whole.iterdir():
        if path.is_file() and path.name not in ("config.json", "model.safetensors"):
            shutil.copy2(path, small / path.name)
    config = json.loads((whole / "config.json").read_text(encoding="utf-8"))
    (small / "config.json").write_text(json.dumps({**config, "num_hidden_layers": len(KEPT)}))
    weights = {}
    for name, values in load_file(whole / "model.safetensors").items():
        before, layer, rest = name.partition("encoder.layer.")
        number, _, rest = rest.partition(".")
        if not layer:
            weights[name] = values
        elif int(number) in KEPT:
            weights[f"{before}{layer}{KEPT.index(int(number))}.{rest}"] = values
    save_file(weights, small / "model.safetensors", metadata={"format": "pt"})


def train_bundles(folder: Path) -> None:
    """``runs/reviews`` and ``runs/photos``."""
    import anysize

    anysize.train(
        "text-classification",
        folder / "reviews.csv",
        model="minilm",
        out=folder / "runs" / "reviews",
        epochs=2,
        batch=16,
    )
    anysize.train(
        "image-classification",
        folder / "photos",
        model="cnn",
        out=folder / "runs" / "photos",
        epochs=8,
        batch=16,
    )


if __name__ == "__main__":
    where = Path(sys.argv[1])
    write_texts(where)
    write_pictures(where)
    write_small_encoder(where)
    sys.path.insert(0, str(where / "encoder"))
    train_bundles(where)
