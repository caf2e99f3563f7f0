"""Recordings with transcripts: a test for each line of the table in docs/data-layouts.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.recordings import write

from anysize import tasks
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Finding, Findings
from anysize.core.records import Source
from anysize.sources import ColumnSpec, open_source
from anysize.tasks.inputs import task_of
from anysize.tasks.understanding import Understood, understand

RECOGNITION = tasks.load("automatic-speech-recognition")
SPEECH = tasks.load("text-to-speech")
VOICE: tuple[ColumnSpec, ...] = SPEECH.answering().columns  # type: ignore[attr-defined]


def clip(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(800)
    return write(path, samples.astype(np.float32))


def chapter(root: Path, name: str, texts: dict[str, str], suffix: str = ".flac") -> Path:
    """A chapter of LibriSpeech, with a recording for each text."""
    speaker, number = name.split("-")
    folder = root / speaker / number
    for place, one in enumerate(texts):
        clip(folder / f"{name}-{one}{suffix}", hash((name, place)) % 1000)
    path = folder / f"{name}.trans.txt"
    path.write_text("".join(f"{name}-{one} {text}\n" for one, text in texts.items()))
    return path


def voice(root: Path, lines: list[str], folder: str = "wavs") -> Path:
    """Data of LJSpeech's layout, with a recording for each line that has a name."""
    for place, line in enumerate(lines):
        clip(root / folder / f"{line.partition('|')[0]}.wav", place)
    path = root / "metadata.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def clips_table(root: Path, name: str, rows: list[tuple[str, str]]) -> Path:
    """A table of Common Voice, whose recordings are in ``clips``."""
    for place, (file, _) in enumerate(rows):
        clip(root / "clips" / file, len(name) * 100 + place)
    lines = ["client_id\tpath\tsentence\tup_votes"]
    lines += [f"a{place}\t{file}\t{text}\t2" for place, (file, text) in enumerate(rows)]
    path = root / f"{name}.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def opened(path: Path, findings: Findings | None = None, **rename: str) -> Source:
    return open_source(path, roles=RECOGNITION.columns, columns=rename, findings=findings)


def learned(path: Path, task: tasks.Task = RECOGNITION) -> tuple[Understood, dict[str, Finding]]:
    findings = Findings()
    found = understand(path, task, findings=findings, validation=0)
    return found, {one.code: one for one in findings}


def pairs(source: Source) -> dict[str, object]:
    return {record.id: record.target for record in map(source.__getitem__, range(len(source)))}


def spoken(source: Source) -> list[str]:
    found = (source[index].text("text").chunks() for index in range(len(source)))
    return ["".join(chunks) for chunks in found]


def test_transcripts_librispeech(tmp_path: Path) -> None:
    root = tmp_path / "LibriSpeech"
    chapter(root / "train-clean-5", "1-2", {"0000": "ONE TWO", "0001": "THREE"})
    chapter(root / "train-clean-5", "1-10", {"0000": "TEN"})
    path = chapter(root / "dev-clean", "5-6", {"0000": "FOUR"})
    (root / "SPEAKERS.TXT").write_text("; about\n")
    found, _ = learned(root)
    assert pairs(found.training) == {
        "train-clean-5/1/2/1-2-0000.flac": "ONE TWO",
        "train-clean-5/1/2/1-2-0001.flac": "THREE",
        "train-clean-5/1/10/1-10-0000.flac": "TEN",
    }
    assert found.splits.validation is not None
    assert pairs(found.splits.validation) == {"dev-clean/5/6/5-6-0000.flac": "FOUR"}
    assert "transcripts beside them" in found.summary(Findings())[0]
    assert pairs(opened(path)) == {"5-6-0000.flac": "FOUR"}  # the transcript itself
    source = open_source(root / "train-clean-5", roles=SPEECH.columns)
    assert spoken(source) == ["ONE TWO", "THREE", "TEN"]
    assert sum(map(len, source[0].audio("audio").blocks(16_000))) == 800
    assert spoken(open_source(path, roles=VOICE)) == ["FOUR"]


def test_transcripts_ljspeech(tmp_path: Path) -> None:
    lines = [
        'LJ-0001|He said "5|He said "five', "LJ-0002|in 1455, then|in fourteen fifty-five, then"
    ]  # fmt: skip
    root = tmp_path / "LJSpeech-1.1"
    path = voice(root, lines)
    (root / "README").write_text("about")
    read = {"wavs/LJ-0001.wav": 'He said "five', "wavs/LJ-0002.wav": "in fourteen fifty-five, then"}
    for where in (root, path):
        findings = Findings()
        assert pairs(opened(where, findings)) == read
        assert "column 3 of 3" in {one.code: one.message for one in findings}["transcripts-column"]
    assert list(pairs(opened(tmp_path / "LJSpeech-1.1", text="2")).values())[1] == "in 1455, then"
    assert list(pairs(opened(tmp_path)).values()) == list(read.values())  # in a folder
    assert spoken(open_source(root, roles=VOICE)) == list(read.values())
    with pytest.raises(ConfigurationError, match="from 2 to 3"):
        opened(root, text="4")


