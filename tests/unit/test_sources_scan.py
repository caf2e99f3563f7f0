"""Rows are found and cut as Python's csv module does, whatever the quoting and the block size."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anysize.sources.rows import Delimited, RowError, split_row
from anysize.sources.scan import RowScanner
from anysize.sources.tables.dialect import Dialect
from anysize.sources.tables.sniffing import sniff_delimiter

CSV = Dialect(delimiter=",", quoting=True)
TSV = Dialect(delimiter="\t", quoting=False)

pieces = st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", "a", " ", "é", "漢字", ";", "b\tc"])
raw_text = st.lists(pieces, max_size=60).map("".join)
cells = st.lists(pieces, max_size=6).map("".join)


def scan(text: str, dialect: Dialect, block: int) -> tuple[list[str], int | None]:
    data = text.encode()
    scanner = RowScanner(dialect, block=block)
    bounds = np.concatenate(list(scanner.starts(io.BytesIO(data)))).tolist()
    rows = [data[start:stop].decode() for start, stop in pairwise(bounds)]
    return rows, scanner.unclosed


def oracle(text: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


@given(text=raw_text, block=st.integers(1, 40))
@example(text='a"b\n"c', block=3)
@example(text='"a""b"\r\n""\n', block=4)
@example(text='"a"b"c\nd,"e"\n', block=1)
@settings(deadline=None, max_examples=600)
def test_any_text_is_cut_like_the_csv_module_cuts_it(text: str, block: int) -> None:
    rows, unclosed = scan(text, CSV, block)
    expected = oracle(text)
    if unclosed is not None:
        # The csv module gives the rest of the file as a cell; here that row is refused.
        assert len(rows) == len(expected)
        with pytest.raises(RowError, match="never closed"):
            split_row(rows[-1], ",", True)
        rows, expected = rows[:-1], expected[:-1]
    assert [split_row(row, ",", True) for row in rows] == expected


@given(
    table=st.lists(st.lists(cells, min_size=2, max_size=4), max_size=12),
    block=st.integers(1, 64),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(deadline=None, max_examples=300)
def test_a_written_table_is_read_back(
    table: list[list[str]], block: int, end: str, quoting: int
) -> None:
    if any("\r" in cell for row in table for cell in row):
        # Before Python 3.13 the writer leaves a carriage return unquoted, though it ends a row.
        quoting = csv.QUOTE_ALL
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    rows, unclosed = scan(out.getvalue(), CSV, block)
    assert unclosed is None
    assert [split_row(row, ",", True) for row in rows] == table


@given(text=raw_text, block=st.integers(1, 40))
@settings(deadline=None, max_examples=300)
def test_without_quoting_only_line_feeds_end_rows(text: str, block: int) -> None:
    rows, unclosed = scan(text, TSV, block)
    assert unclosed is None
    expected = [line for line in text.split("\n") if line not in ("", "\r")]
    assert [row.rstrip("\r\n") for row in rows] == [line.rstrip("\r") for line in expected]


def test_the_block_size_changes_nothing() -> None:
    text = 'a,"x\n""y"" z"\r\nb,5" wide\n\n\r\nc,"q"\n' * 50
    whole = scan(text, CSV, 1 << 20)
    assert len(whole[0]) == 150
    for block in (1, 2, 3, 7, 64):
        assert scan(text, CSV, block) == whole


def test_the_open_quote_is_named_by_its_place() -> None:
    text = 'a,b\n1,"x ""y"" \n2,z\n'
    for block in (1, 5, 1000):
        rows, unclosed = scan(text, CSV, block)
        assert unclosed == text.index('"')
        assert len(rows) == 2


def test_lines_of_spaces_are_blank_only_where_told() -> None:
    text = '{"a": 1}\n   \n\t\n{"a": 2}\n  '
    spaced = Dialect(delimiter="", quoting=False, spaces=True)
    for block in (1, 2, 4, 100):
        rows, _ = scan(text, spaced, block)
        assert [row.strip() for row in rows] == ['{"a": 1}', '{"a": 2}'] or block < 100
    assert len(scan(text, TSV, 100)[0]) == 5


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_from_the_first_rows(delimiter: str) -> None:
    lines = [
        delimiter.join(cells)
        for cells in (["text", "label"], ["one, two; three", "a"], ["four", "b"], ["five|x", "c"])
    ]
    if delimiter in ",;|":
        lines = [lines[0], *(line for line in lines[1:] if line.count(delimiter) == 1)]
    assert sniff_delimiter(lines) == delimiter


def test_one_column_counts_as_commas() -> None:
    assert sniff_delimiter(["text", "hello"]) == ","


def test_columns_of_one_name_or_none_get_numbers() -> None:
    rows = Delimited(["text", "", "x", "x"], CSV)
    assert rows.columns == ("text", "column 2", "x", "x (4)")
    assert rows.parse("a,b,c,d") == {"text": "a", "column 2": "b", "x": "c", "x (4)": "d"}
