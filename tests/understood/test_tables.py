"""What is understood of tables: a small file for each line of docs/data-layouts.md."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import pytest

from anysize.core.errors import DataError
from anysize.core.findings import Finding, Findings
from anysize.sources import ColumnSpec, open_source, open_splits

TEXT = ColumnSpec(role="text", kind="text", names=("text", "sentence", "question"))
LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)
ROWS = [(f"the story was good {row}", "pos") for row in range(5)]
ROWS += [(f"the plot was bad {row}", "neg") for row in range(5)]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path_factory.mktemp("cache")))


def read(path: Path, **options: Any) -> tuple[list[tuple[str, Any]], dict[str, Finding]]:
    """Text and target of every record, and the findings by code."""
    findings = Findings()
    source = open_source(path, roles=[TEXT, LABEL], findings=findings, **options)
    rows = []
    for index in range(len(source)):
        try:
            record = source[index]
        except DataError:
            continue
        rows.append((record.text("text").read(0, 1 << 20), record.target))
    return rows, {one.code: one for one in findings}


def written(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def table(
    between: str = ",", rows: list[tuple[str, str]] = ROWS, head: str = "text{}label\n"
) -> str:
    return head.format(between) + "".join(f"{text}{between}{label}\n" for text, label in rows)


def objects() -> list[dict[str, str]]:
    return [{"text": text, "label": label} for text, label in ROWS]


@pytest.mark.parametrize("between", [",", ";", "\t", "|"])
def test_delimiter(tmp_path: Path, between: str) -> None:
    assert read(written(tmp_path / "a.csv", table(between))) == (ROWS, {})


def test_separator_line(tmp_path: Path) -> None:
    rows, found = read(written(tmp_path / "a.csv", "sep=;\n" + table(";")))
    assert rows == ROWS
    assert found["separator-line"].level == "note"


def test_cell_of_several_lines(tmp_path: Path) -> None:
    data = table() + '"one, line\nand ""another"", quoted\nthird",pos\n'
    rows, found = read(written(tmp_path / "a.csv", data))
    assert rows == [*ROWS, ('one, line\nand "another", quoted\nthird', "pos")]
    assert found == {}


def test_stray_quotes(tmp_path: Path) -> None:
    odd = [*ROWS[:3], ('"an open quote', "pos"), *ROWS, ('"another', "neg"), *ROWS]
    rows, found = read(written(tmp_path / "a.csv", table(rows=odd)))
    assert rows == odd
    assert found["stray-quotes"].count == 2
    assert found["stray-quotes"].examples == ("a.csv:3", "a.csv:14")
    assert found["stray-quotes"].level == "warning"


def test_quote_never_closed(tmp_path: Path) -> None:
    data = table() + '"an open quote,pos\nno row\nnor this\n'
    with pytest.raises(DataError, match=r"row 10 .* never closed.*--columns quoting=off"):
        read(written(tmp_path / "a.csv", data))


def test_dialect(tmp_path: Path) -> None:
    escaped = "".join(f'"he said \\"{text}\\", ok","{label}"\n' for text, label in ROWS)
    rows, found = read(written(tmp_path / "a.csv", '"text","label"\n' + escaped))
    assert rows == [(f'he said "{text}", ok', label) for text, label in ROWS]
    assert "backslash" in found["dialect"].message
    blank = "".join(f'"{text}, ok", "{label}"\n' for text, label in ROWS)
    rows, found = read(written(tmp_path / "b.csv", "text, label\n" + blank))
    assert rows == [(f"{text}, ok", label) for text, label in ROWS]
    assert "blanks" in found["dialect"].message


def test_quotes_not_doubled(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", table() + '"He said "hello, you" to me",pos\n')
    assert read(path)[0][-1] == ('He said "hello, you" to me', "pos")
    field: Any = open_source(path, roles=[TEXT, LABEL])[len(ROWS)].text("text")
    assert "quotes" in field.notes()[0]


def test_ragged_row(tmp_path: Path) -> None:
    data = table() + "good, bad,pos\nlonely\nfull,neg,,\n"
    source = open_source(written(tmp_path / "a.csv", data), roles=[TEXT, LABEL])
    with pytest.raises(DataError, match=r"has 3 cells .* quote cells that contain ','"):
        _ = source[10]
    with pytest.raises(DataError, match=r"has 1 cell .* line end"):
        _ = source[11]
    assert source[12].target == "neg"


def test_no_header(tmp_path: Path) -> None:
    rows, found = read(written(tmp_path / "a.csv", table(head="")))
    assert rows == ROWS
    assert {"no-header", "columns-by-content"} <= found.keys()
    assert "--columns" in found["columns-by-content"].remedy
    path = written(tmp_path / "b.csv", "u1,bad one\nu2,good one\n")
    options = {"columns": {"header": "no", "text": "2", "label": "1"}}
    assert read(path, **options)[0] == [("bad one", "u1"), ("good one", "u2")]


def test_header_repeated(tmp_path: Path) -> None:
    rows, found = read(written(tmp_path / "a.csv", table() + "\ufeff" + table() + table()))
    assert rows == ROWS * 3
    assert found["header-repeated"].count == 2


def test_row_names(tmp_path: Path) -> None:
    data = "text,label\n" + "".join(f'"{i}",{t},{label}\n' for i, (t, label) in enumerate(ROWS, 1))
    rows, found = read(written(tmp_path / "a.csv", data))
    assert rows == ROWS
    assert "row-names" in found


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encoding_found(tmp_path: Path, encoding: str) -> None:
    rows, found = read(written(tmp_path / "a.csv", (table() + "漢字é,pos\n").encode(encoding)))
    assert rows == [*ROWS, ("漢字é", "pos")]
    assert encoding in found["encoding-found"].message


def test_encoding(tmp_path: Path) -> None:
    data = (table() + "café,pos\n").encode("cp1252")
    rows, found = read(written(tmp_path / "a.csv", data))
    assert rows == ROWS
    assert "--encoding cp1252" in found["encoding"].remedy
    _, found = read(
        written(tmp_path / "b.csv", (table() + "café,pos\n").encode()), encoding="cp1252"
    )
    assert "--encoding utf-8" in found["encoding"].remedy
    for encoding, words, name in (
        ("shift_jis", "この映画はとても良かった", "cp932"),
        ("gbk", "这部电影非常好看", "gb18030"),
        ("big5", "這部電影非常好看", "big5"),
        ("euc_kr", "이 영화는 정말 좋았어요", "cp949"),
    ):
        path = written(tmp_path / f"{encoding}.csv", (table() + f"{words},pos\n").encode(encoding))
        rows, found = read(path)
        assert rows == ROWS
        assert f"--encoding {name}" in found["encoding"].remedy
        assert read(path, encoding=name)[0] == [*ROWS, (words, "pos")]
        assert f"--encoding {name}" in read(path, encoding="latin-1")[1]["encoding"].remedy


def test_packed(tmp_path: Path) -> None:
    import pyarrow

    data = table().encode()
    written(tmp_path / "a.csv.gz", gzip.compress(data))
    written(tmp_path / "b.csv.xz", lzma.compress(data))
    written(tmp_path / "c.csv.bz2", bz2.compress(data))
    with pyarrow.CompressedOutputStream(str(tmp_path / "d.csv.zst"), "zstd") as stream:
        stream.write(data)
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("inside.csv", data)
    for path in sorted(tmp_path.iterdir()):
        assert read(path)[0] == ROWS
    written(tmp_path / "cut.csv.gz", gzip.compress(data)[:-9])
    with pytest.raises(DataError, match="damaged or cut off"):
        read(tmp_path / "cut.csv.gz")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.writestr("a.csv", data)
        archive.writestr("b.csv", data)
    with pytest.raises(DataError, match="archive of 2 files; unpack it"):
        read(tmp_path / "many.zip")


def test_workbook(tmp_path: Path) -> None:
    written(tmp_path / "a.xlsx", b"PK\x03\x04...")
    with pytest.raises(DataError, match="save its sheet as CSV"):
        read(tmp_path / "a.xlsx")


def test_json(tmp_path: Path) -> None:
    columns = {key: [one[key] for one in objects()] for key in ("text", "label")}
    by_row = {key: dict(enumerate(column)) for key, column in columns.items()}
    for found in (objects(), {"version": 1, "data": objects()}, columns, by_row):
        written(tmp_path / "a.json", json.dumps(found, indent=1))
        assert read(tmp_path / "a.json")[0] == ROWS
    written(tmp_path / "b.json", "\n".join(map(json.dumps, objects())))
    assert read(tmp_path / "b.json")[0] == ROWS


def test_json_of_several_lists(tmp_path: Path) -> None:
    written(tmp_path / "a.json", json.dumps({"train": objects(), "test": objects()[:3]}))
    with pytest.raises(DataError, match=r"several lists of objects \(train, test\)"):
        read(tmp_path / "a.json")


def test_nested(tmp_path: Path) -> None:
    rows = [
        {"data": {"text": text, "en": {"x": "?"}}, "by": {"label": label}} for text, label in ROWS
    ]
    path = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert read(path)[0] == ROWS
    assert read(path, columns={"text": "data.en.x"})[0] == [("?", label) for _, label in ROWS]


def test_words(tmp_path: Path) -> None:
    rows = [{"text": text.split(), "label": label} for text, label in ROWS]
    assert read(written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))))[0] == ROWS


def test_class_names(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import ipc, parquet

    texts, labels = zip(*ROWS, strict=True)
    numbers = [["neg", "pos"].index(label) for label in labels]
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    frame = pyarrow.table({"text": [*texts, "no label"], "label": [*numbers, -1]})
    kept = json.dumps({"info": {"features": features}})
    frame = frame.replace_schema_metadata({"huggingface": kept})
    parquet.write_table(frame, tmp_path / "a.parquet")
    saved = tmp_path / "saved"
    saved.mkdir()
    with ipc.new_stream(saved / "data-00000-of-00001.arrow", frame.schema) as stream:
        stream.write_table(frame)
    written(saved / "state.json", "{}")
    written(saved / "dataset_info.json", "{}")
    for path in (tmp_path / "a.parquet", saved):
        rows, found = read(path)
        assert rows == [*ROWS, ("no label", None)]
        assert "0 'neg', 1 'pos'" in found["class-names"].message


def test_column_left_out(tmp_path: Path) -> None:
    lines = "".join(f"{i},What is it about then?,{t},{x}\n" for i, (t, x) in enumerate(ROWS))
    path = written(tmp_path / "a.csv", "id,question,sentence,label\n" + lines)
    findings = Findings()
    open_source(path, roles=[TEXT, LABEL], findings=findings)
    found = {one.message: one for one in findings if one.code == "column-left-out"}
    assert sorted(one.level for one in found.values()) == ["note", "warning"]
    (warned,) = [one for one in found.values() if one.level == "warning"]
    assert "'question'" in warned.message
    assert "--columns text=sentence+question" in warned.remedy
    both = read(path, columns={"text": "sentence+question"})[0]
    assert both[0] == (ROWS[0][0] + "\nWhat is it about then?", "pos")


def test_half_a_character(tmp_path: Path) -> None:
    lines = [*map(json.dumps, objects()), '{"text": "cut \\ud83d", "label": "pos"}']
    assert read(written(tmp_path / "a.jsonl", "\n".join(lines)))[0] == ROWS
    written(tmp_path / "a.json", "[" + ",".join(lines) + "]")
    assert read(tmp_path / "a.json")[0] == ROWS


def test_invalid_utf8(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    wrong = pyarrow.array([b"good", b"\xff\xfe", b"bad"]).view(pyarrow.string())
    parquet.write_table(
        pyarrow.table({"text": ["a", "b", "c"], "note": wrong}), tmp_path / "a.parquet"
    )
    assert [text for text, _ in read(tmp_path / "a.parquet")[0]] == ["a", "b", "c"]
    parquet.write_table(pyarrow.table({"text": wrong}), tmp_path / "b.parquet")
    assert [text for text, _ in read(tmp_path / "b.parquet")[0]] == ["good", "bad"]


def test_odd_values(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    lines = ['{"text": ' + "[" * 100_000, '{"text": "a", "label": ' + "9" * 5000 + "}"]
    lines += ['{"text": "b", "label": ' + "9" * 400 + "}", '{"text": "d"}']
    rows = read(written(tmp_path / "a.jsonl", "\n".join(lines)))[0]
    assert [text for text, _ in rows] == ["b", "d"]
    frame = {
        "text": ["a"],
        "when": pyarrow.array([1 << 55], "timestamp[ms]"),
        "s": [{"base64": "!"}],
    }
    parquet.write_table(pyarrow.table(frame), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0] == [("a", None)]


def test_too_large_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow
    from pyarrow import parquet

    from anysize.sources.tables import spool

    monkeypatch.setattr(spool, "FLOOR", 1 << 20)
    written(tmp_path / "a.csv.gz", gzip.compress(table().encode() + b"x,pos\n" * (1 << 20)))
    many = pyarrow.nulls(10_000_000, pyarrow.string())
    parquet.write_table(pyarrow.table({"text": many}), tmp_path / "b.parquet")
    wide = pyarrow.table({"text": ["x" * 4_000_000] * 20})
    parquet.write_table(wide, tmp_path / "c.parquet", use_dictionary=False, compression="zstd")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(DataError, match="unpacks to more than"):
            read(path)


def test_many_columns(tmp_path: Path) -> None:
    head = ",".join(["text", "label", *(f"c{place}" for place in range(20_000))])
    line = ",".join(["a", "b", *["1"] * 20_000])
    rows, found = read(written(tmp_path / "a.csv", f"{head}\n{line}\n{line}\n"))
    assert rows == [("a", "b")] * 2
    assert found["column-left-out"].count == 20_000


def test_endless_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anysize.sources.table.ROW_LIMIT", 1 << 12)
    rows, _ = read(written(tmp_path / "a.csv", table() + "x" * 10_000))
    assert rows == ROWS


def test_several_files(tmp_path: Path) -> None:
    for part, rows in (("train", ROWS), ("test", ROWS[:3])):
        written(tmp_path / f"{part}.csv", table(rows=rows))
    pattern = str(tmp_path / "*.csv")
    assert read(Path(pattern))[0] == [*ROWS[:3], *ROWS]
    for data in (pattern, [tmp_path / "train.csv", str(tmp_path / "test.csv")]):
        splits = open_splits(data, roles=[TEXT, LABEL])
        assert splits.how == "files"
        assert splits.test is not None
        assert len(splits.test) == 3
    with pytest.raises(DataError, match="matches nothing"):
        read(tmp_path / "*.tsv")


def test_lines_above_the_header(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "Report of 2024\n\n" + table())
    with pytest.raises(DataError, match="remove what is above the row with the columns, 'text,lab"):
        read(path)
    path = written(tmp_path / "b.csv", "text,label\n" + "1,one,pos\n" * 9)
    with pytest.raises(DataError, match="has 2 cells, and most rows have 3: name as many columns"):
        read(path)
    # A cell of several lines looks like many rows of another width.
    cells = [(f'"one, {row}\ntwo, three, four\nfive, six, seven"', "pos") for row in range(9)]
    assert len(read(written(tmp_path / "c.csv", table(rows=cells)))[0]) == 9


@pytest.mark.parametrize(
    ("between", "name"), [(" ", "space"), (":", ":"), (",", "comma"), ("\t", "tab")]
)
def test_delimiter_not_found(tmp_path: Path, between: str, name: str) -> None:
    rows = [(text.replace(" ", "-"), label) for text, label in ROWS]
    path = written(tmp_path / ("a.tsv" if between == "," else "a.csv"), table(between, rows))
    if between != "\t":
        with pytest.raises(DataError, match=f"add delimiter={name} to --columns"):
            read(path)
    assert read(path, columns={"delimiter": name})[0] == rows


def test_json_array_in_lines(tmp_path: Path) -> None:
    data = "[\n" + ",\n".join(map(json.dumps, objects())) + "\n]\n"
    assert read(written(tmp_path / "a.jsonl", data)) == (ROWS, {})
    assert read(written(tmp_path / "b.jsonl", json.dumps(objects()))) == (ROWS, {})


@pytest.mark.parametrize("suffix", ["json", "jsonl", "ndjson"])
def test_json_not_in_lines(tmp_path: Path, suffix: str) -> None:
    pretty = [json.dumps(row, indent=2) for row in objects()]
    plain = [json.dumps(row) for row in objects()]
    texts = {
        "below each other": "\n".join(pretty),
        "with commas": ",\n".join(pretty) + ",\n",
        "lines with commas": ",\n".join(plain),
        "without line ends": "".join(plain),
        "record separators": "".join(f"\x1e{row}\n" for row in plain),
    }
    for name, text in texts.items():
        rows, found = read(written(tmp_path / f"{name}.{suffix}", text))
        assert rows == ROWS, name
        assert found["json-not-in-lines"].level == "note"
    whole = json.dumps({"rows": objects()}, indent=2)
    assert read(written(tmp_path / f"whole.{suffix}", whole)) == (ROWS, {})
    one = read(written(tmp_path / f"one.{suffix}", pretty[0]))[0]
    assert one == ROWS[:1]
    path = written(tmp_path / f"cut.{suffix}", "\n".join(pretty)[:-20])
    with pytest.raises(DataError, match="is not valid JSON at character"):
        read(path)
    # One damaged row among lines spoils that row alone.
    lines = written(tmp_path / "lines.jsonl", "\n".join([plain[0] + plain[0], *plain]))
    assert read(lines)[0] == ROWS


def test_json_key_twice(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in objects()]
    lines[2] = lines[2].replace("}", ', "label": "neg"}')
    lines[4] = lines[4].replace("}", ', "label": "pos", "note": "a \\":b", "x": 1, "x": 2}')
    path = written(tmp_path / "a.jsonl", "\n".join(lines))
    rows, _ = read(path)
    assert rows == [*ROWS[:2], *ROWS[3:]]
    source = open_source(path, roles=[TEXT, LABEL])
    with pytest.raises(DataError, match="two different values under one key, in the col"):
        _ = source[2]


def test_json_columns_of_different_lengths(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", json.dumps({"text": ["a", "b"], "label": ["pos"]}))
    with pytest.raises(DataError, match="columns of different lengths: text 2, label 1"):
        read(path)


@pytest.mark.parametrize("odd", ["\ufeff\ufefftext,label\n", "\u200btext , \u00a0label\u200b\n"])
def test_header_with_invisible_characters(tmp_path: Path, odd: str) -> None:
    assert read(written(tmp_path / "a.csv", table(head=odd))) == (ROWS, {})
