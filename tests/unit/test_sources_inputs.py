"""Standard input as a table, and what data is read as where nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from anysize.core.errors import ConfigurationError, DataError
from anysize.sources import ColumnSpec, open_source
from anysize.sources.inputs import check_paths, standard_input
from anysize.tasks.inputs import task_of

TEXT = ColumnSpec(role="text", kind="text", names=("text",))
MARK = b"\xef\xbb\xbf"


def read(lines: list[bytes], encoding: str = "utf-8") -> list[str]:
    found = []
    with standard_input(lines, "text", encoding, strings=True) as path:
        source = open_source(path, roles=[TEXT], encoding=encoding)
        for index in range(len(source)):
            try:
                found.append("".join(source[index].text("text").chunks()))
            except DataError as error:
                found.append(str(error))
    return found


def test_lines_of_standard_input_are_records() -> None:
    lines = [MARK + b"one\r\n", b"  \n", b"\r\n", b' {"text": "two"}\n', b"three, no line end"]
    assert read(lines) == ["one", "two", "three, no line end"]


def test_standard_input_in_another_encoding() -> None:
    lines = ["这家酒店很好\n".encode("gbk"), '{"text": "很差"}\n'.encode("gbk")]
    assert read(lines, "gbk") == ["这家酒店很好", "很差"]
    with pytest.raises(ConfigurationError, match="utf-9"):
        read(lines, "utf-9")


def test_a_line_that_cannot_be_decoded_fails_alone() -> None:
    first, wrong, last = read([b"one\n", "très bien, déjà vu\n".encode("cp1252"), b"two\n"])
    assert (first, last) == ("one", "two")
    assert wrong.startswith("stdin.jsonl:1: cannot be decoded as utf-8")
    assert "cp1252" in wrong


def test_no_lines_are_refused() -> None:
    with pytest.raises(DataError, match="standard input: is empty"):
        read([b"\n", b"  \r\n"])


def test_lines_that_name_pictures_are_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "名 字.png").touch()
    with standard_input(["名 字.png\n".encode()], "image", strings=False) as path:
        source = open_source(path, roles=[ColumnSpec(role="image", kind="image", names=())])
        assert str(tmp_path / "名 字.png") in repr(source[0].image("image"))


def test_a_table_without_rows_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n")
    with pytest.raises(DataError, match=r"a\.csv: has no records"):
        task_of(tmp_path / "a.csv", None)


def test_a_fault_that_every_task_meets_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"a,1\nb\nc,1\n')
    with pytest.raises(DataError) as caught:
        task_of(tmp_path / "a.csv", None)
    assert str(caught.value).count("never closed") == 1


def test_an_empty_path_is_not_the_folder_that_one_is_in(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the path is empty"):
        check_paths([str(tmp_path), ""])


def test_a_link_to_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "data.csv").symlink_to("nowhere")
    with pytest.raises(DataError, match="is a link to nowhere, which does not exist"):
        check_paths([tmp_path / "data.csv"])
