"""ImageNet as it lies on disks: folders of synsets, validation truth, Kaggle's tree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat  # type: ignore[import-untyped]

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources import ColumnSpec, open_source, open_splits, target_counts
from anysize.sources.imagenet.class_names import LARGEST, near
from anysize.sources.imagenet.kit import read_meta
from anysize.sources.inputs import open_split

IMAGE = ColumnSpec(role="image", kind="image", names=("image", "path"))
LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)
TEXT = ColumnSpec(role="text", kind="text", names=("text",))
COLUMNS = [IMAGE, LABEL]

VAL = "ILSVRC2012_val_0000000"


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def rows(source: Source | None) -> list[tuple[str, str | None]]:
    assert source is not None
    return [(record.id, record.target) for record in (source[i] for i in range(len(source)))]


def test_folders_of_synsets_get_names(tmp_path: Path) -> None:
    tree(tmp_path, "train/n01440764/b.JPEG", "train/n01440764/a.JPEG", "train/n03126707/c.JPEG",
         "val/n01440764/d.JPEG", "train/n01440764/boxes.txt")  # fmt: skip
    (tmp_path / "noisy.csv").write_text("path,other\ntrain/n01440764/a.JPEG,x\n")
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert rows(splits.train) == [
        ("train/n01440764/a.JPEG", "tench"),
        ("train/n01440764/b.JPEG", "tench"),
        ("train/n03126707/c.JPEG", "crane (n03126707)"),
    ]
    assert rows(splits.validation) == [("val/n01440764/d.JPEG", "tench")]
    assert splits.test is None
    assert splits.how == "folders"
    assert len(open_source(tmp_path, roles=COLUMNS)) == 4
    inner = open_source(tmp_path / "train", roles=COLUMNS)
    assert target_counts(inner) == {"crane (n03126707)": 1, "tench": 2}


def test_one_folder_of_synsets_is_divided_by_hash(tmp_path: Path) -> None:
    tree(tmp_path, *(f"n0144076{i % 4}/{i}.JPEG" for i in range(40)))
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert splits.how == "hash"
    assert sum(len(part) for part in (splits.train, splits.validation, splits.test) if part) == 40


def test_validation_is_what_is_measured_where_there_is_no_test_part(tmp_path: Path) -> None:
    tree(tmp_path, "train/n01440764/a.JPEG", "val/n01440764/d.JPEG")
    chosen = open_split(tmp_path, None, roles=COLUMNS, columns={}, encoding="utf-8").source
    assert rows(chosen) == [("val/n01440764/d.JPEG", "tench")]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("LOC_synset_mapping.txt", "n01440764 fish, Tinca tinca\nn03126707 crane\n", "fish"),
        ("synset_words.txt", "n01440764 fish\nn03126707 crane\n", "fish"),
        ("imagenet_class_index.json", json.dumps({"0": ["n01440764", "my_fish"]}), "my fish"),
        ("map_clsloc.txt", "n01440764 449 my_fish\n", "my fish"),
        ("words.txt", "n01440764\tfish, tench\nv00001740\tbreathe\n", "fish"),
    ],
)
def test_names_come_from_the_files_beside_the_data(
    tmp_path: Path, name: str, text: str, word: str
) -> None:
    tree(tmp_path, "Data/CLS/train/n01440764/a.JPEG", "Data/CLS/train/n03126707/a.JPEG")
    (tmp_path / name).write_text(text)
    source = open_source(tmp_path / "Data/CLS/train", roles=COLUMNS)
    before = source.fingerprint()
    assert [target for _, target in rows(source)] == [word, "crane (n03126707)"]
    (tmp_path / name).write_text(text.replace("fish", "trout"))
    assert source.fingerprint() != before


def test_a_damaged_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "synset_words.txt").write_text("n01440764 tench\ntench n01440764\n")
    with pytest.raises(DataError, match=r"synset_words.txt:2: must be a synset and its name"):
        near(tmp_path)
    (tmp_path / "synset_words.txt").write_bytes(b"n01440764 \xff\n")
    with pytest.raises(DataError, match="not UTF-8 at byte 10"):
        near(tmp_path)
    (tmp_path / "synset_words.txt").unlink()
    for text in ("[1]", '{"1": ["n01440764", "tench"]}', '{"0": 3}', "{"):
        (tmp_path / "imagenet_class_index.json").write_text(text)
        with pytest.raises(DataError, match="numbered from 0 without gaps"):
            near(tmp_path)


def kaggle(root: Path) -> Path:
    inner = "ILSVRC/Data/CLS-LOC"
    tree(root, f"{inner}/train/n01440764/a.JPEG", f"{inner}/val/{VAL}1.JPEG",
         f"{inner}/val/{VAL}2.JPEG", f"{inner}/test/ILSVRC2012_test_00000001.JPEG",
         "ILSVRC/Annotations/CLS-LOC/val/x.xml")  # fmt: skip
    (root / "LOC_val_solution.csv").write_text(
        f"ImageId,PredictionString\n{VAL}2,n01440764 1 2 3 4 n03126707 1 2 3 4 \n"
        f"{VAL}1,n01443537 5 6 7 8 \n"
    )
    (root / "LOC_train_solution.csv").write_text("ImageId,PredictionString\na,n01440764 1 2 3 4\n")
    return root


def test_the_tree_of_kaggle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    splits = open_splits(kaggle(tmp_path), roles=COLUMNS)
    inner = "ILSVRC/Data/CLS-LOC"
    assert rows(splits.train) == [(f"{inner}/train/n01440764/a.JPEG", "tench")]
    assert rows(splits.validation) == [
        (f"{inner}/val/{VAL}1.JPEG", "goldfish"),
        (f"{inner}/val/{VAL}2.JPEG", "tench"),
    ]
    assert splits.test is None
    assert "test is left out, because its classes are not known" in caplog.text
    assert len(open_source(tmp_path, roles=COLUMNS)) == 3
    alone = open_source(tmp_path / inner / "val", roles=COLUMNS)
    assert [target for _, target in rows(alone)] == ["goldfish", "tench"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("val.txt", f"{VAL}1.JPEG 1\n{VAL}2.JPEG 0\n"),
        ("imagenet_2012_validation_synset_labels.txt", "n01443537\nn01440764\n"),
        ("ILSVRC2012_validation_ground_truth.txt", "2\n1\n"),
    ],
)
def test_the_truth_of_validation_pictures(tmp_path: Path, name: str, text: str) -> None:
    tree(tmp_path, "train/n01440764/a.JPEG", f"val/{VAL}1.JPEG", f"val/{VAL}2.JPEG")
    folder = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    place = folder if "ground_truth" in name else tmp_path
    (place / name).write_text(text)
    (tmp_path / "map_clsloc.txt").write_text("n01440764 1 tench\nn01443537 2 goldfish\n")
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert [target for _, target in rows(splits.validation)] == ["goldfish", "tench"]


def test_truth_that_cannot_be_understood_is_refused(tmp_path: Path) -> None:
    root = tree(tmp_path, "train/n01440764/a.JPEG", f"val/{VAL}1.JPEG")
    (root / "val.txt").write_text(f"{VAL}1.JPEG 1000\n")
    with pytest.raises(DataError, match=r"val.txt:1: there is no class 1000; they go to 999"):
        open_splits(root, roles=COLUMNS)
    (root / "val.txt").write_text(f"{VAL}1.JPEG fish\n")
    with pytest.raises(DataError, match="must give a synset or a class number"):
        open_splits(root, roles=COLUMNS)
    (root / "val.txt").unlink()
    (root / "ILSVRC2012_validation_ground_truth.txt").write_text("490\n")
    with pytest.raises(DataError, match=r"which only meta.mat or map_clsloc.txt of"):
        open_splits(root, roles=COLUMNS)


KIT = Path("ILSVRC2012_devkit_t12", "data")


def validation_with_kit(root: Path, truth: str) -> Path:
    """Two validation pictures, and the kit's folder with their truth; its meta.mat is to come."""
    tree(root, "train/n01440764/a.JPEG", f"val/{VAL}1.JPEG", f"val/{VAL}2.JPEG")
    (root / KIT).mkdir(parents=True)
    (root / KIT / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    return root / KIT / "meta.mat"


def synsets_of(*rows: tuple[int, str, str]) -> np.ndarray:
    """What the challenge's meta.mat holds, with the fields that matter and one that does not."""
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("children", "O")]
    found = np.empty((len(rows), 1), dtype=kinds)
    for place, (number, synset, words) in enumerate(rows):
        found[place, 0] = (np.array([[number]]), synset, words, np.zeros((1, 2)))
    return found


