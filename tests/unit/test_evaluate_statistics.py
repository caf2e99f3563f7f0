"""Statistics of datasets, and the sketches they are made with."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import anysize
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.core.windows import Span, Window
from anysize.evaluation import image_statistics, render, text_statistics
from anysize.evaluation.sketches import QUANTILES, DuplicateSketch, LengthSketch


def printed(subject: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=140, color_system=None).print(render(subject))
    return stream.getvalue()


@dataclass(frozen=True)
class FakeText:
    content: str
    origin: str = "a.txt"

    @property
    def size_hint(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[str]:
        if "\0" in self.content:
            raise DataError(self.origin, "has a NUL byte")
        for start in range(0, len(self.content), 5):
            yield self.content[start : start + 5]

    def read(self, start: int, stop: int) -> str:
        return self.content[start:stop]


@dataclass(frozen=True)
class FakeImage:
    pixels: np.ndarray | None
    origin: str = "a.png"

    @property
    def extent(self) -> tuple[int, int]:
        if self.pixels is None:
            raise DataError(self.origin, "is not a picture")
        return self.pixels.shape[1], self.pixels.shape[0]

    def resized(self, width: int, height: int) -> np.ndarray:
        assert self.pixels is not None
        rows = np.arange(height) * self.pixels.shape[0] // height
        columns = np.arange(width) * self.pixels.shape[1] // width
        return self.pixels[rows][:, columns]

    def regions(self, boxes: object) -> Iterator[np.ndarray]:
        raise NotImplementedError


@dataclass(frozen=True)
class FakeSource:
    records: list[Record | DataError]
    name: str = "data"
    asked: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Record:
        self.asked.append(index)
        record = self.records[index]
        if isinstance(record, DataError):
            raise record
        return record

    def fingerprint(self) -> str:
        return "0"


def texts(*rows: tuple[str, str | None]) -> FakeSource:
    return FakeSource(
        [
            Record(id=f"r{index}", fields={"text": FakeText(content)}, target=target)
            for index, (content, target) in enumerate(rows)
        ]
    )


def words_in_threes(ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
    """A preprocessing whose tokens are words and whose windows hold three."""
    count = len("".join(record.text("text").chunks()).split())
    starts = list(range(0, count, 3)) or [0]
    for index, start in enumerate(starts):
        span = Span(start, min(start + 3, count))
        window = Window(record.id, index, span, span, index == len(starts) - 1)
        yield Example(ordinal=ordinal, window=window, arrays={}, cost=3)


def test_text_statistics() -> None:
    source = texts(
        ("good film", "pos"), ("bad", "neg"), (" \n ", "neg"), ("一部好电影", None),
        ("good film", "pos"), ("bad", "pos"), ("torn \0", "neg"), ("a b c d e f g", "pos"),
    )  # fmt: skip
    source.records.append(DataError("data:9", "has 3 fields, not 2"))
    found = text_statistics(source, preprocess=words_in_threes)
    assert (found.records, found.read, found.unreadable, found.empty) == (9, 9, 2, 1)
    assert [entry.id for entry in found.unreadable_named] == ["r6", "data:9"]
    assert found.labels == {"pos": 4, "neg": 2}
    assert found.unlabelled == 1
    assert (found.duplicates.copies, found.duplicates.conflicting) == (2, 1)
    assert set(found.duplicate_names) == {("r0", "r4"), ("r1", "r5")}
    assert (found.characters.smallest, found.characters.largest) == (3, 13)
    assert found.characters.total == 9 + 3 + 3 + 5 + 9 + 3 + 13
    assert found.tokens is not None
    assert (found.tokens.total, found.windows, found.longer_than_window) == (14, 9, 1)
    entries = found.to_json()
    assert entries["characters"]["p50"] == 5
    assert entries["duplicates"]["contents_with_conflicting_labels"] == 1
    shown = printed(found)
    for words in ("9 records", "pos", "tokens", "1 document is empty", "data:9", "has a NUL byte"):
        assert words in shown


def test_long_texts_are_streamed() -> None:
    @dataclass(frozen=True)
    class Endless(FakeText):
        def chunks(self) -> Iterator[str]:
            for _ in range(400):
                yield "词" * 65_536

    source = FakeSource([Record(id="r0", fields={"text": Endless("")})])
    tracemalloc.start()
    found = text_statistics(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.characters.largest == 400 * 65_536
    # The duplicate sketch reserves 48 MiB once, whatever the data.
    assert peak < 60 * 2**20


def test_image_statistics() -> None:
    generator = np.random.default_rng(0)
    colour = generator.integers(0, 255, size=(40, 30, 3)).astype(np.uint8)
    grey = np.repeat(colour[..., :1], 3, axis=2)
    pictures = [colour, grey, colour.copy(), None, colour[:20]]
    source = FakeSource(
        [
            Record(id=f"p{index}", fields={"image": FakeImage(pixels)}, target="x")
            for index, pixels in enumerate(pictures)
        ]
    )
    found = image_statistics(source)
    assert (found.records, found.unreadable, found.grey) == (5, 1, 1)
    assert found.unreadable_named[0].error == "a.png: is not a picture"
    assert found.sizes == (((30, 40), 3), ((30, 20), 1))
    assert (found.heights.smallest, found.heights.largest) == (20, 40)
    assert (found.duplicates.copies, found.duplicates.conflicting) == (1, 0)
    assert found.duplicate_names == (("p0", "p2"),)
    assert found.to_json()["sizes"][0] == {"width": 30, "height": 40, "count": 3}
    assert "30 × 40 (3)" in printed(found)


def test_formats_and_modes_come_from_the_files(tmp_path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    from anysize.readers.image import Image

    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, size=(20, 20, 3)).astype(np.uint8)
    pillow.fromarray(pixels).save(tmp_path / "a.jpg")
    pillow.fromarray(pixels[..., 0]).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "b.png").read_bytes()[:120])
    source = FakeSource(
        [
            Record(id=name, fields={"image": Image(tmp_path / name)})
            for name in ("a.jpg", "b.png", "c.png")
        ]
    )
    found = image_statistics(source)
    assert found.formats == {"JPEG": 1, "PNG": 1}
    assert found.modes == {"RGB": 1, "L": 1}
    assert [entry.id for entry in found.unreadable_named] == ["c.png"]


def test_targets_that_are_no_single_label(tmp_path) -> None:
    """Several labels for a record, tags of words, and numbers are shown and are valid JSON."""

    def inspected(name: str, task: str, rows: list[dict[str, object]]) -> tuple[dict, str]:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        found = anysize.inspect(path, task=task)
        return json.loads(json.dumps(found.to_json())), printed(found)

    sets = [["new", "old"], ["new"], ["old"], []]
    rows: list[dict[str, object]] = [
        {"text": f"a text {place}", "label": sets[place % 4], "tags": ["B-PER", "O", "O"]}
        for place in range(40)
    ]
    entries, shown = inspected("several", "text-classification", rows)
    assert entries["labels"] == {"new": 20, "old": 20} and "50.0 %" in shown
    entries, shown = inspected("tags", "token-classification", rows)
    assert entries["labels"] == {"PER": 40} and "100.0 %" in shown
    numbers: list[dict[str, object]] = [
        {"a": place * 3 % 7, "b": place + 0.5, "target": place / 4} for place in range(41)
    ]
    entries, shown = inspected("numbers", "tabular-regression", numbers)
    assert entries["targets"]["low"] == 0 and entries["targets"]["high"] == 10
    assert entries["targets"]["mean"] == pytest.approx(5) and not entries["labels"]
    assert "to estimate" in shown
    for task, role in (("tabular-regression", "target"), ("tabular-classification", "label")):
        without = [{"a": place, "b": place * 3 % 7} for place in range(40)]
        entries, _ = inspected("without", task, without)
        (found,) = [one for one in entries["findings"] if one["code"] == "labels-none"]
        assert found["level"] == "note" and f"--columns {role}=NAME" in found["remedy"]
    codes = {
        one["code"] for one in inspected("numbers", "tabular-regression", numbers)[0]["findings"]
    }
    assert "labels-none" not in codes


def test_limit_spreads_over_the_source() -> None:
    source = texts(*[("x" * (index + 1), "a") for index in range(100)])
    found = text_statistics(source, limit=4)
    assert (found.records, found.read, found.characters.count) == (100, 4, 4)
    assert source.asked == [0, 25, 50, 75]
    assert "4 looked at" in printed(found)
    assert text_statistics(source, limit=1000).read == 100
    with pytest.raises(ConfigurationError, match="limit must be at least 1, not 0"):
        text_statistics(source, limit=0)


def test_names_of_unreadable_records_are_bounded() -> None:
    source = FakeSource([DataError(f"row {index}", "torn") for index in range(500)])
    found = text_statistics(source)
    assert (found.unreadable, len(found.unreadable_named)) == (500, 20)
    assert found.characters.count == 0
    assert "500 records could not be read" in printed(found)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_quantiles_are_within_one_percent(values: list[int]) -> None:
    sketch = LengthSketch()
    for value in values:
        sketch.add(value)
    found, ranked = sketch.distribution(), sorted(values)
    assert (found.count, found.total) == (len(values), sum(values))
    assert (found.smallest, found.largest) == (ranked[0], ranked[-1])
    for share in QUANTILES:
        exact = ranked[int(share * (len(values) - 1))]
        # 1 % and the rounding to a whole number; together less than one below 50.
        assert abs(found.quantiles[share] - exact) <= (0 if exact < 50 else 0.01 * exact + 0.5)
    assert sum(count for _, _, count in found.histogram) == len(values)
    for low, high, count in found.histogram:
        assert count == sum(low <= value <= high for value in values)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 2)), min_size=1, max_size=200))
def test_duplicates_are_exact_while_they_fit(rows: list[tuple[int, int]]) -> None:
    sketch = DuplicateSketch(capacity=32)
    for index, (content, label) in enumerate(rows):
        # An odd multiplier spreads small numbers over the low bits without collisions.
        sketch.add(content * 0x9E3779B97F4A7C15 % 2**64, label, index)
    found = sketch.duplicates()
    counts = Counter(content for content, _ in rows)
    first: dict[int, int] = {}
    for index, (content, _) in enumerate(rows):
        first.setdefault(content, index)
    assert found.exact
    assert found.copies == len(rows) - len(counts)
    for one, two in found.examples:
        assert rows[one][0] == rows[two][0]
        assert one == first[rows[one][0]] < two


def test_conflicting_labels_are_counted_by_content() -> None:
    sketch = DuplicateSketch()
    for index, (digest, label) in enumerate([(8, 0), (8, 1), (8, 1), (9, 0), (9, 0), (10, -1),
                                             (10, 0)]):  # fmt: skip
        sketch.add(digest, label, index)
    found = sketch.duplicates()
    assert (found.copies, found.conflicting) == (4, 1)


def test_duplicates_beyond_the_capacity_are_estimated() -> None:
    generator = np.random.default_rng(0)
    digests = generator.integers(0, 2**63, size=40_000, dtype=np.uint64) * np.uint64(2)
    digests |= generator.integers(0, 2, size=40_000, dtype=np.uint64)
    sketch = DuplicateSketch(capacity=2000)
    for index, digest in enumerate(np.concatenate([digests, digests[:10_000]]).tolist()):
        sketch.add(digest, 0, index)
    found = sketch.duplicates()
    assert not found.exact
    assert found.copies == pytest.approx(10_000, rel=0.15)


def test_a_place_is_not_said_twice() -> None:
    row = DataError("a.csv:7", "torn")
    file = Record(id="b/c.txt", fields={"text": FakeText("\0", origin="data/b/c.txt")})
    words = printed(text_statistics(FakeSource([row, file])))
    assert "\n  a.csv:7: torn\n" in words
    assert "\n  b/c.txt: has a NUL byte\n" in words
