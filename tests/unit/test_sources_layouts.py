"""Folders, splits and subsets."""

from __future__ import annotations

import os
import random
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core import plugins
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.modalities import file_suffixes
from anysize.sources import ColumnSpec, Subset, open_source, open_splits, target_counts
from anysize.sources.division import divide
from anysize.sources.listing import Skipped, natural, sorted_rows, walk
from anysize.sources.stores import ByteRows

TEXT = ColumnSpec(role="text", kind="text", names=("text",))
LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)
NEEDED = ColumnSpec(role="label", kind="target", names=("label",))
IMAGE = ColumnSpec(role="image", kind="image", names=("image",))
QUESTION = ColumnSpec(role="question", kind="text", names=("question",))


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {path.name}")
    return root


def ids(source: Source | None) -> list[str]:
    assert source is not None
    return [source[index].id for index in range(len(source))]


def test_a_folder_per_class(tmp_path: Path) -> None:
    root = tree(
        tmp_path, "dog/10.jpg", "dog/9.JPG", "cat/deep/1.png", "cat/.hidden.jpg", "cat/notes.md",
        "SOURCE.md", "__MACOSX/x.jpg",
    )  # fmt: skip
    source = open_source(root, roles=[IMAGE, NEEDED])
    assert ids(source) == ["cat/deep/1.png", "dog/9.JPG", "dog/10.jpg"]
    assert [source[index].target for index in range(3)] == ["cat", "dog", "dog"]
    assert target_counts(source) == {"cat": 1, "dog": 2}
    assert source[1].fields["image"].origin == str(root / "dog/9.JPG")
    assert source.name == str(root)


def test_folders_are_no_targets_where_these_are_texts(tmp_path: Path) -> None:
    spoken = ColumnSpec(role="text", kind="target", names=("text",), required=False, folders=False)
    root = tree(tmp_path, "84/121/84-121-0000.wav", "85/85-1.wav")
    audio = ColumnSpec(role="audio", kind="audio", names=("audio",))
    source = open_source(root, roles=[audio, spoken])
    assert [source[index].target for index in range(2)] == [None, None]


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (["train/pos/1.txt", "train/neg/2.txt"], "hash"),
        (["train/pos/1.txt", "train/neg/2.txt", "test/pos/3.txt", "test/neg/4.txt"], "folders"),
        ([f"{label}/{number}.txt" for label in ("pos", "neg") for number in range(9)], "hash"),
    ],
)
def test_runs_and_evaluations_beside_the_data_are_no_data(
    tmp_path: Path, data: list[str], how: str
) -> None:
    results = ["eval/metrics.json", "eval/report.html", "run/anysize.json", "run/eval/metrics.json"]
    root = tree(tmp_path, *data, *results, "small/compression.json", "small/compression.html")
    findings = Findings()
    parts = open_splits(root, roles=[TEXT, LABEL], findings=findings)
    assert parts.how == how
    found = {each for part in parts.named().values() for each in ids(part)}
    assert found == set(data)
    (told,) = [one for one in findings if one.code == "folders-results"]
    assert (told.level, told.count, told.examples) == ("note", 3, ("eval", "run", "small"))


def test_texts_in_class_folders(tmp_path: Path) -> None:
    source = open_source(tree(tmp_path, "pos/2.txt", "neg/1.txt"), roles=[TEXT, LABEL])
    assert ids(source) == ["neg/1.txt", "pos/2.txt"]
    assert source[0].text("text").read(0, 99) == "content of 1.txt"


def test_pictures_that_cannot_be_read_are_named_with_a_remedy(tmp_path: Path) -> None:
    root = tree(tmp_path, "a/1.png", "b/1.png", "a/2.heic", "b/2.svg", "b/notes.md")
    findings = Findings()
    open_source(root, roles=[IMAGE, NEEDED], findings=findings)
    (found,) = (one for one in findings if one.code == "files-passed-over")
    assert found.count == 3
    assert found.remedy == "convert what cannot be read (HEIC, SVG) to PNG or JPEG"
    findings = Findings()
    root = tree(tmp_path / "texts", "a/1.txt", "b/1.txt", "a/2.rtf")
    open_source(root, roles=[TEXT, NEEDED], findings=findings)
    (found,) = (one for one in findings if one.code == "files-passed-over")
    assert found.remedy == ""


def test_files_beside_class_folders(tmp_path: Path) -> None:
    root = tree(tmp_path, "a/1.txt", "b/1.txt", "README.txt")
    findings = Findings()
    source = open_source(root, roles=[TEXT, NEEDED], findings=findings)
    assert ids(source) == ["a/1.txt", "b/1.txt"]
    (found,) = findings
    assert (found.code, found.examples) == ("files-beside-classes", ("README.txt",))
    source = open_source(root, roles=[TEXT, LABEL])
    assert ids(source) == ["README.txt", "a/1.txt", "b/1.txt"]
    assert [source[index].target for index in range(3)] == [None, "a", "b"]
    assert source[0].id == "README.txt"


