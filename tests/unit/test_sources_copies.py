"""Copies of records by content, and what is noticed of data behind a model's back."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np

from anysize import tasks
from anysize.core.findings import Findings
from anysize.core.pipeline import Position, examples
from anysize.core.receipts import Receipt
from anysize.core.records import Record, Source, record_id
from anysize.core.results import Result
from anysize.evaluation import evaluate
from anysize.readers.text import Text
from anysize.sources import copies, open_source, open_splits
from anysize.sources.copies import copies_in, seen_in
from anysize.sources.division import divide
from anysize.sources.labels.named import Named
from anysize.sources.labels.spelling import LabelNames, plain_label, settled
from anysize.sources.sample import sample_digest

TASK = tasks.load("text-classification")


def table(path: Path, texts: list[str]) -> Path:
    path.write_text("text,label\n" + "".join(f"{text},{n % 2}\n" for n, text in enumerate(texts)))
    return path


def opened(path: Path) -> Source:
    return open_source(path, roles=TASK.columns)


def test_copies_are_those_of_a_slow_search(tmp_path: Path) -> None:
    draw = random.Random(3)
    texts = [f"text {draw.randrange(150)}" for _ in range(300)]
    found = copies_in(opened(table(tmp_path / "a.csv", texts)))
    assert found is not None
    first: dict[str, int] = {}
    expected = []
    for index, text in enumerate(texts):
        if text in first:
            expected.append((index, first[text]))
        first.setdefault(text, index)
    assert list(zip(found.index.tolist(), found.first.tolist(), strict=True)) == expected


def test_files_are_compared_by_what_they_hold(tmp_path: Path) -> None:
    large = b"x" * 200_000
    contents = [large, large[:-1] + b"y", b"y" + large[1:], b"small", large, b"small", b"tiny!"]
    for place, content in enumerate(contents):
        (tmp_path / f"{place}.txt").write_bytes(content)
    found = copies_in(opened(tmp_path))
    assert found is not None
    assert list(zip(found.index.tolist(), found.first.tolist(), strict=True)) == [(4, 0), (5, 3)]


def test_copies_of_large_sources_are_kept(tmp_path: Path) -> None:
    source = opened(table(tmp_path / "a.csv", [f"text {n % 90}" for n in range(200)]))
    before = copies_in(source)
    kept_from, copies.KEPT_FROM = copies.KEPT_FROM, 100
    try:
        found = [copies_in(source), copies_in(source)]
    finally:
        copies.KEPT_FROM = kept_from
    assert before is not None
    for each in found:
        assert each is not None
        np.testing.assert_array_equal(each.index, before.index)
        np.testing.assert_array_equal(each.first, before.first)


def test_seen_in_is_a_set_of_contents(tmp_path: Path) -> None:
    training = opened(table(tmp_path / "a.csv", [f"text {n}" for n in range(50)]))
    judged = opened(table(tmp_path / "b.csv", [f"text {n}" for n in range(40, 70)]))
    seen = seen_in(training, judged)
    assert seen is not None
    assert seen.tolist() == [True] * 10 + [False] * 20


def test_parts_without_copies_do_not_depend_on_looking_for_them(tmp_path: Path) -> None:
    source = opened(table(tmp_path / "a.csv", [f"text {n}" for n in range(400)]))
    plain = divide(source, [0.1, 0.1], 0)
    looked = divide(source, [0.1, 0.1], 0, copies_in(source))
    for one, other in zip(plain, looked, strict=True):
        assert one is not None
        assert other is not None
        assert one.fingerprint() == other.fingerprint()


def test_a_small_part_is_filled_with_all_of_a_kind(tmp_path: Path) -> None:
    for count in range(3, 30):
        texts = [f"text {n // 2}" for n in range(2 * count)]
        splits = open_splits(table(tmp_path / f"{count}.csv", texts), roles=TASK.columns)
        assert len(splits.named()) == 3


def test_accuracy_with_and_without_copies() -> None:
    receipt = Receipt(
        extent=1, unit="tokens", windows=1, covered=1.0, dropped=0, merge="mean", fidelity="exact"
    )

    class Rows:
        name = "rows"

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> Record:
            return Record(id=str(index), fields={"text": Text("x", "x")}, target="a")

        def fingerprint(self) -> str:
            return ""

    right = [True, True, True, False, False, True]
    seen = np.array([True, True, True, False, False, False])
    results = [
        Result(
            id=str(index),
            prediction="a" if good else "b",
            score=1.0,
            receipt=receipt,
            target=None,
            details={"probabilities": {"a": float(good), "b": float(not good)}},
        )
        for index, good in enumerate(right)
    ]
    source = Named(Rows(), LabelNames(["a", "b"]), seen)
    found = evaluate(results, ("a", "b"), source=source)
    assert found.summary.accuracy == 4 / 6
    assert found.copies == (3, 3)
    assert found.accuracy_without_copies == 1 / 3
    assert found.to_json()["accuracy_without_copies"] == 1 / 3


def test_failures_are_counted_by_record(tmp_path: Path) -> None:
    """A table that is cut in half while it is read fails for each of its lost records."""
    path = table(tmp_path / "a.csv", [f"text {n}" for n in range(40)])
    source = opened(path)
    os.truncate(path, path.stat().st_size // 2)
    found = list(examples(source, [Position(n, n) for n in range(40)], lambda *_: iter(())))
    names = {each.record for each in found}
    assert names == {record_id(source, n) for n in range(40)} == {f"a.csv:{n}" for n in range(40)}


def test_a_sample_shows_changes_of_the_same_size_and_time(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [f"text number {n}" for n in range(4000)])
    before, times = sample_digest(opened(path)), path.stat()
    half = path.read_text()[: times.st_size // 2]
    path.write_text(half + path.read_text()[len(half) :].replace("text", "next"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sample_digest(opened(path)) != before
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "0.txt").write_text("same")
    before = sample_digest(opened(folder))
    assert sample_digest(opened(folder)) == before
    (folder / "0.txt").write_text("size")
    assert sample_digest(opened(folder)) != before


def test_labels_of_a_model_are_found_in_any_spelling() -> None:
    names = LabelNames(["True", " negative", "Caf\u00e9", "none"])
    spelled = ["true", "NEGATIVE", "cafe\u0301", "None", "n/a", "other", None]
    plain = [None if each is None else plain_label(each) for each in spelled]
    assert [names(each) for each in plain] == [
        "True", " negative", "Caf\u00e9", "none", None, "other", None,
    ]  # fmt: skip


def test_classes_do_not_depend_on_the_order_of_the_rows() -> None:
    counts = {"yes": 3, "Yes": 3, "no": 5, "NO": 1, "-": 1}
    backwards = dict(reversed(counts.items()))
    assert sorted(settled(counts).names) == sorted(settled(backwards).names) == ["Yes", "no"]


def test_findings_of_a_division_name_the_copies(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [f"text {n % 60}" for n in range(100)])
    findings = Findings()
    open_splits(path, roles=TASK.columns, findings=findings)
    (one,) = (each for each in findings if each.code == "copies")
    assert one.count == 40
    assert one.examples[0] == "a.csv:60 = a.csv:0"
