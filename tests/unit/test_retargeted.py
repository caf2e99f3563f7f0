"""Targets from a file in the place of those of the data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anysize.core.errors import DataError
from anysize.core.records import Record
from anysize.sources.retargeted import Retargeted


class Three:
    name = "three"

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Record:
        return Record(id=f"r{index}", fields={}, target=f"own {index}")

    def record_id(self, index: int) -> str:
        return f"r{index}"

    def fingerprint(self) -> str:
        return "f"


def written(folder: Path, *lines: object) -> Path:
    path = folder / "targets.jsonl"
    text = "".join(
        (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)) + "\n"
        for each in lines
    )
    path.write_text(text, encoding="utf-8")
    return path


def test_records_get_the_targets_of_their_lines(tmp_path: Path) -> None:
    rows = [{"id": "r0", "target": "猫 \n zwei"}, {"id": "r1", "unusable": "empty"},
            {"id": "r2", "target": "drei"}]  # fmt: skip
    source = Retargeted(Three(), written(tmp_path, *rows))
    assert [source[place].target for place in (2, 0, 1)] == ["drei", "猫 \n zwei", "own 1"]
    assert (len(source), source.record_id(1), source.fingerprint()) == (3, "r1", "f")


def test_a_file_of_other_data_is_refused_by_name(tmp_path: Path) -> None:
    row = {"id": "r0", "target": "x"}
    for lines in ((row,), ()):
        with pytest.raises(DataError, match=f"has {len(lines)} lines of targets, and three has 3"):
            Retargeted(Three(), written(tmp_path, *lines))
    source = Retargeted(Three(), written(tmp_path, row, row, "{not json"))
    assert source[0].target == "x"
    with pytest.raises(DataError, match=r"targets\.jsonl: line 2 is of 'r0', and the record is r1"):
        source[1]
    with pytest.raises(DataError, match="line 3 is damaged"):
        source[2]
    with pytest.raises(DataError, match="cannot be read"):
        Retargeted(Three(), tmp_path / "none.jsonl")
