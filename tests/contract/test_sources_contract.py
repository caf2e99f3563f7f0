"""Every source keeps the contract of ``anysize.core.records.Source``."""

from __future__ import annotations

import json
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from anysize.core.errors import DataError
from anysize.core.records import Record, Source
from anysize.sources import ColumnSpec, Subset, open_source, open_splits
from anysize.sources.hashes import id_hashes
from anysize.sources.labels.targets import targets

TEXT = ColumnSpec(role="text", kind="text", names=("text",))
LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)
COLUMNS = [TEXT, LABEL]
SIZE = 40

Maker = Callable[[Path], tuple[Source, Path]]


def _rows() -> list[tuple[str, str]]:
    return [(f"text {index} 漢", f"c{index % 3}") for index in range(SIZE)]


def _csv(folder: Path) -> tuple[Source, Path]:
    path = folder / "a.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in _rows()))
    return open_source(path, roles=COLUMNS), path


def _tsv(folder: Path) -> tuple[Source, Path]:
    path = folder / "a.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in _rows()))
    return open_source(path, roles=COLUMNS), path


def _jsonl(folder: Path) -> tuple[Source, Path]:
    path = folder / "a.jsonl"
    lines = [json.dumps({"text": text, "label": label}) for text, label in _rows()]
    path.write_text("\n".join(lines))
    return open_source(path, roles=COLUMNS), path


def _parquet(folder: Path) -> tuple[Source, Path]:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = folder / "a.parquet"
    text, label = zip(*_rows(), strict=True)
    parquet.write_table(pyarrow.table({"text": text, "label": label}), path)
    return open_source(path, roles=COLUMNS), path


def _files(folder: Path) -> tuple[Source, Path]:
    for index, (text, label) in enumerate(_rows()):
        path = folder / label / f"{index}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return open_source(folder, roles=COLUMNS), path


def _metadata(folder: Path) -> tuple[Source, Path]:
    lines = ["file_name,label"]
    for index, (text, label) in enumerate(_rows()):
        (folder / f"{index}.txt").write_text(text)
        lines.append(f"{index}.txt,{label}")
    path = folder / "metadata.csv"
    path.write_text("\n".join(lines))
    return open_source(folder, roles=COLUMNS), path


def _several(folder: Path) -> tuple[Source, Path]:
    paths = []
    for index, (text, label) in enumerate(_rows()):
        path = folder / f"{index}.jsonl"
        path.write_text(json.dumps({"text": text, "label": label}))
        paths.append(path)
    return open_source(paths, roles=COLUMNS), path


def _subset(folder: Path) -> tuple[Source, Path]:
    path = folder / "a.csv"
    rows = [row for pair in zip(_rows(), _rows(), strict=True) for row in pair]
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    source = open_source(path, roles=COLUMNS)
    import numpy as np

    return Subset(source, lambda start, stop: np.arange(start, stop) % 2 == 1, "odd rows"), path


MAKERS: dict[str, Maker] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "files": _files,
    "metadata": _metadata,
    "several": _several,
    "subset": _subset,
}


@pytest.fixture(params=MAKERS)
def made(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Source, Path]:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    return MAKERS[request.param](folder)


def content(record: Record) -> tuple[str, str | None]:
    return record.text("text").read(0, 99), record.target


def test_records_are_those_that_were_written(made: tuple[Source, Path]) -> None:
    source, _ = made
    assert len(source) == SIZE
    assert sorted(content(source[index]) for index in range(SIZE)) == sorted(_rows())
    assert source.name


def test_ids_are_unique_and_stable(made: tuple[Source, Path]) -> None:
    source, _ = made
    ids = [source[index].id for index in range(SIZE)]
    assert len(set(ids)) == SIZE
    assert [source[index].id for index in reversed(range(SIZE))] == ids[::-1]
    assert all(id_ == id_.strip() and not id_.startswith("/") for id_ in ids)


def test_only_indices_in_range(made: tuple[Source, Path]) -> None:
    source, _ = made
    for index in (-1, SIZE, 10**9):
        with pytest.raises(IndexError):
            _ = source[index]


def test_it_survives_pickling_unless_it_is_a_view(made: tuple[Source, Path]) -> None:
    source, _ = made
    again = pickle.loads(pickle.dumps(source))  # noqa: S301  what workers do with sources
    assert [content(again[index]) for index in range(SIZE)] == [
        content(source[index]) for index in range(SIZE)
    ]


def test_the_fingerprint_follows_the_files(made: tuple[Source, Path]) -> None:
    source, path = made
    before = source.fingerprint()
    assert source.fingerprint() == before
    assert int(before, 16) >= 0
    os.utime(path, ns=(1, 1))
    assert source.fingerprint() != before


def test_threads_see_the_same_records(made: tuple[Source, Path]) -> None:
    source, _ = made
    expected = [content(source[index]) for index in range(SIZE)]
    fresh = pickle.loads(pickle.dumps(source))  # noqa: S301  so that its files are not open yet
    wrong: list[int] = []

    def read(step: int) -> None:
        for turn in range(200):
            index = (turn * step) % SIZE
            if content(fresh[index]) != expected[index]:
                wrong.append(index)

    threads = [threading.Thread(target=read, args=(step,)) for step in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_targets_and_hashes_are_those_of_the_records(made: tuple[Source, Path]) -> None:
    source, _ = made
    assert list(targets(source)) == [source[index].target for index in range(SIZE)]
    hashes = id_hashes(source, 0, SIZE)
    assert len(set(hashes.tolist())) == SIZE
    assert hashes[5:20].tolist() == id_hashes(source, 5, 20).tolist()


def test_a_file_that_goes_away_is_a_data_error(made: tuple[Source, Path]) -> None:
    source, path = made
    again = pickle.loads(pickle.dumps(source))  # noqa: S301  so that its files are not open yet
    path.unlink()
    failed = 0
    for index in range(SIZE):
        try:
            content(again[index])
        except DataError:
            failed += 1
    assert failed >= 1 or path.suffix == ".parquet"


def test_splits_partition_it(made: tuple[Source, Path]) -> None:
    source, path = made
    if isinstance(source, Subset):
        pytest.skip("a subset has no path")
    where = path if len(open_source(path, roles=COLUMNS)) == SIZE else path.parent
    if where.suffix == ".txt" or where.name.startswith("c"):
        where = where.parent
    splits = open_splits(where, roles=COLUMNS)
    parts = [part for part in (splits.train, splits.validation, splits.test) if part is not None]
    found = [content(part[index]) for part in parts for index in range(len(part))]
    assert sorted(found) == sorted(_rows())
