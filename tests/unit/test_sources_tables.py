"""Tables: rows by position, columns by name, and a clear word for everything that is wrong."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anysize.core.errors import ConfigurationError, DataError
from anysize.sources import ColumnSpec, open_source, target_counts
from anysize.sources import row_index as index_module
from anysize.sources import rows as rows_module
from anysize.sources.table import TableSource

TEXT = ColumnSpec(role="text", kind="text", names=("text", "review", "sentence"))
LABEL = ColumnSpec(role="label", kind="target", names=("label", "stars"), required=False)
NEEDED = ColumnSpec(role="label", kind="target", names=("label", "stars"))
IMAGE = ColumnSpec(role="image", kind="image", names=("image",))
NOTE = ColumnSpec(role="note", kind="value", names=("remark",), required=False)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path_factory.mktemp("cache")))


def table(path: Path, data: str | bytes, **options: Any) -> TableSource:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    options.setdefault("roles", [TEXT, LABEL])
    source = open_source(path, **options)
    assert isinstance(source, TableSource)
    return source


def shown(source: TableSource) -> list[tuple[str, str | None]]:
    records = [source[index] for index in range(len(source))]
    return [("".join(record.text("text").chunks()), record.target) for record in records]


EXPECTED = [('a, "quoted"\nline', "1"), ("漢字", "0"), ("", "1")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_of_every_dialect(tmp_path: Path, delimiter: str, end: str, mark: str) -> None:
    lines = ["label{d}text", '1{d}"a, ""quoted""\nline"', "0{d}漢字", "", '1{d}""']
    data = mark + end.join(lines).replace("{d}", delimiter)
    source = table(tmp_path / "a.csv", data)
    assert shown(source) == EXPECTED
    assert source.columns == ("label", "text")
    assert [source[index].id for index in range(3)] == ["a.csv:0", "a.csv:1", "a.csv:2"]


def test_tsv_takes_quotes_as_they_stand(tmp_path: Path) -> None:
    data = 'text\tlabel\r\n"open\t1\r\n\r\n5" wide, ok\t0\r\n'
    assert shown(table(tmp_path / "a.tsv", data)) == [('"open', "1"), ('5" wide, ok', "0")]


def test_json_lines(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"text": "a\n漢", "label": 3},
        {"label": True, "text": "b", "more": {"x": [1, None]}},
        {"text": "c", "label": None, "extra": 1.5},
    ]
    data = "\n\n".join(json.dumps(row) for row in rows) + "\n  \n"
    source = table(tmp_path / "a.jsonl", data)
    assert shown(source) == [("a\n漢", "3"), ("b", "true"), ("c", None)]
    assert dict(source[1].values) == {"more.x": "[1, null]"}
    assert source.columns == ("text", "label", "more.x", "extra")


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    count = 3000
    frame = pyarrow.table(
        {
            "text": [f"row {index} 漢" for index in range(count)],
            "label": [index % 3 if index != 5 else None for index in range(count)],
            "data": [b"\0\xff" * (index % 4) for index in range(count)],
        }
    )
    path = tmp_path / "a.parquet"
    parquet.write_table(frame, path, row_group_size=700)
    source = open_source(path, roles=[TEXT, LABEL])
    assert len(source) == count
    for index in (0, 1, 699, 700, 2999, 5):
        record = source[index]
        assert record.text("text").read(0, 99) == f"row {index} 漢"
        assert record.target == (str(index % 3) if index != 5 else None)
        assert record.id == f"a.parquet:{index}"

    def refuse(*_: object) -> None:
        raise AssertionError("the second opening must not read the file again")

    monkeypatch.setattr("anysize.sources.tables.columnar.spool", refuse)
    assert shown(open_source(path, roles=[TEXT, LABEL])) == shown(source)  # type: ignore[arg-type]
    os.utime(path, (1, 1))
    with pytest.raises(AssertionError, match="second opening"):
        open_source(path, roles=[TEXT, LABEL])


def test_pictures_inside_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import io

    from PIL import Image as pillow  # noqa: N813
    from pyarrow import parquet

    buffer = io.BytesIO()
    pillow.new("RGB", (7, 5), (1, 2, 3)).save(buffer, format="PNG")
    cells = [{"bytes": buffer.getvalue(), "path": "a.png"}, {"bytes": None, "path": "b.png"}]
    parquet.write_table(pyarrow.table({"image": cells, "label": [1, 2]}), tmp_path / "a.parquet")
    (tmp_path / "b.png").write_bytes(buffer.getvalue())
    source = open_source(tmp_path / "a.parquet", roles=[IMAGE, LABEL])
    assert [source[index].image("image").extent for index in range(2)] == [(7, 5), (7, 5)]
    assert source[0].image("image").resized(2, 2).tolist() == [[[1, 2, 3]] * 2] * 2


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"text,label\n")
    with pytest.raises(DataError, match="not a Parquet file"):
        open_source(tmp_path / "a.parquet", roles=[TEXT])
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
    with pytest.raises(DataError, match="damaged Parquet file"):
        open_source(tmp_path / "a.parquet", roles=[TEXT])


def test_columns_are_found_or_named(tmp_path: Path) -> None:
    data = "Review,STARS,remark,id\ngood,5,x,17\n"
    source = table(tmp_path / "a.csv", data, roles=[TEXT, LABEL, NOTE])
    record = source[0]
    assert source.roles == {"text": "Review", "label": "STARS", "note": "remark"}
    assert (record.target, dict(record.values)) == ("5", {"note": "x", "id": "17"})
    renamed = table(
        tmp_path / "a.csv", data, roles=[TEXT, LABEL], columns={"text": "remark", "label": "id"}
    )
    assert shown(renamed) == [("x", "17")]


def test_missing_columns_are_all_listed_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path / "a.csv", "comment,rating\nx,1\n", roles=[TEXT, NEEDED])
    message = str(caught.value)
    for part in ("text", "label", "comment, rating", "--columns text=NAME,label=NAME"):
        assert part in message
    with pytest.raises(ConfigurationError, match=r"text=coment.*did you mean 'comment'"):
        table(tmp_path / "a.csv", "comment,label\nx,1\n", columns={"text": "coment"})
    with pytest.raises(ConfigurationError, match=r"role 'body'.*text, label"):
        table(tmp_path / "a.csv", "text,label\nx,1\n", columns={"body": "text"})


def test_a_name_that_stands_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'text' more than once"):
        table(tmp_path / "a.csv", "text,label,text\na,1,b\n")
    source = table(tmp_path / "a.csv", "text,label,x,x\na,1,b,c\n")
    assert dict(source[0].values) == {"x": "b", "x (4)": "c"}


def test_bad_rows_fail_alone(tmp_path: Path) -> None:
    data = b'text,label\ngood,1\nragged\nalso,1,2\nbad \xff,0\nnul\0,0\nlast,0\nopen "no,1\n'
    source = table(tmp_path / "a.csv", data + b'"open,1', roles=[TEXT, NEEDED])
    problems = {}
    origins = []
    for index in range(len(source)):
        try:
            _ = source[index]
        except DataError as error:
            problems[index] = error.problem
            origins.append(error.origin)
    assert sorted(problems) == [1, 2, 3, 4, 7]
    assert origins == [f"a.csv:{index}" for index in problems]
    assert "has 1 cell where the header has 2 columns (text, label)" in problems[1]
    assert "has 3 cells" in problems[2]
    assert f"at byte {data.index(0xFF)}; the encoding looks like cp1252" in problems[3]
    assert "NUL" in problems[4]
    assert "never closed" in problems[7]
    assert list(source.targets()) == ["1", None, None, None, None, "0", "1", None]
    assert target_counts(source) == {"0": 1, "1": 2}


def test_bad_json_rows_fail_alone(tmp_path: Path) -> None:
    data = '{"text": "a"}\n{"text": \n[1]\n{"label": 1}\n{"text": "b", "label": ""}\n'
    source = table(tmp_path / "a.jsonl", data)
    for index, part in (
        (1, "is not JSON"),
        (2, "must be a JSON object, not list"),
        (3, "no value"),
    ):
        with pytest.raises(DataError, match=part):
            _ = source[index]
    assert source[4].target is None
    with pytest.raises(DataError, match="no value in the column 'label'"):
        _ = table(tmp_path / "b.jsonl", data, roles=[TEXT, NEEDED])[4]


def test_a_quote_that_swallows_rows_is_refused_at_opening(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"quote at byte 15, in row 1 .* never closed.*--columns quoting=off"
    ):
        table(tmp_path / "a.csv", 'text,label\na,1\n"b,2\nc,3\n')


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\r\n\n", "is empty"),
        ("a.jsonl", b"  \n\n", "is empty"),
        ("a.csv", bytes(range(256)) * 4, "NUL bytes.*binary"),
        ("a.csv", "t\u00e9xt,label\n".encode("cp1252"), "at byte 1; .*cp1252"),
        ("a.jsonl", b"not json\n{also not\n", "row 0 is not JSON"),
        ("a.jsonl", b"[1, 2]\n", "must be a JSON object"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(tmp_path / name, data)


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    for data in ("text,label", "text,label\n", "\n\ntext,label\r\n\r\n"):
        source = table(tmp_path / "a.csv", data)
        assert len(source) == 0
        with pytest.raises(IndexError):
            _ = source[0]


def test_other_encodings(tmp_path: Path) -> None:
    rows = "text,label\n这家酒店,1\n很好,0\n"
    source = table(tmp_path / "a.csv", rows.encode("gb18030"), encoding="gbk")
    assert shown(source) == [("这家酒店", "1"), ("很好", "0")]
    for encoding in ("utf-16", "utf-16-be", "utf-32", "shift_jis", "utf-7"):
        written = rows.replace("这", "").encode(encoding)
        source = table(tmp_path / "a.csv", written, encoding=encoding)
        assert shown(source) == [("家酒店", "1"), ("很好", "0")]
    with pytest.raises(ConfigurationError, match="encoding must be one"):
        table(tmp_path / "a.csv", rows, encoding="utf-9")


def test_cells_and_rows_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anysize.sources.tables.cell_fields.CELL_LIMIT", 100)
    monkeypatch.setattr("anysize.sources.table.ROW_LIMIT", 300)
    data = f"text,label\n{'a' * 100},1\n{'b' * 101},1\n{'c' * 400},1\nd,1\n"
    source = table(tmp_path / "a.csv", data)
    assert len(source[0].text("text").read(0, 999)) == 100
    with pytest.raises(DataError, match=r"101 characters in the column 'text'.*file_name"):
        _ = source[1]
    with pytest.raises(DataError, match="is 403 bytes long"):
        _ = source[2]
    assert source[3].target == "1"
    assert rows_module.CELL_LIMIT == 1 << 24


def test_files_named_by_a_table(tmp_path: Path) -> None:
    from PIL import Image as pillow  # noqa: N813

    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for place in (folder / "sub" / "a.png", tmp_path / "outside.png"):
        pillow.new("RGB", (4, 3)).save(place)
    rows = ["sub/a.png", str(tmp_path / "outside.png"), "sub/../sub/a.png", "../outside.png",
            "https://example.org/a.png", "sub/../../outside.png", "", "none.png"]  # fmt: skip
    data = "file_name,label\n" + "".join(f"{row},x\n" for row in rows)
    source = table(folder / "metadata.csv", data, roles=[IMAGE, LABEL])
    assert [source[index].image("image").extent for index in range(3)] == [(4, 3)] * 3
    messages = {3: "leads out of", 4: "only files are read", 5: "leads out of", 6: "no file name"}
    for index, message in messages.items():
        with pytest.raises(DataError, match=message):
            _ = source[index]
    with pytest.raises(DataError, match=r"names .none.png. .*no such file"):
        _ = source[7].image("image").extent


def test_texts_in_files_named_by_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("from a file", encoding="utf-8")
    source = table(tmp_path / "list.csv", "file_name,label\na.txt,1\n")
    assert shown(source) == [("from a file", "1")]


def large(path: Path, rows: int = 30_000) -> Path:
    lines = [f'{index},"text, ""{index}""\n{"x" * 30}"\r\n' for index in range(rows)]
    path.write_text("label,text\n" + "".join(lines), encoding="utf-8", newline="")
    assert path.stat().st_size > 1 << 20
    return path


def test_the_index_is_kept_and_made_anew_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = large(tmp_path / "a.csv")
    cache = tmp_path / "cache"
    built = 0
    build = index_module.build

    def counting(*arguments: Any) -> int:
        nonlocal built
        built += 1
        return build(*arguments)

    monkeypatch.setattr(index_module, "build", counting)

    def opened() -> TableSource:
        source = open_source(path, roles=[TEXT, LABEL], cache=cache)
        assert isinstance(source, TableSource)
        return source

    source = opened()
    first = source.fingerprint()
    for index in (0, 1, 15_000, 29_999):
        record = source[index]
        assert record.target == str(index)
        assert record.text("text").read(0, 99) == f'text, "{index}"\n' + "x" * 30
    assert opened().fingerprint() == first
    assert built == 1
    assert sorted(path.suffix for path in cache.iterdir()) == [".columns", ".rows"]

    with path.open("a", newline="") as file:
        file.write("30000,appended\n")
    assert opened()[30_000].text("text").read(0, 99) == "appended"
    assert built == 2
    assert opened().fingerprint() != first
    with pytest.raises(DataError, match="has changed since it was indexed"):
        _ = pickle.loads(pickle.dumps(source))[0]  # noqa: S301  what workers do with sources

    # The same size and time, but other bytes at an end.
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-2:-1] = b"D"
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert opened()[30_000].text("text").read(0, 99) == "appendeD"
    assert built == 3

    # A cache file that is cut off is not believed.
    (kept,) = cache.glob("*.rows")
    kept.write_bytes(kept.read_bytes()[:-8])
    assert len(opened()) == 30_001
    assert built == 4
    kept.write_bytes(b"garbage")
    assert len(opened()) == 30_001
    assert built == 5


def test_an_unwritable_cache_does_not_stop_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("ANYSIZE_CACHE", str(blocked / "cache"))
    source = open_source(large(tmp_path / "a.csv"), roles=[TEXT])
    assert source[29_999].id == "a.csv:29999"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "file"]


def test_an_interrupted_index_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = large(tmp_path / "a.csv")
    cache = tmp_path / "cache"

    def broken(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(index_module, "build", broken)
    with pytest.raises(KeyboardInterrupt):
        open_source(path, roles=[TEXT], cache=cache)
    assert list(cache.iterdir()) == []


def test_a_source_survives_pickling(tmp_path: Path) -> None:
    source = open_source(large(tmp_path / "a.csv"), roles=[TEXT], cache=tmp_path / "cache")
    again = pickle.loads(pickle.dumps(source))  # noqa: S301  what workers do with sources
    assert again[77].text("text").read(0, 99) == source[77].text("text").read(0, 99)


def test_hashes_of_ids_are_spread_evenly(tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", "text\n" + "x\n" * 20_000, roles=[TEXT])
    hashes = source.id_hashes(0, 20_000)
    assert len(set(hashes.tolist())) == 20_000
    assert np.array_equal(hashes[500:700], source.id_hashes(500, 700))
    counts = np.bincount((hashes >> np.uint64(60)).astype(int), minlength=16)
    assert np.abs(counts - 1250).max() < 150
    other = table(tmp_path / "b.csv", "text\n" + "x\n" * 20_000, roles=[TEXT])
    assert not (other.id_hashes(0, 20_000) == hashes).any()


def test_opening_a_table_loads_nothing_heavy(tmp_path: Path, repository: Path) -> None:
    path = large(tmp_path / "a.csv")
    program = (
        "import sys, anysize.sources as sources\n"
        "assert 'numpy' not in sys.modules, 'importing the room must load nothing'\n"
        "spec = sources.ColumnSpec(role='text', kind='text', names=('text',))\n"
        f"source = sources.open_source({str(path)!r}, roles=[spec])\n"
        "assert source[29_999].text('text').read(0, 4) == 'text'\n"
        "heavy = {'torch', 'pyarrow', 'pandas', 'PIL', 'cv2', 'pyvips', 'scipy', 'transformers'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    done = subprocess.run([sys.executable, "-c", program], check=False, env=environment)
    assert done.returncode == 0


def test_targets_are_the_records_targets_however_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(large(tmp_path / "a.csv"), roles=[TEXT, LABEL], cache=tmp_path / "cache")
    assert list(source.targets()) == [str(index) for index in range(30_000)]  # type: ignore[attr-defined]
    monkeypatch.setattr("anysize.sources.table.MOST_READ", 0)
    assert list(source.targets()) == [str(index) for index in range(30_000)]  # type: ignore[attr-defined]


def test_rows_cut_wrongly_are_named_where_no_label_is_found(tmp_path: Path) -> None:
    from anysize.tasks import load

    task = load("text-classification")
    (tmp_path / "a.csv").write_text("text,label\none, two,1\nthree, four,0\n")
    with pytest.raises(DataError, match=r"no record has a label: a.csv:0: has 3 cells .* quote"):
        task.labels(open_source(tmp_path / "a.csv", roles=task.columns))
    (tmp_path / "b.csv").write_text("text,label\none,1\nthree, four,0\n")
    with pytest.raises(DataError, match=r"only one label, '1'.*b.csv:1: has 3 cells"):
        task.labels(open_source(tmp_path / "b.csv", roles=task.columns))


def test_files_that_a_table_names(tmp_path: Path) -> None:
    """Found as Windows writes them, and in a folder beside the table, if that is the only place."""
    for folder, names in (("images", ("a.png", "b.png", "e.png", "f.PNG")), ("more", ("e.png",))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(b"")
    path = tmp_path / "data.csv"
    rows = ["images\\a.png", " images/b.png ", "b.png", "f", "c.png", "e.png"]
    rows += ["iVBORw0KGgo" * 100, "/no/d.png"]
    path.write_text("\n".join(["image,label", *(f"{row},x" for row in rows)]))
    source = open_source(path, roles=[IMAGE, LABEL])
    assert [source[place].image("image").origin for place in range(4)] == [
        str(tmp_path / "images" / name) for name in ("a.png", "b.png", "b.png", "f.PNG")
    ]
    for place, said in (
        (4, "no such file"),
        (5, r"several files .*\(images/e.png, more/e.png\)"),
        (6, "base64"),
        (7, "file$"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            source[place]
        assert len(str(caught.value)) < 400
