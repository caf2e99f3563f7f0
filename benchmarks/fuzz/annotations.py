"""Data sets of pictures with objects in every layout, with one annotation file mutated.

Beside the mutations of bytes there are those of structure: a value of a JSON document, a number of
a text file or a line becomes something else of a kind that programs write by mistake.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.sources import open_source, open_splits
from anysize.sources.labels.targets import targets
from benchmarks.fuzz.mutation import mutate

PROVIDES = ("annotations",)

_WIDTH, _HEIGHT = 160, 120
_PICTURES = 4
_HUGE = 10**400
_ODD: tuple[Any, ...] = (
    None, True, "", "x", "\\ud800", "1", -1, 0, 1e308, -1e308, float("nan"), float("inf"), _HUGE,
    [], {}, [[]], [1], 2**63, 2**64, 0.5, "../../etc/passwd", "/dev/zero", "a\0b", "x" * 5000,
    {"a": {"b": []}}, [None] * 4, "\N{PILE OF POO}",
)  # fmt: skip
_WORDS = (
    "nan", "inf", "-1", "1e999", "9" * 5000, "", "0x10", "1,5", "é", "\0", "-", "*a", "&a", "!!x",
    "[" * 3000, "{" * 3000, "<a>" * 3000, "&lt;", "]]>", "../..", "/dev/zero", "0.5 " * 50,
    "\ufeff",
)  # fmt: skip
_ALIASES = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + place)}: &{chr(98 + place)} [{', '.join(['*' + chr(97 + place)] * 9)}]\n"
    for place in range(9)
)


def prepare(folder: Path) -> None:
    """One folder a layout."""
    for name, write in _LAYOUTS.items():
        (folder / name).mkdir()
        write(folder / name)


def mutated(folder: Path, random: Random, into: Path) -> Path:
    """A copy of one data set in which one file of annotations is mutated, or another added."""
    name = random.choice(sorted(_LAYOUTS))
    copy = into / name
    shutil.copytree(folder / name, copy)
    paths = sorted(path for path in copy.rglob("*") if path.is_file() and path.suffix != ".jpg")
    chosen = random.choice(paths)
    data = chosen.read_bytes()
    others = [path.read_bytes() for path in paths]
    if random.random() < 0.5:
        chosen.write_bytes(mutate(data, random, others))
    elif chosen.suffix == ".json" and random.random() < 0.8:
        chosen.write_text(json.dumps(_changed(json.loads(data), random)))
    elif random.random() < 0.1:
        (copy / "data.yaml").write_text(_ALIASES + f"names: *{random.choice('abcdefghij')}\n")
    else:
        chosen.write_bytes(_rewritten(data.decode(), random).encode("utf-8", "surrogatepass"))
    return copy


def read(path: Path) -> None:
    """Opens the data as one and by splits, and reads all objects and labels."""
    from anysize import tasks

    task = tasks.load("object-detection")
    findings = Findings()
    splits = open_splits(path, roles=task.columns, findings=findings)
    source = open_source(path, roles=task.columns, findings=findings)
    for part in (splits.train, splits.validation, splits.test, source):
        if part is None:
            continue
        for _ in targets(part):
            pass
        for index in range(len(part)):
            try:
                json.dumps([part[index].id, [each.label for each in part[index].target or ()]])
            except DataError as error:
                str(error).encode()
    source.fingerprint()
    json.dumps(findings.to_json()).encode()


def _changed(document: Any, random: Random) -> Any:
    """The document with one value, somewhere, become another or gone."""
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        pairs = (
            value.items() if isinstance(value, dict)
            else enumerate(value) if isinstance(value, list) else ()
        )  # fmt: skip
        for key, inner in pairs:
            places.append((value, key))
            collect(inner)

    collect(document)
    for _ in range(random.choice((1, 1, 2, 5))):
        holder, key = random.choice(places)
        try:
            if random.random() < 0.2:
                del holder[key]
            else:
                holder[key] = random.choice(_ODD)
        except (KeyError, IndexError):
            continue
    return document


def _rewritten(words: str, random: Random) -> str:
    """The text with some numbers or words become others, or lines doubled, gone or swapped."""
    for _ in range(random.choice((1, 1, 2, 5))):
        spots = list(re.finditer(r"[\w.+-]+", words))
        if not spots:
            break
        if random.random() < 0.7:
            spot = random.choice(spots)
            words = words[: spot.start()] + random.choice(_WORDS) + words[spot.end() :]
            continue
        lines = words.splitlines(keepends=True)
        place = random.randrange(len(lines))
        lines[place : place + 1] = random.choice(
            ([], [lines[place]] * 2, [lines[-1], lines[place]])
        )
        words = "".join(lines)
    return words


def _boxes(number: int) -> list[tuple[int, int, int, int]]:
    return [(10 * number, 20, 10 * number + 30, 60), (5, 5 + number, 45, 44 + number)]


def _picture(path: Path) -> None:
    from PIL import Image as Pillow

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((_HEIGHT, _WIDTH, 3), 90, np.uint8)
    Pillow.fromarray(pixels).save(path)


def _coco(folder: Path) -> None:
    images, annotations = [], []
    for number in range(_PICTURES):
        _picture(folder / "images" / f"{number}.jpg")
        entry = {"id": number, "file_name": f"{number}.jpg", "width": _WIDTH, "height": _HEIGHT}
        images.append(entry)
        for left, top, right, bottom in _boxes(number):
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 1 + number % 2,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 1, "name": "box"}, {"id": 2, "name": "disc"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(document))
    captions = {**document, "annotations": [{"id": 0, "image_id": 0, "caption": "a picture"}]}
    (folder / "annotations" / "captions_train.json").write_text(json.dumps(captions))


def _voc(folder: Path) -> None:
    (folder / "annotations").mkdir()
    for number in range(_PICTURES):
        _picture(folder / "images" / f"{number}.jpg")
        objects = "".join(
            f"<object><name>box</name><difficult>0</difficult><bndbox><xmin>{left}</xmin>"
            f"<ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for left, top, right, bottom in _boxes(number)
        )
        (folder / "annotations" / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.jpg</filename><size><width>{_WIDTH}</width>"
            f"<height>{_HEIGHT}</height><depth>3</depth></size>{objects}</annotation>"
        )


def _yolo_lines(number: int) -> str:
    return "".join(
        f"{number % 2} {(left + right) / 2 / _WIDTH:.6f} {(top + bottom) / 2 / _HEIGHT:.6f} "
        f"{(right - left) / _WIDTH:.6f} {(bottom - top) / _HEIGHT:.6f}\n"
        for left, top, right, bottom in _boxes(number)
    )


def _yolo(folder: Path) -> None:
    for split in ("train", "val"):
        (folder / "labels" / split).mkdir(parents=True)
        for number in range(_PICTURES):
            _picture(folder / "images" / split / f"{number}.jpg")
            (folder / "labels" / split / f"{number}.txt").write_text(_yolo_lines(number))
    (folder / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nnames: {0: disc, 1: box}\n"
    )


def _lists(folder: Path) -> None:
    _yolo(folder)
    for split in ("train", "val"):
        lines = [f"./images/{split}/{number}.jpg\n" for number in range(_PICTURES)]
        (folder / f"{split}.txt").write_text("".join(lines))
    (folder / "data.yaml").unlink()
    (folder / "shapes.yml").write_text("train: train.txt\nval: val.txt\nnames: [disc, box]\n")


def _classes(folder: Path) -> None:
    _yolo(folder)
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_text("disc\nbox\n")


def _labelme(folder: Path) -> None:
    for number in range(_PICTURES):
        _picture(folder / f"{number}.jpg")
        shapes = [
            {"label": "box", "points": [[left, top], [right, bottom]], "shape_type": "rectangle"}
            for left, top, right, bottom in _boxes(number)
        ]
        entries = {
            "version": "5", "shapes": shapes, "imagePath": f"{number}.jpg",
            "imageWidth": _WIDTH, "imageHeight": _HEIGHT,
        }  # fmt: skip
        (folder / f"{number}.json").write_text(json.dumps(entries))


def _table(folder: Path) -> None:
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number in range(_PICTURES):
        _picture(folder / "images" / f"{number}.jpg")
        rows += [
            f"{number}.jpg,{_WIDTH},{_HEIGHT},box,{left},{top},{right},{bottom}"
            for left, top, right, bottom in _boxes(number)
        ]
    (folder / "annotations.csv").write_text("\n".join(rows) + "\n")


def _bare_table(folder: Path) -> None:
    rows = []
    for number in range(_PICTURES):
        _picture(folder / "images" / f"{number}.jpg")
        rows += [
            f"images/{number}.jpg,{left},{top},{right},{bottom},box"
            for left, top, right, bottom in _boxes(number)
        ]
    (folder / "train.csv").write_text("\n".join([*rows, "images/0.jpg,,,,,"]) + "\n")
    (folder / "classes.csv").write_text("box,0\n")


_LAYOUTS: dict[str, Callable[[Path], None]] = {
    "coco": _coco,
    "voc": _voc,
    "yolo": _yolo,
    "lists": _lists,
    "classes": _classes,
    "labelme": _labelme,
    "table": _table,
    "bare_table": _bare_table,
}
