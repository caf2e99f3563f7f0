"""Splits and folders: a test for each line of the table in docs/data-layouts.md."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from anysize import tasks
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Finding, Findings
from anysize.core.records import Source
from anysize.sources import open_source, open_splits
from anysize.sources.inputs import Chosen, check_split
from anysize.tasks.understanding import Understood, comparable, understand

TASK = tasks.load("text-classification")
CLASSES = ("bad", "good")


def table(path: Path, rows: int, start: int = 0) -> Path:
    """Different texts, numbered from ``start``, of two classes in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"text number {place},{CLASSES[place % 2]}" for place in range(start, start + rows)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def classes(root: Path, files: int = 4, start: int = 0, suffix: str = ".txt") -> Path:
    """A folder of different texts for each of two classes."""
    for place in range(start, start + files):
        for name in CLASSES:
            path = root / name / f"{place}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} text number {place}")
    return root


def learned(path: Path, **shares: float) -> tuple[Understood, dict[str, Finding]]:
    findings = Findings()
    found = understand(path, TASK, findings=findings, **shares)
    return found, {one.code: one for one in findings}


def sizes(found: Understood) -> dict[str, int]:
    return {name: len(part) for name, part in found.splits.named().items()}


def ids(source: Source | None) -> list[str]:
    assert source is not None
    return [source[index].id for index in range(len(source))]


def texts(source: Source) -> list[str]:
    return [source[index].text("text").read(0, 99) for index in range(len(source))]


@pytest.mark.parametrize("train", ["train", "training", "Training", "trn", "TRAIN", "train_set"])
@pytest.mark.parametrize("test", ["test", "testing", "Testing", "tst", "held-out", "testset"])
def test_split_names(tmp_path: Path, train: str, test: str) -> None:
    table(tmp_path / "tables" / f"{train}.csv", 40)
    table(tmp_path / "tables" / f"{test}.csv", 10, 40)
    classes(tmp_path / "folders" / train, 6)
    classes(tmp_path / "folders" / test, 2, 6)
    for place, held in (("tables", 10), ("folders", 4)):
        found, _ = learned(tmp_path / place, validation=0)
        assert sizes(found) == {"train": {10: 40, 4: 12}[held], "test": held}
        assert found.labels == CLASSES


@pytest.mark.parametrize(
    "name", ["val", "valid", "validation", "dev", "eval", "Evaluation", "reviews_valid"]
)
def test_split_validation_names(tmp_path: Path, name: str) -> None:
    table(tmp_path / "train.csv", 40)
    table(tmp_path / f"{name}.csv", 10, 40)
    assert sizes(learned(tmp_path)[0]) == {"train": 40, "validation": 10}


def test_split_eval_beside_dev(tmp_path: Path) -> None:
    for place, name in enumerate(("train", "dev", "eval")):
        table(tmp_path / f"{name}.csv", 40 - 10 * place, 100 * place)
    assert sizes(learned(tmp_path)[0]) == {"train": 40, "validation": 30, "test": 20}


def test_split_words_in_names(tmp_path: Path) -> None:
    table(tmp_path / "a" / "reviewsTrain2017.csv", 40)
    table(tmp_path / "a" / "reviewsTest2017.csv", 10, 40)
    classes(tmp_path / "b" / "seg_train" / "seg_train", 6)
    classes(tmp_path / "b" / "seg_test" / "seg_test", 2, 6)
    assert sizes(learned(tmp_path / "a", validation=0)[0]) == {"train": 40, "test": 10}
    assert sizes(learned(tmp_path / "b", validation=0)[0]) == {"train": 12, "test": 4}


def test_split_inside_classes(tmp_path: Path) -> None:
    for part, start in (("train", 0), ("test", 10)):
        for name in CLASSES:
            for place in range(start, start + 4):
                path = tmp_path / name / part / f"{place}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{name} text {place}")
    found, _ = learned(tmp_path, validation=0)
    assert sizes(found) == {"train": 8, "test": 8}
    assert found.labels == CLASSES