def test_transcripts_of_several_speakers(tmp_path: Path) -> None:
    voice(tmp_path, ["a|p225|please call", "b|p226|one of them"])
    assert list(pairs(opened(tmp_path)).values()) == ["please call", "one of them"]
    voice(tmp_path / "other", ["a|please call|7", "b|one of them|12"], "wav")
    assert list(pairs(opened(tmp_path / "other")).values()) == ["please call", "one of them"]


def test_transcripts_with_a_header_are_a_table(tmp_path: Path) -> None:
    voice(tmp_path, ["a|p225|please call", "b|p226|one of them"])
    text = (tmp_path / "metadata.csv").read_text()
    (tmp_path / "metadata.csv").write_text("file_name|speaker|text\n" + text)
    source = opened(tmp_path)
    assert source[0].values["speaker"] == "p225"
    assert list(pairs(source).values()) == ["please call", "one of them"]
    assert source[1].audio("audio").origin.endswith("wavs/b.wav")


def test_transcripts_common_voice(tmp_path: Path) -> None:
    every = [(f"c_{place}.mp3", f"Sentence {place}.") for place in range(12)]
    clips_table(tmp_path, "train", every[:6])
    clips_table(tmp_path, "dev", every[6:8])
    clips_table(tmp_path, "test", every[8:10])
    clips_table(tmp_path, "validated", every)
    (tmp_path / "reported.tsv").write_text("sentence\treason\nSentence 1.\tgrammar\n")
    found, codes = learned(tmp_path)
    assert {name: len(part) for name, part in found.splits.named().items()} == {
        "train": 6, "validation": 2, "test": 2,
    }  # fmt: skip
    assert list(pairs(found.training).values()) == [text for _, text in every[:6]]
    assert sum(map(len, found.training[0].audio("audio").blocks(16_000))) >= 800
    assert "in the folder clips" in codes["files-in-folder"].message
    assert codes["files-unnamed"].examples == ("clips/c_10.mp3", "clips/c_11.mp3")
    assert codes["beside-parts"].count == 2
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").unlink()
    clips_table(tmp_path, "invalidated", [("c_20.mp3", "Noise.")])
    found, codes = learned(tmp_path)
    assert len(found.training) + len(found.splits.test or ()) == 12
    assert codes["tables-rejected"].examples == ("invalidated.tsv",)


def test_transcripts_a_text_for_each(tmp_path: Path) -> None:
    for name, ends in (
        ("a", (".txt",)),
        ("b", (".lab",)),
        ("c", (".normalized.txt", ".original.txt")),
    ):
        clip(tmp_path / "p1" / f"{name}.WAV" if name == "b" else tmp_path / "p1" / f"{name}.wav")
        for end in ends:
            (tmp_path / "p1" / f"{name}{end}").write_text(f"text of\n{name}{end}\n")
    (tmp_path / "notes.txt").write_text("about these")
    findings = Findings()
    assert pairs(opened(tmp_path, findings)) == {
        "p1/a.wav": "text of a.txt", "p1/b.WAV": "text of b.lab", "p1/c.wav":
        "text of c.normalized.txt",
    }  # fmt: skip
    (passed,) = [one for one in findings if one.code == "files-passed-over"]
    assert set(passed.examples) == {"notes.txt", "p1/c.original.txt"}
    # Where texts alone are wanted, each is what it is.
    assert open_source(tmp_path / "p1", roles=VOICE)[0].id == "a.txt"


def test_transcripts_what_is_left_out(tmp_path: Path) -> None:
    path = chapter(tmp_path, "1-2", {"0000": "ONE", "0001": "", "0002": "TWO", "0003": "THREE"})
    (tmp_path / "1" / "2" / "1-2-0002.flac").unlink()
    clip(tmp_path / "1" / "2" / "1-2-0009.flac")
    with path.open("ab") as file:
        file.write(b"1-2-0000 AGAIN\n1-2-0001 caf\xe9\n")
    found, codes = learned(tmp_path)
    assert set(pairs(found.training)) <= {"1/2/1-2-0000.flac", "1/2/1-2-0003.flac"}
    assert codes["recordings-without-a-line"].examples == ("1/2/1-2-0009.flac",)
    assert codes["transcripts-missing"].examples == ("1-2-0002",)
    assert codes["transcripts-empty"].examples == ("1/2/1-2-0001.flac",)
    assert codes["transcripts-again"].examples == ("1/2/1-2-0000.flac",)
    assert codes["transcripts-broken"].examples == ("1-2.trans.txt line 6",)
    # To predict, no text is needed.
    assert pairs(opened(tmp_path))["1/2/1-2-0009.flac"] is None
    for recording in path.parent.glob("*.flac"):
        recording.unlink()
    with pytest.raises(DataError, match=r"none of the recordings .*\(1-2-0000"):
        learned(tmp_path)


def test_transcripts_task(tmp_path: Path) -> None:
    chapter(tmp_path / "a", "1-2", {"0000": "ONE"})
    clips_table(tmp_path / "b", "train", [("c.mp3", "One.")])
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "train.csv").write_text("path,text,label\nx.txt,some words,good\n")
    found = [task_of(tmp_path / name, None).name for name in "abc"]
    assert found == [RECOGNITION.name, RECOGNITION.name, "text-classification"]
