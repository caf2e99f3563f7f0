"""Rows of results: ids and kept columns, files by suffix, going on after a kill, valid JSON."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet

from anysize.cli.ending import Reported, ending
from anysize.core.errors import ConfigurationError, DataError, RunError
from anysize.core.receipts import Receipt
from anysize.core.results import ErrorResult, Result
from anysize.results.partial import Partial, is_finished, place_of
from anysize.results.rows import Rows
from anysize.results.sinks import Document, OneFile, check_out
from anysize.results.tables import check_suffix, write_table
from anysize.sources import open_source
from anysize.sources.columns import ColumnSpec
from anysize.sources.inputs import standard_input

TEXT = (ColumnSpec(role="text", kind="text", names=("text",)),)
RECEIPT = Receipt(
    extent=3, unit="tokens", windows=1, covered=1.0, dropped=0, merge="mean", fidelity="exact"
)
WORK = {"model": "m"}


def result(name: str) -> Result:
    details = {"probabilities": {"a": 0.75, "b": 0.25}}
    return Result(id=name, prediction="a", score=0.75, receipt=RECEIPT, details=details)


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_ids_and_columns_come_from_the_table(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "ID,text,note,score", "7,one,x,5", "8,two,y,6")
    source = open_source(path, roles=TEXT)
    rows = Rows(source, ("note", "score"))
    found = rows.row(1, result(source[1].id))
    assert list(found)[:4] == ["id", "note", "input_score", "prediction"]
    assert (found["id"], found["note"], found["input_score"], found["score"]) == (
        "8", "y", "6", 0.75,
    )  # fmt: skip
    assert rows.row(0, ErrorResult(id="a.csv:0", error="bad"))["id"] == "7"
    every = Rows(source, ("all",)).row(0, result("x"))
    assert (every["text"], every["note"]) == ("one", "x")
    with pytest.raises(ConfigurationError, match=r"'nope'.*it has: ID, note"):
        Rows(source, ("nope",))


def test_columns_that_are_carried_along_keep_their_types(tmp_path: Path) -> None:
    cells = {
        "text": ["one", "two"],
        "whole": [7, None],
        "part": [0.5, float("nan")],
        "yes": [True, False],
        "day": [date(2026, 1, 2), None],
        "large": arrow.array([1 << 63, 0], arrow.uint64()),
        "numbers": [[1, 2], []],
        "one": [{"of": 3}, {"of": 4}],
        "picture": [b"\x00", None],
        "nothing": arrow.nulls(2),
        "id": [0, 10],
    }
    parquet.write_table(arrow.table(cells), tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet", roles=TEXT)
    rows = Rows(source, ("all",))
    made = [rows.row(place, result("x")) for place in range(2)]
    assert [(row["id"], row["whole"], row["part"], row["yes"]) for row in made] == [
        ("0", 7, 0.5, True),
        ("10", None, None, False),
    ]
    assert made[0]["numbers"] == [1, 2] and made[0]["day"] == "2026-01-02"
    assert list(rows.words()) == [
        "--keep: the column 'picture' holds bytes, which are left empty, in 1 row"
    ]
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join(map(json.dumps, made)))
    write_table(lines, tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    kinds = {name: str(found.schema.field(name).type) for name in found.schema.names}
    assert (kinds["whole"], kinds["part"], kinds["yes"]) == ("int64", "double", "bool")
    assert (kinds["one.of"], kinds["large"], kinds["nothing"]) == ("int64", "string", "string")
    assert found["large"].to_pylist() == [str(1 << 63), "0"]
    write_table(lines, tmp_path / "out.csv")
    first = (tmp_path / "out.csv").read_text().splitlines()[1]
    assert first.startswith("0,one,7,0.5,true,2026-01-02,9223372036854775808,")


def test_ids_of_several_inputs_are_different(tmp_path: Path) -> None:
    paths = [table(tmp_path / name, "id,text", "1,one", "2,two") for name in ("a.csv", "b.csv")]
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "1").with_suffix(".txt").write_text("three")
    source = open_source([*paths, folder], roles=TEXT)
    rows = Rows(source)
    found = [rows.row(place, result(source[place].id))["id"] for place in range(len(source))]
    assert found == ["a.csv:1", "a.csv:2", "b.csv:1", "b.csv:2", "texts/1.txt"]


def test_standard_input_among_others_is_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    with standard_input([b"two\n"], "text", strings=True) as spooled:
        source = open_source([path, spooled], roles=TEXT)
        rows = Rows(source, renamed={spooled: "stdin.jsonl"})
        made = [rows.row(place, result(source[place].id)) for place in range(2)]
        assert [row["id"] for row in made] == ["a.txt", "stdin.jsonl:0"]
        wrong = ErrorResult(id=source[1].id, error=f"{source[1].id}: bad")
        assert rows.row(1, wrong) == {"id": "stdin.jsonl:0", "error": "stdin.jsonl:0: bad"}


def test_an_id_that_comes_twice_is_said(tmp_path: Path) -> None:
    source = open_source(table(tmp_path / "a.csv", "id,text", "1,one", "1,two"), roles=TEXT)
    rows = Rows(source)
    for place in range(2):
        rows.row(place, result(source[place].id))
    assert "repeats itself in 1 rows" in next(rows.words())


def lines(path: Path) -> Path:
    entries: list[dict[str, Any]] = [
        {"id": "é\udcff", "note": 'a,"b"\nc', **result("").to_json(), "objects": [{"box": [1]}]},
        {"id": "2", "error": "cannot be read"},
    ]
    entries[0]["id"] = "é\udcff"
    path.write_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in entries))
    return path


def test_csv_and_parquet_hold_what_the_lines_hold(tmp_path: Path) -> None:
    from pyarrow import parquet

    rows = lines(tmp_path / "rows")
    write_table(rows, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["note"] == 'a,"b"\nc' and first["id"] == "é\\udcff"
    assert first["probabilities.a"] == "0.75" and json.loads(first["objects"]) == [{"box": [1]}]
    assert second["error"] == "cannot be read" and second["prediction"] == ""
    write_table(rows, tmp_path / "a.parquet")
    found = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert found[0]["probabilities.b"] == 0.25 and found[0]["receipt.windows"] == 1
    assert found[1]["error"] == "cannot be read" and found[1]["score"] is None


def test_a_suffix_that_names_no_format_is_refused() -> None:
    for name in ("a.txt", "a", "a.xlsx"):
        with pytest.raises(ConfigurationError, match=r"\.jsonl .*\.csv or \.parquet"):
            check_out(Path(name), resume=False)
    with pytest.raises(ConfigurationError, match=r"it has no suffix; for a folder .* --files srt"):
        check_suffix(Path("a"), others=(".srt",))
    check_out(Path("A.CSV"), resume=True)
    check_out(Path("/dev/null"), resume=False)
    with pytest.raises(ConfigurationError, match="--resume needs --out"):
        check_out(None, resume=True)


@pytest.mark.parametrize("torn", [b"", b'{"id": "2", "er', b"\0\0\0\0"])
def test_a_cut_off_prediction_goes_on_behind_its_last_whole_line(
    tmp_path: Path, torn: bytes
) -> None:
    out = tmp_path / "a.jsonl"
    partial = Partial(out, WORK, resume=False)
    partial.write({"id": "0"})
    partial.write({"id": "1", "error": "bad"})
    partial.close()
    with partial.path.open("ab") as file:
        file.write(torn)
    said: list[str] = []
    with OneFile(out, WORK, resume=True, say=said.append) as sink:
        assert (sink.done, sink.errors) == (2, 1)
        sink.write({"id": "2"})
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["0", "1", "2"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    with pytest.raises(ConfigurationError, match="nothing to go on with"):
        OneFile(out, WORK, resume=True, say=said.append)


def test_other_work_is_not_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    Partial(out, {"model": "m", "inputs": ["a"]}, resume=False).close()
    with pytest.raises(ConfigurationError, match="inputs, model are not what"):
        Partial(out, {"model": "n", "inputs": ["b"]}, resume=True)


@pytest.mark.parametrize(
    ("error", "kept"),
    [(RunError("x"), True), (DataError("a", "b"), False), (KeyboardInterrupt(), True)],
)
def test_what_was_done_is_kept_but_for_mistakes_of_the_user(
    tmp_path: Path, error: BaseException, kept: bool
) -> None:
    out, said = tmp_path / "a.jsonl", []

    def work() -> None:
        with OneFile(out, WORK, resume=False, say=said.append) as sink:
            sink.write({"id": "0"})
            raise error

    with pytest.raises(type(error)):
        work()
    assert not out.exists() and place_of(out).exists() == kept == bool(said)
    assert [path.name for path in tmp_path.iterdir()] == (["a.jsonl.partial"] if kept else [])


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("error", [None, DataError("a.csv", "is broken"), KeyboardInterrupt()])
def test_one_document_is_valid_however_it_ends(count: int, error: BaseException | None) -> None:
    stream = io.StringIO()

    def work() -> None:
        with Document(stream, lambda: {"summary": {"predicted": count}}, ending, Reported) as sink:
            for number in range(count):
                sink.write({"id": number})
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(Reported):
            work()
    found = json.loads(stream.getvalue())
    assert [row["id"] for row in found["results"]] == list(range(count))
    assert found["summary"] == {"predicted": count}
    assert ("error" in found) == (error is not None)
    if isinstance(error, DataError):
        assert (found["error"], found["exit_code"]) == ("a.csv: is broken", 2)


@pytest.mark.parametrize(
    ("text", "ids"),
    [("text\none\ntwo\n", ("a.csv:0", "a.csv:1")), ("id,text\nA7,one\nB9,two\n", ("A7", "B9"))],
)
def test_whole_results_have_nothing_to_go_on_with(
    text: str, ids: tuple[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "a.csv"
    data.write_text(text)
    source = open_source(data, roles=[ColumnSpec(role="text", kind="text", names=("text",))])
    out = tmp_path / "r.jsonl"
    rows = Rows(source)

    def finished() -> bool:
        return is_finished(out, len(source), lambda: rows.id_of(0))

    assert not finished()  # nothing was begun
    with OneFile(out, WORK, resume=False, say=print) as sink:
        sink.write({"id": ids[0]})
        assert not finished()
        sink.write({"id": ids[1]})
    assert finished()
    first = json.dumps({"id": ids[0]})
    for lines in (f"{first}\n", '{"id": "b.csv:0"}\n{"id": "b.csv:1"}\n', "no JSON\n"):
        out.write_text(lines)
        with pytest.raises(ConfigurationError, match="is not of these 2 records"):
            finished()
    place_of(out).mkdir()
    assert not finished()
    assert not list(rows.words()), "asking for an id counted it"
