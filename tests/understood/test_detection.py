"""Each line of "Understood: detection" in docs/data-layouts.md."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest

from anysize.core.errors import DataError
from anysize.core.findings import Finding, Findings
from anysize.core.objects import Annotation
from anysize.core.records import Source
from anysize.sources import open_source, open_splits
from anysize.sources.boxes.role import without_objects
from anysize.tasks import load
from anysize.tasks.detection_sheet import objects_in

Pillow = pytest.importorskip("PIL.Image")

COLUMNS = load("object-detection").columns
WIDTH, HEIGHT = 160, 120
BOX = (20.0, 30.0, 60.0, 90.0)


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)).save(folder / name)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def opened(path: Path) -> tuple[Source, dict[str, Finding]]:
    findings = Findings()
    source = open_source(path, roles=COLUMNS, findings=findings)
    return source, {finding.code: finding for finding in findings}


def by_split(path: Path) -> tuple[dict[str, list[str]], dict[str, Finding]]:
    findings = Findings()
    splits = open_splits(path, roles=COLUMNS, findings=findings)
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    found = {name: list(objects(part)) for name, part in parts.items() if part is not None}
    return found, {finding.code: finding for finding in findings}


def objects(source: Source) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """Labels and boxes by record; of records that fail, the error."""
    found: dict[str, Any] = {}
    for index in range(len(source)):
        try:
            record = source[index]
        except DataError as error:
            found[f"record {index}"] = str(error)
            continue
        found[record.id] = [
            (each.label, tuple(round(side, 1) for side in each.box)) for each in record.target
        ]
    return found


def coco(folder: Path, name: str = "annotations.json", **changes: Any) -> Path:
    """Three pictures with a box each."""
    pictures(folder / "images", "0.jpg", "1.jpg", "2.jpg")
    document = {
        "images": [
            {"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT}
            for number in range(3)
        ],
        "annotations": [annotation(number) for number in range(3)],
        "categories": [{"id": 7, "name": "box"}],
    }
    write(folder / name, document | changes)
    return folder


def annotation(image: int, **changes: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": 7, "bbox": [20, 30, 40, 60]} | changes


def one_fails(folder: Path, **changes: Any) -> str:
    """The error of the second picture, whose annotation is changed; the others are read."""
    bad = [annotation(0), annotation(1, **changes), annotation(2)]
    source, findings = opened(coco(folder, annotations=bad))
    found: dict[str, Any] = objects(source)
    assert found["images/0.jpg"] == found["images/2.jpg"] == [("box", BOX)]
    warning = next(iter(findings.values()))
    assert (warning.level, warning.count) == ("warning", 1)
    assert "1.jpg" in warning.examples[0]
    return str(found["record 1"])


def test_detection_coco_downloaded(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        coco(tmp_path, f"annotations/instances_{split}.json")
        pictures(tmp_path / split, "0.jpg", "1.jpg", "2.jpg")
        others = {"captions": {"caption": "x"}, "person_keypoints": {"keypoints": []}}
        for kind, entry in others.items():
            write(
                tmp_path / f"annotations/{kind}_{split}.json",
                {"images": [], "annotations": [{"image_id": 1, **entry}], "categories": []},
            )
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    found, findings = by_split(tmp_path)
    assert found["train"] == ["train2017/0.jpg", "train2017/1.jpg", "train2017/2.jpg"]
    assert found["validation"] == ["val2017/0.jpg", "val2017/1.jpg", "val2017/2.jpg"]
    assert findings["file-left-out"].level == "note"


def test_detection_coco_captions_alone(tmp_path: Path) -> None:
    folder = coco(tmp_path, annotations=[{"image_id": 0, "caption": "x"}])
    with pytest.raises(DataError, match="holds captions, not boxes"):
        opened(folder)


def test_detection_bad_annotation(tmp_path: Path) -> None:
    assert "it has no bbox" in one_fails(tmp_path, bbox=None)
    assert "four numbers are needed, there are 0" in one_fails(tmp_path, bbox=[])
    assert "width and height must be above 0" in one_fails(tmp_path, bbox=[20, 30, -40, 60])
    assert "must be finite" in one_fails(tmp_path, bbox=[20, float("nan"), 40, 60])


def test_detection_huge_numbers(tmp_path: Path) -> None:
    assert "must be finite" in one_fails(tmp_path, bbox=[20, 30, 10**400, 60])
    assert "must be finite" in one_fails(tmp_path, bbox=[1e308, 30, 1e308, 60])
    text = (tmp_path / "annotations.json").read_text()
    write(tmp_path / "annotations.json", text.replace('"id": 7', '"id": ' + "7" * 6000))
    with pytest.raises(DataError, match="a number has too many digits"):
        opened(tmp_path)


def test_detection_unknown_category(tmp_path: Path) -> None:
    assert "category_id 55 is not among the categories" in one_fails(tmp_path, category_id=55)


def test_detection_annotation_without_picture(tmp_path: Path) -> None:
    source, findings = opened(coco(tmp_path, annotations=[annotation(0), annotation(1234)]))
    assert objects(source)["images/0.jpg"] == [("box", BOX)]
    finding = findings["annotation-without-picture"]
    assert (finding.level, finding.count) == ("warning", 1)
    assert finding.examples == ("annotations[1] image_id 1234",)


def test_detection_size_contradicts(tmp_path: Path) -> None:
    images = [
        {"id": 0, "file_name": "0.jpg", "width": 2 * WIDTH, "height": 2 * HEIGHT},
        {"id": 1, "file_name": "1.jpg", "width": WIDTH + 1, "height": HEIGHT},
    ]
    found: dict[str, Any]
    source, findings = opened(coco(tmp_path, images=images))
    found = objects(source)
    assert "is about a picture of 320x240, but the picture has 160x120" in found["record 0"]
    assert found["images/1.jpg"] == [("box", BOX)]
    assert findings["annotation-contradicts-picture"].count == 1


def test_detection_box_outside(tmp_path: Path) -> None:
    assert "1 of 1 boxes are not inside the picture" in one_fails(tmp_path, bbox=[150, 30, 40, 60])
    without_sizes = [{"id": number, "file_name": f"{number}.jpg"} for number in range(3)]
    bad = [annotation(0), annotation(1, bbox=[1000, 1000, 5, 5])]
    source, findings = opened(coco(tmp_path, annotations=bad, images=without_sizes))
    assert list(objects(source)) == ["images/0.jpg", "record 1", "images/2.jpg"]
    assert findings["annotation-contradicts-picture"].count == 1


def test_detection_box_slightly_outside(tmp_path: Path) -> None:
    source, _ = opened(coco(tmp_path, annotations=[annotation(0, bbox=[-1.5, 100, 50, 21.5])]))
    assert objects(source)["images/0.jpg"] == [("box", (0.0, 100.0, 48.5, 120.0))]


def test_detection_picture_named_twice(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": "0.jpg"} for number in range(2)]
    twice = [annotation(0), annotation(1), annotation(1, bbox=[0, 0, 10, 10])]
    source, findings = opened(coco(tmp_path, images=images, annotations=twice))
    assert objects(source) == {"images/0.jpg": [("box", BOX), ("box", (0.0, 0.0, 10.0, 10.0))]}
    assert findings["picture-named-twice"].examples == ("0.jpg",)


def test_detection_pictures_share_an_id(tmp_path: Path) -> None:
    images = [{"id": number // 2, "file_name": f"{number}.jpg"} for number in range(3)]
    source, findings = opened(coco(tmp_path, images=images))
    assert list(objects(source)) == ["record 0", "record 1", "images/2.jpg"]
    assert findings["annotation-unusable"].count == 2


def test_detection_ids_of_two_types(tmp_path: Path) -> None:
    annotations = [annotation(0), {**annotation(1), "image_id": "1"}, annotation(2)]
    source, findings = opened(
        coco(tmp_path, annotations=annotations, categories=[{"id": "7", "name": "box"}])
    )
    assert list(objects(source).values()) == [[("box", BOX)]] * 3
    assert findings["ids-of-two-types"].count == 2


def test_detection_box_twice(tmp_path: Path) -> None:
    source, findings = opened(coco(tmp_path, annotations=[annotation(0), annotation(0)]))
    assert objects(source)["images/0.jpg"] == [("box", BOX)]
    assert (findings["object-annotated-twice"].count, len(findings)) == (1, 1)
    write(yolo(tmp_path / "yolo", "train") / "labels/train/0.txt", YOLO_LINE * 3)
    source, findings = opened(tmp_path / "yolo")
    assert list(objects(source).values()) == [[("1", BOX)]]
    assert findings["object-annotated-twice"].count == 2


def test_detection_pictures_of_one_name(tmp_path: Path) -> None:
    """Each is found by its folders; where these do not tell, none is taken for another."""
    names = ("a/1.jpg", "b/1.jpg")
    pictures(tmp_path / "frames", *names)
    rows = [f"{name},20,30,{60 + place},90,x\n" for place, name in enumerate(names)]
    header = "filename,xmin,ymin,xmax,ymax,class\n"
    write(tmp_path / "boxes.csv", header + "".join(rows))
    found = objects(opened(tmp_path)[0])
    assert [found[f"frames/{name}"][0][1][2] for name in names] == [60, 61]

    write(tmp_path / "boxes.csv", header + "".join(rows).replace("a/", "c/").replace("b/", "d/"))
    failed = [str(each) for each in objects(opened(tmp_path)[0]).values()]
    assert all("several" in each for each in failed)

    images = [{"id": place, "file_name": name} for place, name in enumerate(names)]
    changes = {"images": images, "annotations": [annotation(0), annotation(1, bbox=[1, 2, 3, 4])]}
    flat, findings = opened(coco(tmp_path / "flat", **changes))
    assert "several entries lead to this picture" in str(objects(flat))
    assert findings["pictures-share-a-file"].examples == ("1.jpg",)

    pictures(tmp_path / "voc/frames", *names)
    for name in ("a", "b"):
        write(tmp_path / f"voc/Annotations/{name}/1.xml", voc().replace(">box<", f">{name}<"))
    found = objects(opened(tmp_path / "voc")[0])
    assert {key: value[0][0] for key, value in found.items()} == {
        "frames/a/1.jpg": "a", "frames/b/1.jpg": "b",
    }  # fmt: skip


def test_detection_pictures_without_annotations(tmp_path: Path) -> None:
    """Counted in every layout; prediction reads them."""
    pictures(coco(tmp_path / "coco") / "images", "extra.jpg")
    write(yolo(tmp_path / "yolo", "train", "val") / "classes.txt", "disc\nbox\n")
    for split in ("train", "val"):
        pictures(tmp_path / f"voc/{split}", "0.jpg")
        write(tmp_path / f"voc/{split}/0.xml", voc())
    pictures(tmp_path, "coco/images/extra.jpg", "yolo/images/loose.jpg", "voc/test/9.jpg")
    for name in ("coco", "yolo", "voc"):
        source, findings = opened(tmp_path / name)
        assert (findings["picture-without-annotations"].count, len(findings)) == (1, 1)
        every = open_source(tmp_path / name, roles=without_objects(COLUMNS))
        assert len(every) == len(source) + 1


def test_detection_further_pages(tmp_path: Path) -> None:
    coco(tmp_path)
    page = Pillow.new("RGB", (WIDTH, HEIGHT))
    page.save(tmp_path / "images/0.jpg", "TIFF", save_all=True, append_images=[page, page])
    finding = opened(tmp_path)[1]["pages-unread"]
    assert (finding.level, finding.examples) == ("warning", ("images/0.jpg: 3",))


def test_detection_classes_that_look_alike(tmp_path: Path) -> None:
    categories = [{"id": 7, "name": "box"}, {"id": 8, "name": "Box"}, {"id": 9, "name": "BOX"}]
    annotations = [annotation(0), annotation(1, category_id=8)]
    _, findings = opened(coco(tmp_path, categories=categories, annotations=annotations))
    assert findings["labels-alike"].examples == ("'Box' (1) and 'box' (1)",)


def test_detection_names_with_an_underscore(tmp_path: Path) -> None:
    """As Roboflow writes them, and cameras."""
    for split in ("train", "valid"):
        pictures(tmp_path / "darknet" / split, "_MG_0.jpg")
        write(tmp_path / "darknet" / split / "_MG_0.txt", YOLO_LINE)
        write(tmp_path / "darknet" / split / "_darknet.labels", "disc\nbox\n")
        coco(tmp_path / "coco" / split, "_annotations.coco.json")
    found, _ = by_split(tmp_path / "darknet")
    assert found == {"train": ["train/_MG_0.jpg"], "validation": ["valid/_MG_0.jpg"]}
    found, _ = by_split(tmp_path / "coco")
    assert {name: len(ids) for name, ids in found.items()} == {"train": 3, "validation": 3}


def test_detection_crowd(tmp_path: Path) -> None:
    source, findings = opened(coco(tmp_path, annotations=[annotation(0, iscrowd=1)]))
    assert source[0].target == (Annotation("box", BOX, crowd=True),)
    assert source[0].target[0].ignored
    assert not findings


def test_detection_picture_missing(tmp_path: Path) -> None:
    coco(tmp_path)
    (tmp_path / "images/1.jpg").unlink()
    source, findings = opened(tmp_path)
    assert "the picture is missing" in str(objects(source)["record 1"])
    assert findings["picture-missing"].count == 1


def test_detection_paths_of_another_machine(tmp_path: Path) -> None:
    names = ["/home/somebody/data/images/0.jpg", "images\\1.jpg", "../images/2.jpg"]
    images = [{"id": place, "file_name": name} for place, name in enumerate(names)]
    source, findings = opened(coco(tmp_path, images=images))
    assert all(objects(source)[f"images/{place}.jpg"] == [("box", BOX)] for place in range(3))
    assert findings["picture-place-guessed"].level == "note"


YOLO_LINE = f"1 {40 / WIDTH} {60 / HEIGHT} {40 / WIDTH} {60 / HEIGHT}\n"


def yolo(folder: Path, *splits: str) -> Path:
    for split in splits:
        pictures(folder / f"images/{split}", "0.jpg")
        write(folder / f"labels/{split}/0.txt", YOLO_LINE)
    return folder


def test_detection_yolo_lists(tmp_path: Path) -> None:
    yolo(tmp_path, "train2017", "val2017")
    for split in ("train2017", "val2017"):
        write(tmp_path / f"{split}.txt", f"./images/{split}/0.jpg\nnotes\n")
    write(tmp_path / "data.yaml", "train: train2017.txt\nval: val2017.txt\nnames: [disc, box]\n")
    found, findings = by_split(tmp_path)
    assert found == {"train": ["images/train2017/0.jpg"], "validation": ["images/val2017/0.jpg"]}
    assert findings["line-left-out"].count == 1
    source, _ = opened(tmp_path / "train2017.txt")
    assert objects(source) == {"images/train2017/0.jpg": [("1", BOX)]}


def test_detection_yaml_of_any_name(tmp_path: Path) -> None:
    write(
        yolo(tmp_path, "train", "val") / "shapes.yml", "train: images/train\nnames: [disc, box]\n"
    )
    write(tmp_path / "docker-compose.yaml", "services: {web: {image: x}}\n")
    source, findings = opened(tmp_path)
    assert objects(source) == {"images/train/0.jpg": [("box", BOX)]}
    assert not findings


def test_detection_yaml_takes_no_time(tmp_path: Path) -> None:
    letters = "abcdefghi"
    lines = ["a: &a [x, x]"] + [
        f"{after}: &{after} [{', '.join(['*' + before] * 9)}]"
        for before, after in itertools.pairwise(letters)
    ]
    write(yolo(tmp_path, "train") / "data.yaml", "\n".join([*lines, "names: *i", "train: images"]))
    begun = time.process_time()
    with pytest.raises(DataError, match="aliases"):
        opened(tmp_path)
    write(tmp_path / "data.yaml", "names: " + "[" * 4000)
    with pytest.raises(DataError, match="nested deeper"):
        opened(tmp_path)
    # Far more than it takes, far less than the minutes that it took.
    assert time.process_time() - begun < 20


def test_detection_darknet(tmp_path: Path) -> None:
    yolo(tmp_path, "train", "val")
    for split in ("train", "val"):
        write(tmp_path / f"{split}.txt", f"images/{split}/0.jpg\n")
    write(tmp_path / "obj.names", "disc\nbox\n")
    write(
        tmp_path / "obj.data",
        "classes = 2\ntrain = train.txt\nvalid = val.txt\nnames = obj.names\nbackup = backup/\n",
    )
    found, _ = by_split(tmp_path)
    assert found == {"train": ["images/train/0.jpg"], "validation": ["images/val/0.jpg"]}


def test_detection_extra_split(tmp_path: Path) -> None:
    write(yolo(tmp_path, "train", "test", "extra") / "classes.txt", "disc\nbox\n")
    found, findings = by_split(tmp_path)
    trained = set(found["train"]) | set(found.get("validation", []))
    assert trained == {"images/train/0.jpg", "images/extra/0.jpg"}
    assert found["test"] == ["images/test/0.jpg"]
    assert findings["split-guessed"].examples == (str(tmp_path / "images/extra"),)


def test_detection_split_without_labels(tmp_path: Path) -> None:
    write(yolo(tmp_path, "train", "val") / "classes.txt", "disc\nbox\n")
    pictures(tmp_path / "images/test", "9.jpg")
    found, findings = by_split(tmp_path)
    assert set(found) == {"train", "validation"}
    assert findings["picture-without-annotations"].level == "warning"
    write(tmp_path / "data.yaml", "train: images/train\ntest: images/test\nnames: [disc, box]\n")
    assert by_split(tmp_path)[1]["split-without-annotations"].level == "warning"


def test_detection_class_names_in_latin_1(tmp_path: Path) -> None:
    write(yolo(tmp_path, "train") / "classes.txt", "disc\nb\xe9b\xe9\n".encode("latin-1"))
    source, findings = opened(tmp_path)
    assert objects(source) == {"images/train/0.jpg": [("b\xe9b\xe9", BOX)]}
    assert findings["encoding-guessed"].level == "warning"
    pictures(tmp_path / "table/images", "0.jpg")
    rows = f"image,xmin,ymin,xmax,ymax,class\n0.jpg,20,30,60,90,{'犬と猫のえさ'}\n"
    (tmp_path / "table/boxes.csv").write_bytes(rows.encode("shift_jis"))
    source, findings = opened(tmp_path / "table")
    assert objects(source) == {"images/0.jpg": [("犬と猫のえさ", BOX)]}
    assert "cp932" in findings["encoding-guessed"].message


def test_detection_classes_without_names(tmp_path: Path) -> None:
    source, findings = opened(yolo(tmp_path, "train"))
    assert objects(source) == {"images/train/0.jpg": [("1", BOX)]}
    assert findings["classes-without-names"].level == "warning"


def test_detection_files_without_partner(tmp_path: Path) -> None:
    write(yolo(tmp_path, "train") / "classes.txt", "disc\nbox\n")
    write(tmp_path / "labels/train/8.txt", YOLO_LINE)
    pictures(tmp_path / "images/train", "9.jpg")
    source, findings = opened(tmp_path)
    assert objects(source)["images/train/9.jpg"] == []
    assert findings["annotation-without-picture"].count == 1
    assert findings["picture-without-annotations"].examples == ("images/train/9.jpg",)


def test_detection_class_names_as_written(tmp_path: Path) -> None:
    """Words that YAML takes for something else, empty names, and a name of two numbers."""
    lines = "".join(YOLO_LINE.replace("1", str(number), 1) for number in (0, 1))
    write(yolo(tmp_path, "train") / "labels/train/0.txt", lines)
    write(tmp_path / "data.yaml", "train: images/train\nnames: [no, 007]\n")
    assert objects(opened(tmp_path)[0]) == {"images/train/0.jpg": [("no", BOX), ("007", BOX)]}
    write(tmp_path / "data.yaml", "train: images/train\nnames: [box, ~]\n")
    assert "class 1 is unknown" in str(objects(opened(tmp_path)[0]))
    write(tmp_path / "data.yaml", "train: images/train\nnames: [box, box]\n")
    assert opened(tmp_path)[1]["categories-share-a-name"].examples == ("box",)
    write(tmp_path / "data.yaml", "train: images/train\nnames: disc, box\n")
    with pytest.raises(DataError, match="there is no file 'disc, box'"):
        opened(tmp_path)
    (tmp_path / "data.yaml").unlink()
    write(tmp_path / "classes.txt", "\nbox\n\n")
    write(tmp_path / "labels/train/0.txt", YOLO_LINE)
    assert objects(opened(tmp_path)[0]) == {"images/train/0.jpg": [("box", BOX)]}


def test_detection_yolo_outlines_and_keypoints(tmp_path: Path) -> None:
    outline = f"1 {20 / WIDTH} .5 {60 / WIDTH} .25 {60 / WIDTH} .75\n"
    write(yolo(tmp_path, "train") / "labels/train/0.txt", outline)
    write(tmp_path / "data.yaml", "train: images/train\nnames: [disc, box]\n")
    assert objects(opened(tmp_path)[0]) == {"images/train/0.jpg": [("box", BOX)]}
    write(tmp_path / "labels/train/0.txt", YOLO_LINE.strip() + " 0.1 0.1 0.9 0.9\n")
    write(tmp_path / "data.yaml", "train: images/train\nnames: [disc, box]\nkpt_shape: [2, 2]\n")
    assert objects(opened(tmp_path)[0]) == {"images/train/0.jpg": [("box", BOX)]}


def voc(width: int = WIDTH) -> str:
    return (
        f"<annotation><size><width>{width}</width><height>{HEIGHT}</height></size><object>"
        "<name>box</name><bndbox><xmin>21</xmin><ymin>31</ymin><xmax>60</xmax><ymax>90</ymax>"
        "</bndbox></object></annotation>"
    )


@pytest.mark.parametrize(
    ("images", "annotations"),
    [("images", "annotations"), ("JPEGImages", "Annotations"), ("Images", "annotations/xmls")],
)
def test_detection_voc_in_any_spelling(tmp_path: Path, images: str, annotations: str) -> None:
    pictures(tmp_path / images, "0.jpg", "1.jpg")
    write(tmp_path / annotations / "0.xml", voc(0))
    source, findings = opened(tmp_path)
    assert objects(source) == {f"{images}/0.jpg": [("box", BOX)]}
    assert findings["picture-without-annotations"].count == 1


def test_detection_voc_lists(tmp_path: Path) -> None:
    pictures(tmp_path / "JPEGImages", "0.jpg", "1.jpg")
    for number in range(2):
        write(tmp_path / f"Annotations/{number}.xml", voc())
    pictures(tmp_path / "JPEGImages", "a b.jpg")
    write(tmp_path / "Annotations/a b.xml", voc())
    write(tmp_path / "ImageSets/Main/train.txt", "0 1\na b\n")
    write(tmp_path / "ImageSets/Main/test.txt", "JPEGImages/1.jpg\n")
    found, _ = by_split(tmp_path)
    assert found["test"] == ["JPEGImages/1.jpg"]
    source, findings = opened(tmp_path)
    assert not findings
    assert list(objects(source).values()) == [[("box", BOX)]] * 3


def test_detection_labelme(tmp_path: Path) -> None:
    pictures(tmp_path, "0.jpg", "1.jpg")
    kinds = {
        "rectangle": [[60, 90], [20, 30]],
        "polygon": [[20, 30], [60, 30], [40, 90]],
        "circle": [[40, 60], [40, 40]],
    }
    shapes = [
        {"label": kind, "points": points, "shape_type": kind} for kind, points in kinds.items()
    ]
    write(tmp_path / "0.json", {"shapes": shapes, "imageWidth": WIDTH, "imageHeight": HEIGHT})
    point = {"label": "nose", "points": [[5, 5]], "shape_type": "point"}
    write(tmp_path / "1.json", {"shapes": [*shapes, point]})
    source, findings = opened(tmp_path)
    found = objects(source)
    assert found["0.jpg"] == [
        ("rectangle", BOX), ("polygon", BOX), ("circle", (20.0, 40.0, 60.0, 80.0)),
    ]  # fmt: skip
    assert "a point has no box" in str(found["record 1"])
    assert findings["annotation-unusable"].count == 1
    sorted_keys = {"flags": {}, "imageData": "A" * 100_000, "shapes": shapes}
    write(tmp_path / "1.json", sorted_keys)
    (tmp_path / "0.json").unlink()
    assert len(objects(opened(tmp_path)[0])["1.jpg"]) == 3


ROWS = {
    "filename,width,height,class,xmin,ymin,xmax,ymax": "0.jpg,160,120,box,20,30,60,90",
    "image_path;x_min;y_min;x_max;y_max;label": "images/0.jpg;20;30;60;90;box",
    "image,x,y,w,h,label": "0.jpg,20,30,40,60,box",
    "image_id,label,bbox_x,bbox_y,bbox_width,bbox_height": "0,box,20,30,40,60",
    "file,x_center,y_center,width,height,name": "0.jpg,40,60,40,60,box",
}


LISTED = {"images/0.jpg": [("box", BOX)], "images/1.jpg": [], "images/2.jpg": [("7", BOX)]}


def test_detection_createml(tmp_path: Path) -> None:
    sides = {"x": 40, "y": 60, "width": 40, "height": 60}
    entries = [
        {"image": "0.jpg", "annotations": [{"label": "box", "coordinates": sides}]},
        {"image": "1.jpg", "annotations": []},
        {"image": "2.jpg", "annotations": [{"label": 7, "coordinates": sides}]},
        {"image": "3.jpg", "annotations": [{"label": "box", "coordinates": {"x": 1}}]},
    ]
    pictures(tmp_path / "a/images", "0.jpg", "1.jpg", "2.jpg", "3.jpg")
    write(tmp_path / "a/anything.json", entries)
    source, findings = opened(tmp_path / "a")
    found = objects(source)
    assert "four finite numbers" in str(found.pop("record 3"))
    assert found == LISTED
    assert findings["annotation-unusable"].count == 1
    assert "images/0.jpg" in objects(opened(tmp_path / "a/anything.json")[0])
    for split in ("train", "valid"):  # as Roboflow exports it
        pictures(tmp_path / "b" / split, "0.jpg")
        write(tmp_path / f"b/{split}/_annotations.createml.json", entries[:1])
    splits, _ = by_split(tmp_path / "b")
    assert (splits["train"], splits["validation"]) == (["train/0.jpg"], ["valid/0.jpg"])
    write(tmp_path / "a/anything.json", [{"image": "nowhere.jpg", "annotations": []}])
    with pytest.raises(DataError, match=r"none of the pictures .* such as nowhere\.jpg"):
        opened(tmp_path / "a")


def test_detection_via(tmp_path: Path) -> None:
    def region(attributes: Any, **shape: Any) -> dict[str, Any]:
        return {"shape_attributes": shape, "region_attributes": attributes}

    rectangle = {"name": "rect", "x": 20, "y": 30, "width": 40, "height": 60}
    polygon = {"name": "polygon", "all_points_x": [20, 60, 40], "all_points_y": [30, 90, 60]}
    entries = {
        "0.jpg9": {"filename": "0.jpg", "regions": [region({"kind": "box"}, **rectangle)]},
        "1.jpg9": {"filename": "1.jpg", "regions": {}},
        "2.jpg9": {
            "filename": "2.jpg",
            "regions": {"0": region({"size": "x", "Label": "7"}, **polygon)},
        },
        "3.jpg9": {"filename": "3.jpg", "regions": [region({"kind": "box"}, name="point")]},
        "4.jpg9": {"filename": "4.jpg", "regions": [region({}, **rectangle)]},
        "5.jpg9": {
            "filename": "5.jpg",
            "regions": [
                region({"type": {"box": True, "disc": False}}, name="circle", cx=50, cy=50, r=10)
            ],
        },
    }
    pictures(tmp_path / "images", *(f"{place}.jpg" for place in range(6)))
    for document in (entries, {"_via_settings": {}, "_via_img_metadata": entries}):
        write(tmp_path / "via.json", document)
        found = objects(opened(tmp_path)[0])
        assert "a point has no box" in str(found.pop("record 3"))
        assert "it has no label" in str(found.pop("record 4"))
        assert found == {**LISTED, "images/5.jpg": [("box", (40.0, 40.0, 60.0, 60.0))]}


def test_detection_cvat(tmp_path: Path) -> None:
    corners = 'xtl="20" ytl="30" xbr="60" ybr="90"'
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    text = f"""<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
      <image id="0" name="0.jpg" {size} subset="Train"><box label="box" occluded="0" {corners}>
        <attribute name="colour">red</attribute></box></image>
      <image id="1" name="1.jpg" {size} subset="Train"><tag label="empty"/></image>
      <image id="2" name="2.jpg" {size} subset="Validation">
        <polygon label="7" points="20,30;60.0,90;40,60"/></image>
      <image id="3" name="3.jpg" {size} subset="Validation">
        <polyline label="box" points="20,30;60,90"/></image>
      <image id="4" name="4.jpg" width="9" height="9"><box label="box" {corners}/></image>
      <image id="5" name="5.jpg" {size}><box label="box" rotation="90" {corners}/></image>
    </annotations>"""
    pictures(tmp_path / "images", *(f"{place}.jpg" for place in range(6)))
    write(tmp_path / "annotations.xml", text)
    splits, _ = by_split(tmp_path)
    assert "images/2.jpg" in splits["validation"] and "images/2.jpg" not in splits["train"]
    found = objects(opened(tmp_path)[0])
    failed = [str(found.pop(name)) for name in list(found) if name.startswith("record")]
    assert any("a shape of the kind polyline has no box" in one for one in failed)
    assert any("is about a picture of 9x9" in one for one in failed)
    assert found == {**LISTED, "images/5.jpg": [("box", (10.0, 40.0, 70.0, 80.0))]}
    write(tmp_path / "annotations.xml", text.replace("<annotations>", "<annotations><track/>", 1))
    with pytest.raises(DataError, match="annotations of a video"):
        opened(tmp_path)
    bomb = '<!DOCTYPE a [<!ENTITY b "cccc">]><annotations><version>1</version>&b;</annotations>'
    write(tmp_path / "annotations.xml", bomb)
    with pytest.raises(DataError, match="declares a document type"):
        opened(tmp_path)
    write(tmp_path / "annotations.xml", text[:400])
    with pytest.raises(DataError, match="is not valid XML"):
        opened(tmp_path)


def test_detection_metadata_objects(tmp_path: Path) -> None:
    box = [20, 30, 40, 60]
    rows = [
        {"file_name": "0.jpg", "objects": {"bbox": [box], "categories": ["box"]}},
        {"file_name": "1.jpg", "objects": {"bbox": [], "categories": []}},
        {"file_name": "2.jpg", "objects": [{"bbox": box, "category": 7}]},
        {"file_name": "3.jpg", "objects": {"bbox": [box, box], "categories": [1]}},
    ]
    pictures(tmp_path / "images", *(f"{place}.jpg" for place in range(4)))
    write(tmp_path / "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    found = objects(opened(tmp_path)[0])
    assert "of the same length" in str(found.pop("record 3"))
    assert found == LISTED
    write(tmp_path / "metadata.jsonl", json.dumps(rows[0]) + '\n{"file_name": "1.j')
    with pytest.raises(DataError, match="line 2 is not JSON"):
        opened(tmp_path)


@pytest.mark.parametrize("header", ROWS)
def test_detection_table_of_boxes(tmp_path: Path, header: str) -> None:
    pictures(tmp_path / "images", "0.jpg", "1.jpg")
    write(tmp_path / "annotations.csv", f"{header}\n{ROWS[header]}\n")
    source, findings = opened(tmp_path)
    assert objects(source) == {"images/0.jpg": [("box", BOX)]}
    assert findings["boxes-read-as"].level == "note"


def test_detection_table_without_header(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "0.jpg", "1.jpg")
    write(tmp_path / "train.csv", "images/0.jpg,20,30,60,90,box\nimages/1.jpg,,,,,\n")
    write(tmp_path / "classes.csv", "box,0\n")
    source, findings = opened(tmp_path)
    assert objects(source) == {"images/0.jpg": [("box", BOX)], "images/1.jpg": []}
    assert findings["header-missing"].level == "note"


def test_detection_table_in_parts_of_the_sides(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "abc.jpg")
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf"
    row = "abc,xclick,/m/01,1,0.125,0.375,0.25,0.75,0,1"
    write(tmp_path / "train-annotations-bbox.csv", f"{header}\n{row}\n")
    write(tmp_path / "class-descriptions-boxable.csv", "/m/01,box\n/m/02,disc\n")
    source, _ = opened(tmp_path)
    assert source[0].target == (Annotation("box", BOX, crowd=True),)
    outside = row.replace("0.375", "1.5").replace("abc", "def")
    pictures(tmp_path / "images", "def.jpg")
    write(tmp_path / "train-annotations-bbox.csv", f"{header}\n{row}\n{row}\n{outside}\n")
    source, findings = opened(tmp_path)
    assert source[0].target == (Annotation("box", BOX, crowd=True),)
    assert findings["annotation-contradicts-picture"].count == 1


def test_detection_table_of_one_class(tmp_path: Path) -> None:
    pictures(tmp_path / "train", "0.jpg")
    write(tmp_path / "boxes.csv", 'image_id,width,height,bbox\n0,160,120,"[20, 30, 40, 60]"\n')
    source, findings = opened(tmp_path)
    assert objects(source) == {"train/0.jpg": [("object", BOX)]}
    assert findings["classes-without-names"].level == "warning"


def test_detection_table_with_bad_rows(tmp_path: Path) -> None:
    pictures(tmp_path, "0.jpg", "1.jpg", "2.jpg")
    rows = ["image,x,y,w,h,label", "0.jpg,20,30,40,60,box", "1.jpg,20,30,x,60,box"]
    rows += ["1.jpg,20,30,40,60,box", "2.jpg,20,30,40,60,", ",20,30,40,60,box"]
    write(tmp_path / "boxes.csv", "\n".join(rows))
    source, findings = opened(tmp_path)
    assert list(objects(source)) == ["0.jpg", "record 1", "record 2"]
    assert findings["annotation-unusable"].count == 2
    assert findings["annotation-without-picture"].examples == ("boxes.csv:6",)
    rows = ["image,x,y,w,h,label,split", "0.jpg,1,1,9,9,box,train", "0.jpg,20,30,40,60,box,test"]
    write(tmp_path / "boxes.csv", "\n".join([*rows, "1.jpg,1,1,9,9,box,test"]))
    assert "name several splits (train, test)" in str(objects(opened(tmp_path)[0])["record 0"])


def test_detection_table_for_each_split(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "0.jpg", "1.jpg")
    header = next(iter(ROWS))
    for split, number in (("train", 0), ("test", 1)):
        row = ROWS[header].replace("0.jpg", f"{number}.jpg")
        write(tmp_path / f"{split}_labels.csv", f"{header}\n{row}\n")
    found, _ = by_split(tmp_path)
    assert found["test"] == ["images/1.jpg"]


def test_detection_folder_in_a_folder(tmp_path: Path) -> None:
    source, _ = opened(coco(tmp_path / "unpacked").parent)
    assert objects(source)["unpacked/images/0.jpg"] == [("box", BOX)]


def test_detection_no_annotations(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "0.jpg")
    write(tmp_path / "notes.json", {"a": 1})
    source, findings = opened(tmp_path)
    assert source[0].target is None
    assert findings["annotations-missing"].examples == ("notes.json",)


def test_detection_prediction_needs_no_annotations(tmp_path: Path) -> None:
    folder = coco(tmp_path, annotations=[annotation(0, bbox=None)])
    findings = Findings()
    source = open_source(folder, roles=without_objects(COLUMNS), findings=findings)
    assert [source[index].id for index in range(3)] == [f"images/{place}.jpg" for place in range(3)]
    assert not len(findings)


def test_detection_damaged_where_no_task_is_named(tmp_path: Path) -> None:
    """The pictures are looked at without objects, and that is said."""
    write(coco(tmp_path) / "annotations.json", '{"images": [')
    findings = Findings()
    assert objects_in(tmp_path, {}, findings) is None
    (found,) = findings
    assert (found.code, found.level) == ("annotations-unusable", "warning")
    assert "annotations.json" in found.message