def test_a_flat_folder_has_no_targets(tmp_path: Path) -> None:
    root = tree(tmp_path, "2.txt", "10.txt")
    source = open_source(root, roles=[TEXT, LABEL])
    assert ids(source) == ["2.txt", "10.txt"]
    assert source[0].target is None
    with pytest.raises(DataError, match=r"no label to these files.*metadata.csv"):
        open_source(root, roles=[TEXT, NEEDED])


def test_metadata_beside_files(tmp_path: Path) -> None:
    root = tree(tmp_path, "1.jpg", "2.jpg")
    (root / "metadata.csv").write_text("file_name,label\n2.jpg,dog\n1.jpg,cat\n")
    source = open_source(root, roles=[IMAGE, NEEDED])
    assert [source[index].target for index in range(2)] == ["dog", "cat"]
    assert ids(source) == ["metadata.csv:0", "metadata.csv:1"]
    assert source[0].fields["image"].origin == str(root / "2.jpg")
    (root / "metadata.csv").unlink()
    (root / "metadata.jsonl").write_text('{"file_name": "1.jpg", "label": "cat"}\n')
    assert len(open_source(root, roles=[IMAGE, NEEDED])) == 1


def test_a_table_of_something_else_beside_files(tmp_path: Path) -> None:
    root = tree(tmp_path, "cat/1.jpg")
    (root / "times.csv").write_text("day,hours\nmonday,3\n")
    assert ids(open_source(root, roles=[IMAGE, LABEL])) == ["cat/1.jpg"]


def test_several_tables_and_lists_of_paths(tmp_path: Path) -> None:
    for name, text in (("part10.csv", "b"), ("part2.csv", "a")):
        (tmp_path / name).write_text(f"text,label\n{text},1\n")
    source = open_source(tmp_path, roles=[TEXT, LABEL])
    assert ids(source) == ["part2.csv:0", "part10.csv:0"]
    tree(tmp_path, "docs/x.txt")
    listed = open_source([tmp_path / "docs/x.txt", str(tmp_path / "part2.csv")], roles=[TEXT])
    assert ids(listed) == ["docs/x.txt", "part2.csv:0"]
    assert listed[0].text("text").read(0, 7) == "content"
    with pytest.raises(IndexError):
        _ = listed[2]
    with pytest.raises(DataError, match="at least one path"):
        open_source([], roles=[TEXT])
    assert ids(open_source([tmp_path / "docs/x.txt"], roles=[TEXT])) == ["x.txt"]


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    tree(tmp_path, "reviews.csv", "photo.jpg", "archive.csv.gz", "data.xyz", "plain")
    with pytest.raises(DataError, match=r"does not exist; did you mean '.*reviews.csv'"):
        open_source(tmp_path / "review.csv", roles=[TEXT])
    with pytest.raises(DataError, match=r"does not exist; did you mean '.*reviews.csv'"):
        open_source(tmp_path / "revews.csv" / "x", roles=[TEXT])
    with pytest.raises(DataError, match="does not exist; to give a text itself, pass it on"):
        open_source("What a great film, whatever they say", roles=[TEXT])
    with pytest.raises(DataError, match=r"suffix .xyz is not known; known are.*csv"):
        open_source(tmp_path / "data.xyz", roles=[TEXT])
    with pytest.raises(DataError, match="reads image files"):
        open_source(tmp_path / "plain", roles=[IMAGE])
    assert open_source(tmp_path / "plain", roles=[TEXT])[0].text("text").read(0, 7) == "content"
    with pytest.raises(DataError, match=r"does not begin as a .gz file"):
        open_source(tmp_path / "archive.csv.gz", roles=[TEXT])
    with pytest.raises(DataError, match=r"reads text files .* not .jpg"):
        open_source(tmp_path / "photo.jpg", roles=[TEXT])
    with pytest.raises(DataError, match="needs text, question: give a table"):
        open_source(tmp_path / "photo.jpg", roles=[TEXT, QUESTION])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"holds no image files.*found no files"):
        open_source(empty, roles=[IMAGE])
    tree(empty, "a.txt", "b.txt", "c/d.pdf")
    with pytest.raises(DataError, match=r"holds no image files.*found 2 .txt, 1 .pdf"):
        open_source(empty, roles=[IMAGE])


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    root = tree(tmp_path / "data", "a/1.txt")
    (root / "a" / "again").symlink_to(root, target_is_directory=True)
    assert "a/1.txt" in ids(open_source(root, roles=[TEXT, LABEL]))


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_text("abc")
    source = open_source(tmp_path, roles=[TEXT])
    assert source[0].id.encode("utf-8")
    assert source[0].text("text").read(0, 9) == "abc"


