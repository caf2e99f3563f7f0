"""Pictures with objects in the layouts of COCO, Pascal VOC and YOLO; every fault is told."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anysize.core.errors import DataError
from anysize.core.findings import Finding, Findings
from anysize.core.objects import Annotation
from anysize.core.records import Source
from anysize.sources import ColumnSpec, json_stream, open_source, open_splits
from anysize.sources.boxes.role import without_objects
from anysize.sources.labels.targets import targets

cv2 = pytest.importorskip("cv2")

COLUMNS = [
    ColumnSpec(role="image", kind="image", names=("image",)),
    ColumnSpec(role="objects", kind="target", names=("objects",), required=False),
]


def picture(path: Path, width: int = 40, height: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def coco(**changes: Any) -> dict[str, Any]:
    entries: dict[str, Any] = {
        "info": {"year": 2026, "nested": [1, {"images": []}]},
        "images": [
            {"id": 7, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 3, "file_name": "b.png", "width": 40, "height": 30},
            {"id": 9, "file_name": "c.png", "width": 40, "height": 30},
        ],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 5, "bbox": [1, 2, 10, 11], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0.5, 0, 3, 4.25]},
            {"id": 3, "image_id": 3, "category_id": 2, "bbox": [5, 5, 9, 9], "iscrowd": 1},
        ],
        "categories": [{"id": 5, "name": "cat"}, {"id": 2, "name": "狗"}],
    }
    return entries | changes


def coco_folder(folder: Path, name: str = "train", **changes: Any) -> Path:
    for letter in "abc":
        picture(folder / "images" / f"{letter}.png")
    write(folder / "annotations" / f"{name}.json", json.dumps(coco(**changes)))
    return folder


def objects(source: Source | None) -> dict[str, tuple[Annotation, ...]]:
    assert source is not None
    return {source[index].id: source[index].target for index in range(len(source))}


def boxes(source: Source | None) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    return {
        name: [(each.label, tuple(round(side, 3) for side in each.box)) for each in target]
        for name, target in objects(source).items()
    }


COCO_OBJECTS = {
    "images/a.png": (Annotation("狗", (0.5, 0.0, 3.5, 4.25)),),
    "images/b.png": (
        Annotation("cat", (1.0, 2.0, 11.0, 13.0)),
        Annotation("狗", (5.0, 5.0, 14.0, 14.0), crowd=True),
    ),
    "images/c.png": (),
}


def test_coco(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path)
    source = open_source(folder, roles=COLUMNS)
    assert objects(source) == COCO_OBJECTS
    assert list(targets(source)) == list(COCO_OBJECTS.values())
    assert source[1].image("image").extent == (40, 30)
    assert objects(open_source(folder / "annotations/train.json", roles=COLUMNS)) == COCO_OBJECTS
    again = pickle.loads(pickle.dumps(source))  # noqa: S301  workers get sources this way
    assert objects(again) == COCO_OBJECTS
    assert again.fingerprint() == source.fingerprint()


def test_coco_does_not_depend_on_the_size_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = coco_folder(tmp_path)
    for size in (1, 2, 7, 64):
        monkeypatch.setattr(json_stream, "CHUNK", size)
        assert objects(open_source(folder, roles=COLUMNS)) == COCO_OBJECTS


def test_fingerprints_change_with_pictures_and_annotations(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path)
    seen = [open_source(folder, roles=COLUMNS).fingerprint()]
    picture(folder / "images/b.png", 41)
    seen.append(open_source(folder, roles=COLUMNS).fingerprint())
    coco_folder(folder, annotations=[])
    seen.append(open_source(folder, roles=COLUMNS).fingerprint())
    assert len(set(seen)) == 3


def test_coco_splits_by_the_names_of_files(tmp_path: Path) -> None:
    for name in ("instances_train2017", "instances_val2017"):
        coco_folder(tmp_path, name)
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert splits.how == "files"
    assert objects(splits.train) == objects(splits.validation) == COCO_OBJECTS
    assert splits.test is None


def test_coco_beside_the_pictures_of_a_split(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        for letter in "abc":
            picture(tmp_path / split / f"{letter}.png")
        write(tmp_path / split / "_annotations.coco.json", json.dumps(coco()))
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert list(objects(splits.train)) == ["train/a.png", "train/b.png", "train/c.png"]
    assert list(objects(splits.validation)) == ["valid/a.png", "valid/b.png", "valid/c.png"]


def opened(path: Path) -> tuple[Source, dict[str, Finding]]:
    findings = Findings()
    return open_source(path, roles=COLUMNS, findings=findings), {
        finding.code: finding for finding in findings
    }


def failing(source: Source) -> dict[int, str]:
    found = {}
    for index in range(len(source)):
        try:
            source[index]
        except DataError as error:
            found[index] = str(error)
    return found


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"category_id": 77}, "category_id 77 is not among the categories"),
        ({"category_id": None}, "category_id must be a number or a name"),
        ({"bbox": [0, 0, 3]}, "four numbers are needed, there are 3"),
        ({"bbox": []}, "four numbers are needed, there are 0"),
        ({"bbox": None}, "it has no bbox"),
        ({"bbox": [0, 0, "x", None]}, "its four numbers must be finite"),
        ({"bbox": [0, 0, 1e400, 3]}, "its four numbers must be finite"),
        ({"bbox": [0, 0, 10**400, 3]}, "its four numbers must be finite"),
        ({"bbox": [0, float("nan"), 3, 3]}, "its four numbers must be finite"),
        ({"bbox": [5, 5, -3, 3]}, "width and height must be above 0, not -3 and 3"),
        ({"bbox": [30, 20, 50, 50]}, "1 of 2 boxes are not inside the picture of 40x30"),
    ],
)
def test_one_bad_annotation_of_coco_fails_its_record(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    bad = {"image_id": 3, "category_id": 5, "bbox": [0, 0, 3, 3]} | change
    good = {"image_id": 3, "category_id": 5, "bbox": [0, 0, 3, 3]}
    other = {"image_id": 7, "category_id": 5, "bbox": [0, 0, 3, 3]}
    source, findings = opened(coco_folder(tmp_path, annotations=[good, bad, other]))
    found = failing(source)
    assert list(found) == [1]
    assert "train.json (b.png)" in found[1] and problem in found[1]
    assert source[0].target == (Annotation("cat", (0.0, 0.0, 3.0, 3.0)),)
    (finding,) = findings.values()
    assert (finding.level, finding.count) == ("warning", 1)
    assert problem in finding.examples[0]


def test_entries_of_coco_that_belong_to_no_picture_are_named(tmp_path: Path) -> None:
    changes = {
        "images": [*coco()["images"], {"id": 1}, {"id": 4, "file_name": "a\0"}, 3],
        "annotations": [
            {"image_id": 1234, "category_id": 5, "bbox": [0, 0, 3, 3]},
            {"category_id": 5, "bbox": [0, 0, 3, 3]},
        ],
        "categories": [*coco()["categories"], {"id": 6, "name": "cat"}, {"id": 8}, "x"],
    }
    source, findings = opened(coco_folder(tmp_path, **changes))
    assert len(source) == 3
    assert not failing(source)
    assert set(findings) == {
        "annotation-without-picture", "annotation-unusable", "picture-unusable",
        "categories-share-a-name", "category-unusable",
    }  # fmt: skip
    orphan = findings["annotation-without-picture"]
    assert orphan.level == "warning"


def test_pictures_that_share_an_id_fail(tmp_path: Path) -> None:
    images = [*coco()["images"], {"id": 9, "file_name": "d.png"}]
    picture(tmp_path / "images/d.png")
    source, _ = opened(coco_folder(tmp_path, images=images))
    found = failing(source)
    assert list(found) == [2, 3]
    assert "another picture has the same id" in found[2]


def test_categories_that_share_an_id_fail_their_pictures(tmp_path: Path) -> None:
    categories = [*coco()["categories"], {"id": 5, "name": "x"}]
    source, _ = opened(coco_folder(tmp_path, categories=categories))
    assert list(failing(source)) == [1]


def test_boxes_that_reach_out_by_a_little_are_clipped(tmp_path: Path) -> None:
    annotations = [{"image_id": 7, "category_id": 5, "bbox": [-1.5, 20, 41.5, 11]}]
    found = objects(open_source(coco_folder(tmp_path, annotations=annotations), roles=COLUMNS))
    assert found["images/a.png"] == (Annotation("cat", (0.0, 20.0, 40.0, 30.0)),)


def test_prediction_does_not_read_annotations(tmp_path: Path) -> None:
    annotations = [{"image_id": 3, "category_id": 5}]
    folder = coco_folder(tmp_path, annotations=annotations)
    source = open_source(folder, roles=without_objects(COLUMNS))
    assert [source[index].target for index in range(3)] == [None] * 3
    assert list(targets(source)) == [None] * 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"images": [], "annotations": [], "categories": []}', "names no pictures"),
        ('{"images": [{"id": 1, "file_name": "a.png"}]}', "no annotations and no categories"),
        ('{"images": 3}', "'images' must be an array"),
        ('{"images": [{"id": 1,]}', "is not valid JSON at character"),
        ('{"images": [{"id": 1', "is not valid JSON at character"),
        ('{"images": [] "annotations"', "',' or '}' was expected"),
        (json.dumps(coco(images=[{"id": 1, "file_name": "../../etc/passwd"}])), "was found"),
        (json.dumps(coco(annotations=[{"id": 1, "caption": "x"}])), "holds captions, not boxes"),
        ('{"images": [' + "9" * 5000 + "]}", "a number has too many digits"),
        (json.dumps(coco(images=[{"id": 3, "file_name": "x.png"}, {"id": 7, "file_name": "y"}])),
         "none of its first pictures (x.png, y) was found"),
    ],
)  # fmt: skip
def test_damaged_coco(tmp_path: Path, text: str, problem: str) -> None:
    folder = coco_folder(tmp_path)
    write(folder / "annotations/train.json", text)
    with pytest.raises(DataError) as caught:
        open_source(folder, roles=COLUMNS)
    assert problem in str(caught.value)


def test_a_missing_picture_fails_its_record_only(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path)
    (folder / "images/b.png").unlink()
    source = open_source(folder, roles=COLUMNS)
    assert source[0].target == COCO_OBJECTS["images/a.png"]
    with pytest.raises(DataError, match=r"images/b\.png: the picture is missing"):
        source[1]


VOC = """<annotation><size><width>40</width><height>30</height></size>
<object><name>cat</name><difficult>1</difficult>
<bndbox><xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>30</ymax></bndbox></object>
<object><name>dog</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>9.5</xmax><ymax>9</ymax></bndbox>
</object></annotation>"""
VOC_OBJECTS = (
    Annotation("cat", (0.0, 2.0, 10.0, 30.0), difficult=True),
    Annotation("dog", (4.0, 4.0, 9.5, 9.0)),
)


def test_voc(tmp_path: Path) -> None:
    for name in ("1", "2", "10"):
        picture(tmp_path / f"JPEGImages/{name}.jpg")
    write(tmp_path / "Annotations/1.xml", VOC)
    write(tmp_path / "Annotations/2.xml", "<annotation></annotation>")
    write(tmp_path / "Annotations/10.xml", VOC)
    expected = {
        "JPEGImages/1.jpg": VOC_OBJECTS, "JPEGImages/2.jpg": (), "JPEGImages/10.jpg": VOC_OBJECTS,
    }  # fmt: skip
    source = open_source(tmp_path, roles=COLUMNS)
    assert objects(source) == expected
    assert list(objects(source)) == list(expected)
    before = source.fingerprint()
    write(tmp_path / "Annotations/2.xml", "<annotation> </annotation>")
    assert source.fingerprint() != before


def test_voc_splits_by_its_lists(tmp_path: Path) -> None:
    root = tmp_path / "VOCdevkit" / "VOC2007"
    for name in ("a", "b", "c"):
        picture(root / f"JPEGImages/{name}.jpg")
        write(root / f"Annotations/{name}.xml", VOC)
    write(root / "ImageSets/Main/train.txt", "a\nc\n")
    write(root / "ImageSets/Main/val.txt", "b  1\n\n")
    splits = open_splits(tmp_path / "VOCdevkit", roles=COLUMNS)
    assert list(objects(splits.train)) == ["VOC2007/JPEGImages/a.jpg", "VOC2007/JPEGImages/c.jpg"]
    assert list(objects(splits.validation)) == ["VOC2007/JPEGImages/b.jpg"]


def test_voc_beside_the_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    write(tmp_path / "a.xml", VOC)
    assert objects(open_source(tmp_path, roles=COLUMNS)) == {"a.png": VOC_OBJECTS, "b.png": ()}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("<annotation>", "is not valid XML"),
        ("<notes></notes>", "its root must be <annotation>"),
        (VOC.replace("<name>cat</name>", ""), "object 0 has no <name>"),
        (VOC.replace("<xmin>5</xmin>", "<xmin>nan</xmin>"), "object 1 has no <bndbox>"),
        (
            VOC.replace("<xmin>5</xmin>", "<xmin>41</xmin>"),
            "object 1 (dog): right and bottom must be",
        ),
        (VOC.replace("<xmax>9.5</xmax>", "<xmax>49</xmax>"), "not inside the picture of 40x30"),
        (VOC.replace("<width>40", "<width>80"), "is about a picture of 80x30, but the picture has"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + VOC, "declares a document type"),
    ],
)
def test_damaged_voc(tmp_path: Path, text: str, problem: str) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    write(tmp_path / "a.xml", text)
    write(tmp_path / "b.xml", VOC)
    source = open_source(tmp_path, roles=COLUMNS)
    with pytest.raises(DataError) as caught:
        source[0]
    assert "a.xml" in str(caught.value) and problem in str(caught.value)
    assert source[1].target == VOC_OBJECTS
    assert list(targets(source))[1] == VOC_OBJECTS


YOLO = "1 0.5 0.5 0.25 0.2\n0 0.1 0.1 0.2 0.2\n"
YOLO_BOXES = [("dog", (15.0, 12.0, 25.0, 18.0)), ("cat", (0.0, 0.0, 8.0, 6.0))]


def test_yolo_with_a_yaml_file(tmp_path: Path) -> None:
    for split in ("train", "val"):
        picture(tmp_path / f"images/{split}/a.png")
        picture(tmp_path / f"images/{split}/b.png")
        write(tmp_path / f"labels/{split}/a.txt", YOLO)
    text = "path: ../elsewhere\ntrain: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n"
    write(tmp_path / "data.yaml", text)
    for where in (tmp_path, tmp_path / "data.yaml"):
        splits = open_splits(where, roles=COLUMNS)
        assert boxes(splits.train) == {"images/train/a.png": YOLO_BOXES, "images/train/b.png": []}
        assert boxes(splits.validation) == {
            "images/val/a.png": YOLO_BOXES, "images/val/b.png": [],
        }  # fmt: skip


def test_yolo_of_split_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        picture(tmp_path / f"{split}/images/a.png")
        write(tmp_path / f"{split}/labels/a.txt", YOLO)
    write(tmp_path / "data.yaml", "train: ../train/images\ntest: ../test/images\nnames: [cat, dog]")
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert boxes(splits.train) == {"train/images/a.png": YOLO_BOXES}
    assert boxes(splits.test) == {"test/images/a.png": YOLO_BOXES}
    (tmp_path / "data.yaml").unlink()
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert boxes(splits.test) == {
        "test/images/a.png": [({"dog": "1", "cat": "0"}[name], box) for name, box in YOLO_BOXES]
    }


def test_yolo_beside_the_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    write(tmp_path / "a.txt", "0 0.25 0.2 0.75 0.2 0.5 0.8\n")
    write(tmp_path / "classes.txt", "cat\ndog\n")
    outline = [("cat", (10.0, 6.0, 30.0, 24.0))]
    assert boxes(open_source(tmp_path, roles=COLUMNS)) == {"a.png": outline}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2 0.5 0.5 0.2 0.2", "line 1: class 2 is unknown: there are names for 0 to 1"),
        ("x 0.5 0.5 0.2 0.2", "line 1: the class must be a whole number, not 'x'"),
        ("0 0.5 0.5 0.2\n1 .5 .5 .1 .1", "line 1: 'class x y width height' was expected, but 3"),
        ("\n0 0.5 0.5 0.2 0", "line 2: width and height must be above 0"),
        ("0 12 7 3 4", "line 1: the box 12 7 3 4 is not inside the picture"),
        ("0 0.5 nan 0.2 0.2", "line 1: its numbers must be finite"),
        ("0 0.9 0.5 0.6 0.2\n0 0 0", "line 2: 'class x y"),
    ],
)
def test_damaged_yolo(tmp_path: Path, text: str, problem: str) -> None:
    picture(tmp_path / "a.png")
    write(tmp_path / "a.txt", text)
    write(tmp_path / "classes.txt", "cat\ndog\n")
    source = open_source(tmp_path, roles=COLUMNS)
    with pytest.raises(DataError) as caught:
        source[0]
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("names: [a]\ntrain: nowhere\n", "train: there is no folder or list"),
        ("names: 3\ntrain: .\n", "'names' must be a list"),
        ("train: images\n", "must be a mapping with 'names'"),
        ("names: [a]\n", "names no pictures"),
        ("names: [a\n", "cannot be read as YAML"),
    ],
)
def test_damaged_yaml(tmp_path: Path, text: str, problem: str) -> None:
    picture(tmp_path / "images/a.png")
    write(tmp_path / "data.yaml", text)
    with pytest.raises(DataError) as caught:
        open_source(tmp_path, roles=COLUMNS)
    assert problem in str(caught.value)


def test_pictures_alone_are_a_source_without_objects(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    source = open_source(tmp_path, roles=COLUMNS)
    assert (len(source), source[0].id, source[0].target) == (1, "a.png", None)


def test_other_tasks_do_not_see_the_annotations(tmp_path: Path) -> None:
    source = open_source(coco_folder(tmp_path), roles=COLUMNS[:1])
    assert [source[index].target for index in range(3)] == [None] * 3


@pytest.mark.skipif("ANYSIZE_DATA" not in os.environ, reason="ANYSIZE_DATA is not set")
def test_real_coco_files() -> None:
    splits = open_splits(Path(os.environ["ANYSIZE_DATA"]) / "bccd", roles=COLUMNS)
    counts = {}
    for name in ("train", "validation", "test"):
        source = getattr(splits, name)
        counts[name] = (len(source), sum(len(target) for target in targets(source)))
    assert counts == {"train": (205, 2804), "validation": (87, 1137), "test": (72, 945)}
