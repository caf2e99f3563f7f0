"""Text is the same text however it is read, and bad bytes are named by their place."""

from __future__ import annotations

import codecs
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import TextField
from anysize.readers import text as reader
from anysize.readers.encodings import suggest
from anysize.readers.text import PIECE, Text

LONG = "Eins, zwei — drei. 一二三四五。\r\n" * 40_000


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16", "utf-16-le", "utf-32", "hz"])
def test_a_file_is_the_text_that_was_written(tmp_path: Path, encoding: str) -> None:
    content = LONG if encoding != "hz" else LONG.replace("—", "-")
    field = Text(written(tmp_path / "a.txt", content.encode(encoding)), encoding=encoding)
    assert isinstance(field, TextField)
    pieces = list(field.chunks())
    assert "".join(pieces) == content
    assert len(pieces) > 10
    assert max(map(len, pieces)) <= PIECE
    assert field.size_hint >= len(content)


@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_reading_a_part_equals_slicing(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    encoding = data.draw(st.sampled_from(["utf-8", "gb18030", "utf-16"]))
    path = tmp_path_factory.mktemp("t") / "a.txt"
    content = LONG * 4
    path.write_bytes(content.encode(encoding))
    field = Text(path, encoding=encoding)
    if data.draw(st.booleans()):
        assert sum(map(len, field.chunks())) == len(content)
    for _ in range(4):
        start = data.draw(st.integers(0, len(content) + 10))
        stop = data.draw(st.integers(start, start + 200_000))
        assert field.read(start, stop) == content[start:stop]


def test_a_later_part_is_not_decoded_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = LONG * 8
    field = Text(written(tmp_path / "a.txt", content.encode()))
    for _ in field.chunks():
        pass
    decoded = 0

    class Counting(codecs.getincrementaldecoder("utf-8")):  # type: ignore[misc]
        def decode(self, data: bytes, final: bool = False) -> str:
            nonlocal decoded
            decoded += len(data)
            return str(super().decode(data, final))

    monkeypatch.setattr(codecs, "getincrementaldecoder", lambda _: Counting)
    start = len(content) - 5
    assert field.read(start, start + 5) == content[-5:]
    assert 0 < decoded <= 20 * PIECE < len(content)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    field = Text(written(tmp_path / "a.txt", b"\xef\xbb\xbfabc"))
    assert "".join(field.chunks()) == "abc"
    assert field.read(0, 2) == "ab"


def test_a_string_is_cut_into_bounded_pieces() -> None:
    content = "a漢" * PIECE
    field = Text(content)
    assert field.size_hint == len(content)
    assert [len(piece) for piece in field.chunks()] == [PIECE, PIECE]
    assert field.read(3, 9) == content[3:9]
    assert list(Text("").chunks()) == []


@pytest.mark.parametrize(
    ("data", "encoding", "offset", "advice"),
    [
        (b"abc" * 50_000 + "Grüße".encode("cp1252"), "utf-8", 150_002, "cp1252"),
        ("ok " + "这家酒店的服务很好" * 9, "gb18030", None, "gb18030"),
        (b"ab\xe4\xb8", "utf-8", 2, "damaged"),
    ],
)
def test_bytes_that_do_not_decode_are_named(
    tmp_path: Path, data: bytes | str, encoding: str, offset: int | None, advice: str
) -> None:
    raw = data.encode(encoding) if isinstance(data, str) else data
    path = written(tmp_path / "a.txt", raw)
    with pytest.raises(DataError) as caught:
        list(Text(path).chunks())
    assert caught.value.origin == str(path)
    assert advice in caught.value.problem
    if offset is not None:
        assert f"at byte {offset};" in caught.value.problem


def test_nul_characters_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "plain".encode("utf-16-le"))
    with pytest.raises(DataError, match=r"NUL.*character 1;.*utf-16-le"):
        list(Text(path).chunks())
    with pytest.raises(DataError, match="NUL"):
        Text("a\0b").read(0, 1)
    binary = written(tmp_path / "b.txt", bytes(range(128)) * 10)
    with pytest.raises(DataError, match="binary data"):
        list(Text(binary).chunks())


def test_missing_files_and_unknown_encodings(tmp_path: Path) -> None:
    field = Text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(field.chunks())
    with pytest.raises(DataError, match="cannot be read"):
        _ = field.size_hint
    with pytest.raises(ConfigurationError, match=r"encoding must be one.*'utf-9'"):
        Text("a", encoding="utf-9")
    with pytest.raises(ValueError, match="start"):
        Text("abc").read(2, 1)


def test_a_field_survives_pickling(tmp_path: Path) -> None:
    field = Text(written(tmp_path / "a.txt", LONG.encode()))
    field.read(0, 10)
    again = pickle.loads(pickle.dumps(field))  # noqa: S301  what workers do with fields
    assert again.read(5, 25) == field.read(5, 25)
    assert repr(again) == repr(field)


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("plain", "ascii", "utf-8"),
        ("中文的文本", "utf-8", "utf-8"),
        ("中文的文本，很好。", "gbk", "gb18030"),
        ("déjà vu à Paris, très bien", "cp1252", "cp1252"),
        ("Zażółć gęślą jaźń", "cp1250", "cp1252"),
        ("x" * 40, "utf-16-be", "utf-16-be"),
        ("この映画はとても良かった。,ﾊﾞｯﾃﾘｰ", "shift_jis", "cp932"),
        ("この映画はとても良かった。", "euc_jp", "euc_jp"),
        ("這部電影非常好看，服務態度很差", "big5", "big5"),
        ("다시는 안 갑니다,bad", "euc_kr", "cp949"),
        ("Ужасный сервис, больше не приду", "cp1251", "cp1251"),
        ("Ужасный сервис, больше не приду", "koi8_r", "koi8_r"),
        ("Αυτή η ταινία ήταν πολύ καλή", "cp1253", "cp1253"),
        ("הסרט הזה היה טוב מאוד", "cp1255", "cp1255"),
        ("هذا الفيلم رائع جدا", "cp1256", "cp1256"),
        ("หนังเรื่องนี้ดีมาก", "cp874", "cp874"),
    ],
)
def test_the_suggested_encoding(text: str, encoding: str, expected: str) -> None:
    assert suggest(text.encode(encoding)) == expected


def test_reading_holds_no_more_than_a_piece(tmp_path: Path) -> None:
    import tracemalloc

    field = Text(written(tmp_path / "a.txt", LONG.encode() * 10))
    tracemalloc.start()
    try:
        assert sum(map(len, field.chunks())) == len(LONG) * 10
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * PIECE < reader.PIECE * 100 < field.size_hint
