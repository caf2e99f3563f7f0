"""Translation memories as records."""

from __future__ import annotations

from pathlib import Path

import pytest

from anysize.core.errors import ConfigurationError, DataError
from anysize.sources import open_source
from anysize.sources import tmx as module
from anysize.tasks.translation import Translation

_UNIT = """<tu tuid="{n}"><note>x</note>
<tuv xml:lang="en-US"><seg>Text <bpt i="1">&lt;b&gt;</bpt>{n} &amp; more</seg></tuv>
<tuv xml:lang="de"><seg>Satz {n}: ähnlich</seg></tuv>
<tuv xml:lang="zh-CN"><seg>句子{n}。</seg></tuv></tu>
"""


def _file(folder: Path, units: str, head: str = "") -> Path:
    path = folder / "memory.tmx"
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<tmx version="1.4">'
        f'<header srclang="en" datatype="x"/><body>{units}</body></tmx>',
        encoding="utf-8",
    )
    return path


def _many(count: int) -> str:
    return "".join(_UNIT.format(n=number) for number in range(count))


def test_units_are_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tags that lie across pieces of the file are found too, once.
    path = _file(tmp_path, _many(40))
    expected = [(f"Text <b>{n} & more", f"Satz {n}: ähnlich") for n in range(40)]
    for piece in (300, 517, 1 << 20):
        monkeypatch.setattr(module, "PIECE", piece)
        source = open_source(path, roles=Translation.columns)
        found = [
            ("".join(source[place].text("source").chunks()), source[place].target)
            for place in range(len(source))
        ]
        assert found == expected
    assert source[3].id == "memory.tmx:3"


def test_languages_are_named_or_guessed(tmp_path: Path) -> None:
    path = _file(tmp_path, _many(2))
    chinese = open_source(path, roles=Translation.columns, columns={"source": "de", "target": "zh"})
    assert chinese[1].target == "句子1。"
    assert "".join(chinese[1].text("source").chunks()) == "Satz 1: ähnlich"
    with pytest.raises(ConfigurationError, match="no such language; they have en-US, de, zh-CN"):
        open_source(path, roles=Translation.columns, columns={"target": "fr"})


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no unit"):
        open_source(_file(tmp_path, ""), roles=Translation.columns)
    bomb = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    unit = _UNIT.format(n="0").replace("Satz", "&b;")
    with pytest.raises(DataError, match="is not XML: undefined entity"):
        open_source(_file(tmp_path, unit, bomb), roles=Translation.columns)
    source = open_source(
        _file(tmp_path, _many(1) + "<tu><tuv xml:lang='de'><seg>nur</seg></tuv></tu>"),
        roles=Translation.columns,
    )
    with pytest.raises(DataError, match="has no text in 'en', only in de"):
        source[1]
    odd = (
        "<tu><tuv><seg>?</seg></tuv></tu>"
        "<tu><tuv xml:lang='en'><seg/></tuv><tuv xml:lang='de'><seg>leer</seg></tuv></tu>"
    )
    languages = {"source": "en", "target": "de"}
    source = open_source(
        _file(tmp_path, odd + _many(1)), roles=Translation.columns, columns=languages
    )
    assert source[2].target == "Satz 0: ähnlich"
    with pytest.raises(DataError, match="no text in 'en', only in one that is not named"):
        source[0]
    with pytest.raises(DataError, match="no text in 'en', only in de"):
        source[1]
    (tmp_path / "memory.tmx").write_bytes("<tmx/>".encode("utf-16"))
    with pytest.raises(DataError, match="is in utf-16"):
        open_source(tmp_path / "memory.tmx", roles=Translation.columns)
