"""Stray quotes cost nothing, and cells of several lines are read as RFC 4180 says."""

from __future__ import annotations

import csv
import io
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from anysize.core.findings import Findings
from anysize.sources import ColumnSpec, open_source
from anysize.sources import scan as scan_module
from anysize.sources.scan import RowScanner
from anysize.sources.table import TableSource
from anysize.sources.tables.cells import split_careful, split_repaired
from anysize.sources.tables.dialect import Dialect

TEXT = ColumnSpec(role="text", kind="text", names=("text",))
LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)

WORDS = ["the", "story,", "was", "lovely", "and", "plot", "boring", "nobody,", "stayed", "awake"]


def opened(
    path: Path, data: str, findings: Findings | None = None, **options: object
) -> TableSource:
    path.write_text(data, encoding="utf-8", newline="")
    source = open_source(
        path, roles=[TEXT, LABEL], findings=findings, cache=path.parent / "cache", **options
    )
    assert isinstance(source, TableSource)
    return source


def read(source: TableSource) -> list[tuple[str, str | None]]:
    records = [source[index] for index in range(len(source))]
    return [(record.text("text").read(0, 1 << 20), record.target) for record in records]


def sentence(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=6))


@pytest.mark.parametrize("rows", [60, 9_000])
@pytest.mark.parametrize("seed", range(6))
def test_stray_quotes_swallow_nothing(
    tmp_path: Path, seed: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "RESTART", 1 << 12)
    draw = random.Random(seed)
    stray = set(draw.sample(range(10, rows), draw.choice([1, 2, 3, 8])))
    expected, lines = [], ["text,label"]
    for row in range(rows):
        text, label = sentence(draw).replace(",", ""), draw.choice(["pos", "neg"])
        if row in stray:
            text = '"' + text
            lines.append(f"{text},{label}")
        elif draw.random() < 0.2:
            text = f'said "{text}", and\nleft'
            quoted = text.replace('"', '""')
            lines.append(f'"{quoted}",{label}')
        else:
            lines.append(f"{text},{label}")
        expected.append((text, label))
    findings = Findings()
    data = "\n".join(lines) + "\n"
    assert (len(data) > 1 << 18) == (rows > 1000)
    assert read(opened(tmp_path / "a.csv", data, findings)) == expected
    (found,) = [one for one in findings if one.code == "stray-quotes"]
    assert found.count == len(stray)
    assert found.examples == tuple(f"a.csv:{row}" for row in sorted(stray)[:5])
    assert "--columns quoting=off" in found.remedy


@pytest.mark.parametrize("seed", range(4))
def test_cells_of_several_lines_are_never_taken_apart(tmp_path: Path, seed: int) -> None:
    """They hold lines that look like rows, as far as their number of cells goes."""
    draw = random.Random(seed)
    rows = []
    for _ in range(300):
        lines = [sentence(draw) for _ in range(draw.choice([1, 1, 2, 3, 9]))]
        rows.append(["\n".join(lines), draw.choice(["pos", "neg"])])
    out = io.StringIO(newline="")
    csv.writer(out, quoting=draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])).writerows(
        [["text", "label"], *rows]
    )
    findings = Findings()
    assert read(opened(tmp_path / "a.csv", out.getvalue(), findings)) == [tuple(r) for r in rows]
    assert [one.code for one in findings] == []


def test_quoting_is_as_the_user_says(tmp_path: Path) -> None:
    data = "text,label\n" + "".join(f"good {row},a\nbad {row},b\n" for row in range(20))
    data += '"odd,a\n' + data.partition("\n")[2] + '"odd,b\n'
    assert len(opened(tmp_path / "a.csv", data)) == 82
    request = {"quoting": "on"}
    assert len(opened(tmp_path / "b.csv", data, table=request)) == 41
    findings = Findings()
    assert len(opened(tmp_path / "c.csv", data, findings, table={"quoting": "off"})) == 82
    assert len(findings) == 0


@pytest.mark.parametrize("block", [7, 64, 1 << 20])
def test_backslashes_escape_quotes_in_blocks_of_any_size(block: int) -> None:
    draw = random.Random(block)
    rows = []
    for _ in range(200):
        text = "".join(draw.choices(['\\"', "\\\\", "a", " ", ",", "\n"], k=draw.randrange(9)))
        rows.append(f'"{text}",x\n')
    data = "".join(rows).encode()
    dialect = Dialect(delimiter=",", quoting=True, escape=True)
    scanner = RowScanner(dialect, block=block)
    bounds = np.concatenate(list(scanner.starts(io.BytesIO(data)))).tolist()
    assert [data[a:b].decode() for a, b in pairwise(bounds)] == rows
    for row in rows:
        cells, clean = split_careful(row.rstrip("\n"), ",", escape=True)
        assert clean
        assert cells == [
            row[1:-4].replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\"),
            "x",
        ]


def test_careful_cutting_equals_the_csv_module() -> None:
    draw = random.Random(0)
    for _ in range(2000):
        cells = ["".join(draw.choices(['"', ",", "a", " ", "\n"], k=4)) for _ in range(3)]
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="").writerow(cells)
        assert split_careful(out.getvalue(), ",") == (cells, True)
        if not {",", "\n"} & set("".join(cells)):
            blank = out.getvalue().replace(",", ",  ")
            expected = next(csv.reader([blank], skipinitialspace=True))
            assert split_careful(blank, ",", blanks=True)[0] == expected


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('"He said "hello, you" to me","pos"', ['He said "hello, you" to me', "pos"]),
        ('"He said \\"hello, you\\"",pos', ['He said "hello, you"', "pos"]),
        ('"open, and never closed,pos', None),
        ('"open and never closed,pos', ['"open and never closed', "pos"]),
        ("a, b, c", None),
    ],
)
def test_rows_with_wrong_quotes(line: str, cells: list[str] | None) -> None:
    assert split_repaired(line, ",", 2, blanks=False) == cells


def test_quotes_without_end_take_linear_time() -> None:
    line = '"' + '""a"' * 20_000 + ",x"
    assert split_repaired(line, ",", 7, blanks=False) is None