FISH = synsets_of((1, "n01440764", "tench, Tinca"), (2, "n01443537", "goldfish"),
                  (1001, "n01317541", "animal"))  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True])
def test_the_truth_by_the_numbers_of_meta_mat(tmp_path: Path, compressed: bool) -> None:
    meta = validation_with_kit(tmp_path, "2\n1\n")
    savemat(meta, {"synsets": FISH}, do_compression=compressed)
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert [target for _, target in rows(splits.validation)] == ["goldfish", "tench"]


def test_one_class_in_meta_mat_is_a_structure_alone(tmp_path: Path) -> None:
    savemat(tmp_path / "meta.mat", {"synsets": FISH[:1]})
    assert read_meta(tmp_path / "meta.mat") == {1: "n01440764"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"others": np.zeros(2)}, "is not the challenge's"),
        ({"synsets": np.zeros(2)}, "is not the challenge's"),
        ({"synsets": synsets_of((1, "fish", "fish"))}, "has 'fish' for a synset"),
        (
            {"synsets": synsets_of((1, "n01440764", "a"), (1, "n01443537", "b"))},
            "is not the challenge's",
        ),
    ],
)
def test_a_meta_mat_of_other_content_is_refused(
    tmp_path: Path, content: dict[str, np.ndarray], message: str
) -> None:
    savemat(validation_with_kit(tmp_path, "2\n1\n"), content)
    with pytest.raises(DataError, match=f"meta.mat.*{message}"):
        open_splits(tmp_path, roles=COLUMNS)