def test_split_named_class(tmp_path: Path) -> None:
    for name in ("sales", "training", "support"):
        for place in range(8):
            path = tmp_path / name / f"{place}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} text {place}")
    assert learned(tmp_path)[0].labels == ("sales", "support", "training")


def test_split_in_a_wrapping_folder(tmp_path: Path) -> None:
    classes(tmp_path / "archive" / "data" / "train", 6)
    classes(tmp_path / "archive" / "data" / "test", 2, 6)
    assert sizes(learned(tmp_path, validation=0)[0]) == {"train": 12, "test": 4}


def test_split_folder_unlabelled(tmp_path: Path) -> None:
    classes(tmp_path / "train", 6)
    classes(tmp_path / "test", 2, 6)
    (tmp_path / "train" / "unsup").mkdir()
    (tmp_path / "train" / "unsup" / "0.txt").write_text("whatever")
    found, codes = learned(tmp_path, validation=0)
    assert found.labels == CLASSES
    assert codes["folders-unlabelled"].examples == ("unsup",)
    assert "train/unsup/0.txt" in ids(open_source(tmp_path, roles=TASK.columns))


def test_split_part_unlabelled(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", 40)
    (tmp_path / "test.csv").write_text("id,text\n1,anything\n2,else\n")
    (tmp_path / "sample_submission.csv").write_text("id,label\n1,good\n2,good\n")
    found, codes = learned(tmp_path)
    assert sum(sizes(found).values()) == 40
    assert found.splits.how == "hash"
    assert (codes["part-unlabelled"].level, codes["part-unlabelled"].count) == ("warning", 2)
    assert codes["beside-parts"].examples == ("sample_submission.csv",)


def test_split_table_lacks_a_column(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", 40)
    (tmp_path / "prices.csv").write_text("id,price\n1,2\n3,4\n")
    found, codes = learned(tmp_path)
    assert sum(sizes(found).values()) == 40
    assert codes["tables-without-column"].examples == ("prices.csv",)


def test_split_table_twice(tmp_path: Path) -> None:
    path = table(tmp_path / "train.csv", 60)
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    (tmp_path / "train.jsonl").write_text(
        "".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in rows)
    )
    shutil.copy(path, tmp_path / "train (1).csv")
    table(tmp_path / "test.csv", 10, 60)
    found, codes = learned(tmp_path, validation=0)
    assert sizes(found) == {"train": 60, "test": 10}
    assert codes["table-twice"].count == 2


def test_split_beside_parts(tmp_path: Path) -> None:
    classes(tmp_path / "train", 6)
    classes(tmp_path / "test", 2, 6)
    classes(tmp_path / "extra", 2, 8)
    _, codes = learned(tmp_path)
    assert codes["beside-parts"].examples == ("extra",)


def test_split_copies_stay_together(tmp_path: Path) -> None:
    lines = [f"text number {place % 80},{CLASSES[place % 2]}" for place in range(640)]
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    found, codes = learned(path)
    held = [set(texts(part)) for part in found.splits.named().values()]
    assert len(held) == 3
    assert sum(map(len, held)) == 80
    assert (codes["copies"].level, codes["copies"].count) == ("warning", 560)
    # Of folders, whatever the files are called.
    for place in range(120):
        below = tmp_path / "folders" / CLASSES[place % 2] / f"{place}.txt"
        below.parent.mkdir(parents=True, exist_ok=True)
        below.write_text(f"{place // 2 % 40} {CLASSES[place % 2]}")
    parts = learned(tmp_path / "folders")[0].splits.named().values()
    assert sum(len(set(texts(part))) for part in parts) == 80


def test_split_without_copies_is_by_id(tmp_path: Path) -> None:
    """Data without copies are divided as before, whatever was added since: by a hash of the id."""
    path = table(tmp_path / "a.csv", 400)
    before = open_splits(path, roles=TASK.columns)
    held = {name: set(ids(part)) for name, part in before.named().items()}
    with path.open("a") as file:
        file.write("text number 7,good\n" * 3)
    after = open_splits(path, roles=TASK.columns).named()
    assert {
        name: set(ids(part)) & set().union(*held.values()) for name, part in after.items()
    } == held


def test_split_copies_across_parts(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", 40)
    table(tmp_path / "test.csv", 20, 30)
    _, codes = learned(tmp_path, validation=0)
    assert (codes["copies-across-parts"].level, codes["copies-across-parts"].count) == (
        "warning",
        10,
    )
    splits = open_splits(tmp_path, roles=TASK.columns, validation=0)
    assert splits.test is not None
    chosen = Chosen(source=splits.test, training=splits.train)
    judged = comparable(chosen, TASK, CLASSES, Findings())
    np.testing.assert_array_equal(judged.seen, [True] * 10 + [False] * 10)  # type: ignore[attr-defined]


def test_split_few_different_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "text,label\n" + "".join(f"word {n % 6},{CLASSES[n % 2]}\n" for n in range(300))
    )
    found, codes = learned(path)
    assert min(sizes(found).values()) > 10
    assert "only 6 different ones" in codes["copies"].message


def test_split_very_many_copies(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", 500)
    with path.open("a") as file:
        file.write("same text,good\n" * 200)
    found, _ = learned(path)
    assert found.splits.test is not None
    assert "same text" not in texts(found.splits.test)
    assert len(found.splits.test) < 100


def test_split_that_is_not_there(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", 40)
    table(tmp_path / "test.csv", 10, 40)
    assert check_split(tmp_path, "testing") == "test"
    assert check_split(tmp_path / "train.csv", "dev") == "validation"
    with pytest.raises(ConfigurationError, match="which are train, validation, test, not 'gold'"):
        check_split(tmp_path, "gold")
    (tmp_path / "test.csv").rename(tmp_path / "val.csv")
    with pytest.raises(ConfigurationError, match="which are train, validation, not 'test'"):
        check_split(tmp_path, "test")


def test_folder_files_of_other_kinds(tmp_path: Path) -> None:
    classes(tmp_path, 6)
    for name in ("a.rtf", "b.rtf", "c.odt"):
        (tmp_path / "good" / name).write_bytes(b"x")
    _, codes = learned(tmp_path)
    one = codes["files-passed-over"]
    assert (one.level, one.count, one.unit) == ("warning", 3, "files")
    assert "2 .rtf, 1 .odt" in one.message


def test_folder_class_unread(tmp_path: Path) -> None:
    classes(tmp_path, 6)
    (tmp_path / "ugly").mkdir()
    (tmp_path / "empty").mkdir()
    for place in range(6):
        (tmp_path / "ugly" / f"{place}.odt").write_bytes(b"x")
    _, codes = learned(tmp_path)
    assert (codes["class-folder-unread"].count, codes["class-folder-unread"].level) == (
        6,
        "warning",
    )
    assert "'ugly'" in codes["class-folder-unread"].message
    assert "'empty'" in codes["class-folder-empty"].message


def test_folder_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anysize.sources.parallel.layout.MOST_FILES", 3)
    for name in ("a.en", "a.de", *(f"many/{number}.en" for number in range(4))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a dog\n")
    findings = Findings()
    source = open_source(
        tmp_path, roles=tasks.load("translation").columns,
        columns={"source": "en", "target": "de"}, findings=findings,
    )  # fmt: skip
    assert len(source) == 1
    (found,) = [one for one in findings if one.code == "folder-too-large"]
    assert found.examples == (str(tmp_path / "many"),) and found.count == 1


def test_folder_files_without_suffix(tmp_path: Path) -> None:
    found, codes = learned(classes(tmp_path, 10, suffix=""))
    assert sum(sizes(found).values()) == codes["files-without-suffix"].count == 20


def test_folder_pipes_devices_and_links(tmp_path: Path) -> None:
    root = classes(tmp_path / "data", 6)
    os.mkfifo(root / "good" / "pipe.txt")
    (root / "good" / "zero.txt").symlink_to("/dev/zero")
    (root / "good" / "gone.txt").symlink_to("nowhere")
    (root / "good" / "one").symlink_to("two")
    (root / "good" / "two").symlink_to("one")
    (root / "good" / "self").symlink_to(".")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "good" / "s.txt"))
        findings = Findings()
        found = understand(root, TASK, findings=findings)
    assert sum(sizes(found).values()) == 12
    kinds = {
        one.message.rpartition("(")[2]: one.count for one in findings if one.code == "no-files"
    }
    assert kinds == {
        "named pipe)": 1, "device)": 1, "broken link)": 1, "loop of links)": 3, "socket)": 1,
    }  # fmt: skip
    with pytest.raises(DataError, match="is a pipe or a device"):
        open_source(root / "good" / "pipe.txt", roles=TASK.columns)


def test_folder_names_that_are_not_utf8(tmp_path: Path) -> None:
    root = classes(tmp_path, 6)
    for name in CLASSES:
        path = os.fsencode(root / name) + b"/caf\xe9.txt"
        Path(os.fsdecode(path)).write_text(f"{name} coffee")
    found, _ = learned(root)
    named = [each for part in found.splits.named().values() for each in ids(part)]
    assert "good/caf\\udce9.txt" in named
    assert len(named) == 14
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/t\xe9.csv"))
    assert ids(open_source(table(odd, 2), roles=TASK.columns)) == [
        "t\\udce9.csv:0",
        "t\\udce9.csv:1",
    ]


def test_folder_files_unnamed(tmp_path: Path) -> None:
    """Pictures beside tables that name others, whether the tables are parts or not."""
    images = tasks.load("image-classification").columns
    for name in ("a.png", "sub/b.png", "sub/c.png", "extra.png", "runs/x/shown.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "runs/x/anysize.json").write_text("{}")
    rows = ["a.png,x", "sub\\b.png,y", f"{tmp_path}/sub/c.png,x"]
    for tables in ({"metadata.csv": rows}, {"train.csv": rows[:2], "test.csv": rows[2:]}):
        for name, some in tables.items():
            (tmp_path / name).write_text("\n".join(["file_name,label", *some]))
        findings = Findings()
        open_splits(tmp_path, roles=images, findings=findings)
        found = {one.code: one for one in findings}["files-unnamed"]
        assert (found.level, found.count) == ("warning", len(found.examples))
        assert "extra.png" in found.examples
        assert "a.png" not in found.examples
        for name in tables:
            (tmp_path / name).unlink()


def test_split_part_empty(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", 60)
    table(tmp_path / "test.csv", 0)
    found, codes = learned(tmp_path)
    assert set(sizes(found)) == {"train", "validation"}
    assert codes["part-empty"].level == "warning" and "test part" in codes["part-empty"].message


def test_folder_of_tables_and_more(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        table(tmp_path / name, 40, start=len(name) * 100)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "info.json").write_text("{}")
    (tmp_path / "note.txt").write_text("a note")
    _, codes = learned(tmp_path)
    one = codes["beside-tables"]
    assert (one.level, one.examples) == ("note", ("info.json", "note.txt"))
    table(tmp_path / "more/a.csv", 9)
    (tmp_path / "sheet.xlsx").write_bytes(b"PK")
    (tmp_path / "rest.zip").write_bytes(b"PK")
    _, codes = learned(tmp_path)
    one = codes["beside-tables"]
    assert (one.level, one.count) == ("warning", 5)
    assert {"more/", "rest.zip", "sheet.xlsx"} <= set(one.examples)
    _, codes = learned(tmp_path / "more")
    assert "beside-tables" not in codes


def test_folder_of_tables_inside(tmp_path: Path) -> None:
    table(tmp_path / "2019/a.csv", 40)
    table(tmp_path / "2020/a.csv", 40, start=40)
    with pytest.raises(DataError, match=r"named by a pattern, such as '.*/\*/\*\.csv'"):
        learned(tmp_path)
    whole, _ = learned(tmp_path / "*" / "*.csv")
    assert sum(sizes(whole).values()) == 80
    (tmp_path / "book").mkdir()
    (tmp_path / "book/a.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match="save a sheet as CSV"):
        learned(tmp_path / "book")
