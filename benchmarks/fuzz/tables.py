"""Tables of every format that is read, damaged as bytes and as text."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from anysize.core.errors import AnysizeError, DataError
from anysize.sources import ColumnSpec, open_source
from benchmarks.fuzz.mutation import mutated_file

PROVIDES = ("tables",)

_TEXT = ColumnSpec(role="text", kind="text", names=("text",))
_LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)
_NUMBERS = ColumnSpec(role="features", kind="features", names=("features",))

_MOST = 2000
_ROWS = 60
_TEXTS = (".csv", ".tsv", ".jsonl", ".json")

# What breaks readers of text: each goes in somewhere.
_ODD = (
    '"', '""', '"\n"', "\\", '\\"', "\0", "\r", "\n\n\n", "\ufeff", ",,,,,,", "\t", "'", "\u2028",
    "\\ud83d", "\\u0000", "[" * 3000, '{"a":' * 3000, "9" * 400, "9" * 5000, "-1e999", "NaN",
    "Infinity", "9999-99-99", "x" * 200_000, "," * 5000, "null", "true", "{}", "[]", "sep=;\n",
    "text,label\n", '{"text": {"a": {"b": 1}}}', '{"text": ["a", ["b"]]}',
)  # fmt: skip


def prepare(folder: Path) -> None:
    """One file for each format and way to write it."""
    for name, data in _files():
        (folder / name).write_bytes(data)


def mutated(folder: Path, random: Random, into: Path) -> Path:
    """A file with changed bytes, or a text with something odd in it."""
    if random.random() < 0.5:
        return mutated_file(folder, random, into)
    paths = sorted(path for path in folder.iterdir() if path.suffix in _TEXTS)
    chosen = random.choice(paths)
    data = bytearray(chosen.read_bytes())
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        place = random.randrange(len(data) + 1)
        data[place:place] = random.choice(_ODD).encode()
    result = into / chosen.name
    result.write_bytes(data)
    return result


def read(path: Path) -> None:
    """All rows, as text and as numbers, and the targets."""
    with tempfile.TemporaryDirectory(prefix="fuzz-cache-") as cache:
        problems = []
        for columns in ([_TEXT, _LABEL], [_NUMBERS, _LABEL]):
            try:
                _read(path, columns, Path(cache))
            except AnysizeError as error:
                problems.append(error)
        if len(problems) == 2:
            raise problems[0]


def _read(path: Path, columns: list[ColumnSpec], cache: Path) -> None:
    source: Any = open_source(path, roles=columns, cache=cache)
    for index in range(min(len(source), _MOST)):
        try:
            record = source[index]
            if "text" in record.fields:
                "".join(record.text("text").chunks()).encode()
        except DataError:
            continue
    for _, target in zip(range(_MOST), source.targets(), strict=False):
        (target or "").encode()


def _files() -> Iterator[tuple[str, bytes]]:
    texts = [f'row {row}, "quoted"\nand é 漢' if row % 3 else f"row {row}" for row in range(_ROWS)]
    labels = ["pos" if row % 2 else "neg" for row in range(_ROWS)]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    plain = [text.replace("\n", " ").replace(",", "").replace('"', "") for text in texts]
    numbers = [str(row * 1.5 - 7) for row in range(_ROWS)]
    rows = list(zip(quoted, labels, numbers, strict=True))
    table = "text,label,a\n" + "".join(f"{text},{label},{a}\n" for text, label, a in rows)
    objects = [
        {"text": text, "label": label, "a": float(a), "more": {"b": [1, None]}}
        for text, label, a in zip(texts, labels, numbers, strict=True)
    ]
    lines = "\n".join(map(json.dumps, objects))
    yield "quoted.csv", table.encode()
    yield "returns.csv", table.replace("\n", "\r\n").encode()
    yield "plain.tsv", _joined("text\tlabel\ta", plain, labels, numbers, "\t").encode()
    yield (
        "semicolons.csv",
        ("sep=;\n" + _joined("text;label;a", plain, labels, numbers, ";")).encode(),
    )
    yield "nohead.csv", _joined("", plain, labels, numbers, ",").lstrip().encode()
    yield "escaped.csv", table.replace('""', '\\"').encode()
    yield "wide.csv", table.encode("utf-16")
    yield "wide32.csv", table.encode("utf-32-le")
    yield "latin.csv", table.encode("gb18030", "replace")
    yield "lines.jsonl", lines.encode()
    yield "array.json", json.dumps(objects).encode()
    yield "inner.json", json.dumps({"version": 1, "data": objects}).encode()
    yield "columns.json", json.dumps({"text": texts, "label": labels}).encode()
    yield "packed.csv.gz", gzip.compress(table.encode(), mtime=0)
    yield "packed.jsonl.xz", lzma.compress(lines.encode())
    yield (
        "packed.tsv.bz2",
        bz2.compress(_joined("text\tlabel\ta", plain, labels, numbers, "\t").encode()),
    )
    yield "packed.csv.zip", _zipped("a.csv", table.encode())
    yield from _columnar(texts, labels, numbers)


def _joined(head: str, *columns: Any) -> str:
    *cells, between = columns
    return head + "\n" + "".join(between.join(row) + "\n" for row in zip(*cells, strict=True))


def _zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def _columnar(
    texts: list[str], labels: list[str], numbers: list[str]
) -> Iterator[tuple[str, bytes]]:
    import pyarrow
    from pyarrow import feather, ipc, parquet

    frame = pyarrow.table(
        {
            "text": texts,
            "label": pyarrow.array([label == "pos" for label in labels]).cast("int8"),
            "a": [float(number) for number in numbers],
            "words": [text.split() for text in texts],
            "inner": [{"b": row, "c": {"d": "x"}} for row in range(len(texts))],
            "time": pyarrow.array(range(len(texts)), "timestamp[us]"),
            "data": [text.encode() for text in texts],
        }
    )
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    kept = json.dumps({"info": {"features": features}})
    frame = frame.replace_schema_metadata({"huggingface": kept})
    for compression in ("none", "snappy", "zstd", "gzip"):
        file = io.BytesIO()
        parquet.write_table(frame, file, compression=compression, row_group_size=25)
        yield f"{compression}.parquet", file.getvalue()
    file = io.BytesIO()
    parquet.write_table(frame, file, use_dictionary=False, data_page_version="2.0")
    yield "pages.parquet", file.getvalue()
    file = io.BytesIO()
    with ipc.new_stream(file, frame.schema) as stream:
        stream.write_table(frame, max_chunksize=20)
    yield "stream.arrow", file.getvalue()
    file = io.BytesIO()
    feather.write_feather(frame, file, compression="zstd")
    yield "packed.feather", file.getvalue()
    packed = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(
            "\n".join(
                f"{text!r},{label}" for text, label in zip(texts, labels, strict=True)
            ).encode()
        )
    yield "packed.csv.zst", packed.getvalue().to_pybytes()