def test_a_damaged_meta_mat_is_one_data_error(tmp_path: Path) -> None:
    path = tmp_path / "meta.mat"
    for compressed in (False, True):
        savemat(path, {"synsets": FISH}, do_compression=compressed)
        whole = path.read_bytes()
        random = np.random.default_rng(0)
        damaged = [whole[:size] for size in range(0, len(whole), 37)]
        for _ in range(60):
            changed = bytearray(whole)
            changed[random.integers(128, len(whole))] = random.integers(256)
            damaged.append(bytes(changed))
        refused = 0
        for content in damaged:
            path.write_bytes(content)
            try:
                synsets = read_meta(path)
            except DataError:
                refused += 1
            else:
                assert synsets  # a byte of a name, or of padding
        assert refused > len(damaged) / 4


def test_a_meta_mat_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "meta.mat"
    savemat(path, {"synsets": np.zeros(LARGEST // 8 + 1)}, do_compression=True)
    assert path.stat().st_size < LARGEST // 100
    with pytest.raises(DataError, match="it unpacks to more bytes"):
        read_meta(path)


def test_tiny_imagenet(tmp_path: Path) -> None:
    tree(tmp_path, "train/n01443537/images/n01443537_0.JPEG", "val/images/val_0.JPEG",
         "test/images/test_0.JPEG")  # fmt: skip
    (tmp_path / "val/val_annotations.txt").write_text("val_0.JPEG\tn03444034\t0\t32\t44\t62\n")
    (tmp_path / "words.txt").write_text("n03444034\tgo-kart\nn01443537\tgoldfish, Carassius\n")
    splits = open_splits(tmp_path, roles=COLUMNS)
    assert [target for _, target in rows(splits.train)] == ["goldfish"]
    assert [target for _, target in rows(splits.validation)] == ["go-kart"]
    assert splits.test is None


def test_other_data_is_left_to_others(tmp_path: Path) -> None:
    root = tree(tmp_path, "cat/1.jpg", "n01440764/2.jpg", "val_1.jpg")
    assert target_counts(open_source(root, roles=COLUMNS)) == {"cat": 1, "n01440764": 1}
    texts = tree(tmp_path / "texts", "n01440764/1.txt")
    assert open_source(texts, roles=[TEXT, LABEL])[0].target == "n01440764"
    unlabelled = open_source(tree(tmp_path / "v", f"{VAL}1.JPEG"), roles=COLUMNS)
    assert unlabelled[0].target is None