@given(names=st.lists(st.from_regex(r"[ab0-9]{1,6}", fullmatch=True), max_size=60, unique=True))
@settings(deadline=None, max_examples=60)
def test_sorting_in_runs_equals_sorting_at_once(names: list[str]) -> None:
    expected = sorted(names, key=natural)
    assert list(sorted_rows(iter(names), run=7)) == expected


def test_natural_order() -> None:
    names = ["a10", "a2", "a02", "b", "a", "2", "10"]
    assert sorted(names, key=natural) == ["2", "10", "a", "a02", "a2", "a10", "b"]


def test_rows_spill_to_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anysize.sources.stores.MEMORY", 50)
    generator = random.Random(3)
    expected = [generator.randbytes(generator.randrange(30)) for _ in range(300)]
    rows = ByteRows()
    for row in expected:
        rows.append(row)
    assert len(rows) == 300
    assert list(rows) == expected
    assert [rows[index] for index in (299, 0, 150)] == [expected[index] for index in (299, 0, 150)]
    with pytest.raises(IndexError):
        _ = rows[300]


def test_a_walk_counts_what_it_skips(tmp_path: Path) -> None:
    skipped = Skipped()
    found = walk(tree(tmp_path, "a/1.txt", "b.pdf", "c"), frozenset({".txt"}), skipped)
    assert list(found) == ["a/1.txt"]
    assert skipped.suffixes == {".pdf": 1, "": 1}


