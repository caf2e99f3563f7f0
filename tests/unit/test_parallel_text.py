"""Parallel text in two files: which belong together, line for line, and what is said of faults."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from anysize.core.errors import AnysizeError, ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.sources import open_source, open_splits
from anysize.sources.parallel.lengths import parting
from anysize.tasks.inputs import task_of
from anysize.tasks.translation import Translation

_ENGLISH = ["a dog", "two cats sleep", "", "  birds sing  "]
_GERMAN = ["ein Hund", "zwei Katzen schlafen", "leer", ""]


def _write(folder: Path, name: str, lines: list[str], end: str = "\n") -> Path:
    path = folder / name
    data = "".join(line + end for line in lines).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def _open(paths: object, findings: Findings | None = None, **rename: str) -> Source:
    return open_source(
        paths,  # type: ignore[arg-type]
        roles=Translation.columns,
        columns=rename,
        findings=findings,
    )


def _texts(source: Source) -> list[tuple[str, object]]:
    found = []
    for index in range(len(source)):
        record = source[index]
        found.append(("".join(record.text("source").chunks()), record.target))
    return found


@pytest.mark.parametrize("names", [("a.en", "a.de"), ("a.en.gz", "a.de"), ("a.en.txt", "a.de.txt")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_pairs(tmp_path: Path, names: tuple[str, str], end: str) -> None:
    first = _write(tmp_path, names[0], _ENGLISH[:2], end)
    second = _write(tmp_path, names[1], _GERMAN[:2], end)
    expected = list(zip(_ENGLISH[:2], _GERMAN[:2], strict=True))
    turned = [(target, source) for source, target in expected]
    assert _texts(_open([first, second])) == expected
    assert _texts(_open([second, first])) == turned  # the first that is given is the source
    assert _texts(_open(tmp_path, source="en", target="de")) == expected
    assert _texts(_open(tmp_path, target="en")) == turned
    assert _open([first, second])[1].id == f"{names[0]}:1"


def test_empty_lines_are_counted_and_shift_nothing(tmp_path: Path) -> None:
    paths = [_write(tmp_path, "a.en", _ENGLISH), _write(tmp_path, "a.de", _GERMAN)]
    for _ in range(2):  # counted where the pairs are kept from before, too
        findings = Findings()
        source = _open(paths, findings)
        assert len(source) == 4
        with pytest.raises(DataError, match="no value in the column 'source'"):
            source[2]
        assert source[3].target is None
        assert "".join(source[3].text("source").chunks()) == "birds sing"
        said = [one.sentence() for one in findings if one.code == "lines-empty"]
        assert len(said) == 2
        assert "a.en" in said[0]
        assert "(line 3)" in said[0]
        assert "(line 4)" in said[1]


def test_lines_that_cannot_be_decoded_fail_alone(tmp_path: Path) -> None:
    first = _write(tmp_path, "a.en", ["one", "two", "three"])
    second = tmp_path / "a.de"
    second.write_bytes(b"eins\nzw\xffei\ndrei\n")
    findings = Findings()
    source = _open([first, second], findings)
    assert [source[index].target for index in range(3)] == ["eins", None, "drei"]
    (one,) = [one for one in findings if one.code == "lines-unreadable"]
    assert one.examples == ("line 2",)


def test_unequal_files_are_refused_with_the_place(tmp_path: Path) -> None:
    draw = random.Random(0)
    lengths = [draw.randint(1, 40) for _ in range(300)]
    english = ["word " * count for count in lengths]
    german = ["Wort " * max(count + draw.randint(-1, 1), 1) for count in lengths]
    del german[120:123]
    paths = [_write(tmp_path, "a.en", english), _write(tmp_path, "a.de", german)]
    with pytest.raises(DataError, match=r"has 300 lines and .*a\.de has 297") as caught:
        _open(paths)
    assert "belong together as far as line" in str(caught.value)


def test_parting_finds_one_gap_and_nothing_in_noise() -> None:
    draw = random.Random(1)
    for _ in range(20):
        whole = [draw.randint(3, 200) for _ in range(400)]
        place, gap = draw.randint(20, 380), draw.randint(1, 5)
        short = [round(1.2 * each) for each in whole]
        del short[place : place + gap]
        found = parting(whole, short)
        assert found is not None
        assert abs(found - place) <= 3
        assert parting(short, whole) == found
    other = [draw.randint(3, 200) for _ in range(390)]
    assert parting(whole, other) is None


def test_folders_have_parts_by_name(tmp_path: Path) -> None:
    for part, count in (("train", 30), ("val", 4), ("test_2016", 3), ("test_2017", 2)):
        for language in ("en", "de", "fr"):
            lines = [f"{part} {language} {number}" for number in range(count)]
            _write(tmp_path, f"{part}.{language}", lines)
    findings = Findings()
    splits = open_splits(
        tmp_path,
        roles=Translation.columns,
        columns={"source": "en", "target": "de"},
        findings=findings,
    )
    assert {name: len(part) for name, part in splits.named().items()} == {
        "train": 30, "validation": 4, "test": 5,
    }  # fmt: skip
    assert splits.train is not None
    assert splits.train[7].target == "train de 7"
    assert any(one.code == "language-not-asked" and one.count == 4 for one in findings)
    # One file is divided as any table is.
    files = [tmp_path / "train.fr", tmp_path / "train.en"]
    whole = open_splits(files, roles=Translation.columns)
    assert sum(map(len, whole.named().values())) == 30
    assert len(whole.named()) == 3


def test_directions_are_never_guessed(tmp_path: Path) -> None:
    _write(tmp_path, "a.en", ["x"])
    _write(tmp_path, "a.de", ["y"])
    with pytest.raises(ConfigurationError, match="texts in de, en: say which"):
        _open(tmp_path)
    with pytest.raises(ConfigurationError, match="'dr' is not a language of the files"):
        _open(tmp_path, source="en", target="dr")
    with pytest.raises(DataError, match="other language is missing"):
        open_splits(tmp_path / "a.en", roles=Translation.columns, columns={"source": "en"})
    words = tmp_path / "words"
    words.mkdir()
    _write(words, "train.src", ["x"])
    _write(words, "train.tgt", ["y"])
    assert _texts(_open(words)) == [("x", "y")]


def test_a_source_alone_is_translated_line_by_line(tmp_path: Path) -> None:
    path = _write(tmp_path, "new.en", ["one", "two"])
    assert _texts(_open(path, source="en")) == [("one", None), ("two", None)]
    # A suffix that nobody called a language is not taken for one.
    with pytest.raises(AnysizeError, match="suffix"):
        _open(_write(tmp_path, "new.xyz", ["one"]))


def test_parallel_text_is_for_translation(tmp_path: Path) -> None:
    _write(tmp_path, "a.en", ["x"])
    _write(tmp_path, "a.de", ["y"])
    assert task_of(tmp_path, None).name == "translation"
    _write(tmp_path, "other.csv", ["source,target", "u,v"])
    findings = Findings()
    assert _texts(_open(tmp_path, findings, source="en")) == [("x", "y")]
    assert any(one.code == "tables-beside" for one in findings)