def test_every_suffix_has_its_module() -> None:
    for suffix in (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"):
        assert hasattr(plugins.load("sources", suffix[1:]), "open_path")
    assert {".png", ".tiff", ".txt", ".npy"} <= file_suffixes()
    # Whatever is one field is no table as well.
    assert not {suffix[1:] for suffix in file_suffixes()} & plugins.keys("sources").keys()


def csv(path: Path, rows: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text,label\n" + "".join(f"t{row},{row % 2}\n" for row in range(rows)))


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev", "Dev", "VALIDATION"])
def test_splits_by_file_names(tmp_path: Path, name: str) -> None:
    for stem, rows in (("Train", 5), (name, 3), ("test", 2)):
        csv(tmp_path / f"{stem}.csv", rows)
    splits = open_splits(tmp_path, roles=[TEXT, LABEL])
    assert splits.how == "files"
    assert ids(splits.train) == [f"Train.csv:{row}" for row in range(5)]
    assert ids(splits.validation) == [f"{name}.csv:{row}" for row in range(3)]
    assert ids(splits.test) == ["test.csv:0", "test.csv:1"]


def test_splits_by_words_in_file_names(tmp_path: Path) -> None:
    for name in ("reviews-train-00001-of-00002", "reviews-train-00000-of-00002", "reviews_test"):
        csv(tmp_path / f"{name}.csv", 2)
    csv(tmp_path / "contest.csv", 9)
    splits = open_splits(tmp_path, roles=[TEXT, LABEL], validation=0)
    assert ids(splits.train)[0] == "reviews-train-00000-of-00002.csv:0"
    assert len(ids(splits.train)) == 4
    assert splits.validation is None
    assert len(ids(splits.test)) == 2


def test_splits_by_folders(tmp_path: Path) -> None:
    root = tree(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "VAL/cat/1.jpg", "test/dog/1.jpg")
    splits = open_splits(root, roles=[IMAGE, NEEDED])
    assert splits.how == "folders"
    assert ids(splits.train) == ["train/cat/1.jpg", "train/dog/1.jpg"]
    assert ids(splits.validation) == ["VAL/cat/1.jpg"]
    assert splits.test is not None
    assert splits.test[0].target == "dog"
    # As one source, the folders' names are no classes.
    assert target_counts(open_source(root, roles=[IMAGE, NEEDED])) == {"cat": 2, "dog": 2}


def test_validation_is_taken_from_training_where_it_is_missing(tmp_path: Path) -> None:
    csv(tmp_path / "train.csv", 1000)
    csv(tmp_path / "test.csv", 10)
    splits = open_splits(tmp_path, roles=[TEXT, LABEL], validation=0.2, seed=4)
    train, held = ids(splits.train), ids(splits.validation)
    assert len(ids(splits.test)) == 10
    assert sorted(train + held) == sorted(f"train.csv:{row}" for row in range(1000))
    assert 150 < len(held) < 250
    again = open_splits(tmp_path, roles=[TEXT, LABEL], validation=0.2, seed=4)
    assert ids(again.validation) == held
    other = open_splits(tmp_path, roles=[TEXT, LABEL], validation=0.2, seed=5)
    assert ids(other.validation) != held


@pytest.mark.parametrize("kind", ["table", "files"])
def test_splits_by_hash(tmp_path: Path, kind: str) -> None:
    if kind == "table":
        csv(tmp_path / "all.csv", 3000)
        path, columns = tmp_path / "all.csv", [TEXT, LABEL]
    else:
        path = tree(tmp_path, *(f"c{n % 3}/{n}.txt" for n in range(1200)))
        columns = [TEXT, LABEL]
    splits = open_splits(path, roles=columns, validation=0.1, test=0.2)
    assert splits.how == "hash"
    parts = [ids(part) for part in (splits.train, splits.validation, splits.test)]
    whole = ids(open_source(path, roles=columns))
    assert sorted(chain(*parts)) == sorted(whole)
    for found, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert abs(len(found) / len(whole) - share) < 0.04
    # Adding records moves none of the others to another part.
    if kind == "table":
        csv(path, 3300)
        grown = open_splits(path, roles=columns, validation=0.1, test=0.2)
        assert set(parts[2]) <= set(ids(grown.test))
    assert splits.train is not None
    assert splits.train.fingerprint() != open_source(path, roles=columns).fingerprint()


def test_small_data_leave_no_part_empty(tmp_path: Path) -> None:
    for rows in (3, 4, 10, 30):
        csv(tmp_path / "a.csv", rows)
        for seed in range(20):
            splits = open_splits(tmp_path / "a.csv", roles=[TEXT], seed=seed)
            parts = [ids(part) for part in (splits.train, splits.validation, splits.test)]
            assert all(parts)
            assert sum(map(len, parts)) == rows
    csv(tmp_path / "a.csv", 1)
    lone = open_splits(tmp_path / "a.csv", roles=[TEXT])
    assert sum(len(ids(part)) for part in (lone.train, lone.validation, lone.test)) == 1


def test_shares_are_checked(tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", 3)
    for shares in ({"validation": -0.1}, {"test": 1.0}, {"validation": 0.5, "test": 0.5}):
        with pytest.raises(ConfigurationError, match=r"validation|test"):
            open_splits(tmp_path / "a.csv", roles=[TEXT], **shares)
    none = open_splits(tmp_path / "a.csv", roles=[TEXT], validation=0, test=0)
    assert none.validation is None
    assert none.test is None
    assert len(ids(none.train)) == 3


@given(
    size=st.integers(0, 30_000),
    share=st.floats(0, 1),
    seed=st.integers(0, 10),
)
@settings(deadline=None, max_examples=25)
def test_a_subset_is_found_by_position(
    tmp_path_factory: pytest.TempPathFactory, size: int, share: float, seed: int
) -> None:
    path = tmp_path_factory.mktemp("subset") / "a.csv"
    path.write_text("text\n" + "x\n" * size)
    source = open_source(path, roles=[TEXT])
    mask = np.random.default_rng(seed).random(size) < share
    subset = Subset(source, lambda start, stop: mask[start:stop], "part")
    expected = np.flatnonzero(mask)
    assert len(subset) == len(expected)
    assert list(subset.positions()) == expected.tolist()
    for index in range(0, len(expected), max(1, len(expected) // 20)):
        assert subset.position(index) == expected[index]
        assert subset[index].id == f"a.csv:{expected[index]}"
    with pytest.raises(IndexError):
        _ = subset[len(expected)]
    low = len(expected) // 3
    if low:
        assert np.array_equal(
            subset.id_hashes(low, 2 * low), source.id_hashes(0, size)[expected[low : 2 * low]]
        )


def test_dividing_a_part_again(tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", 2000)
    whole = open_source(tmp_path / "a.csv", roles=[TEXT, LABEL])
    rest, held = divide(whole, [0.3], seed=1)
    assert rest is not None
    inner, inner_held = divide(rest, [0.3], seed=2)
    assert sorted(ids(inner) + ids(inner_held) + ids(held)) == sorted(ids(whole))
    assert abs(len(ids(inner_held)) / len(ids(rest)) - 0.3) < 0.05
    assert held is not None
    assert sum(target_counts(held).values()) == len(held)


def test_files_that_are_read_beside_records_are_not_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "a.rttm", "b.txt", "notes.xyz")
    beside = ColumnSpec(role="turns", kind="value", names=(), required=False, beside=(".rttm",))
    for roles, passed in (([TEXT], "1 .rttm, 1 .xyz"), ([TEXT, beside], "1 .xyz")):
        findings = Findings()
        open_source(tmp_path, roles=roles, findings=findings)
        (found,) = [one for one in findings if one.code == "files-passed-over"]
        assert sorted(passed.split(", ")) == sorted(found.message.split("(")[1][:-1].split(", "))
