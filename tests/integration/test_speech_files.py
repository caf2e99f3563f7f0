"""``anysize predict`` into recordings: one file, a folder, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import soundfile
from tests.voices import RATE, write_voice

Run = Callable[..., CompletedProcess[str]]


def test_one_text_becomes_one_file_and_several_a_folder(run: Run, tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "voice")
    book, table = tmp_path / "book.txt", tmp_path / "table.csv"
    book.write_text("Hello there. A second one.", encoding="utf-8")
    table.write_text("id,text\na/1,Hello.\nb,Goodbye.\n", encoding="utf-8")
    done = run("predict", voice, book, "--out", tmp_path / "book.flac", "--memory", "4GiB")
    assert done.returncode == 0, done.stderr
    (row,) = map(json.loads, done.stdout.splitlines())
    assert row["audio"] == str(tmp_path / "book.flac")
    assert row["receipt"]["covered"] == 1.0
    info = soundfile.info(tmp_path / "book.flac")
    assert info.samplerate == RATE
    assert info.frames / RATE == round(row["prediction"]["seconds"] * RATE) / RATE
    out = tmp_path / "spoken"
    done = run(
        "predict", voice, table, "--out", out, "--files", "ogg", "--speed", "2", "--memory", "4GiB"
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]
    assert sorted(path.name for path in out.iterdir()) == ["a__1.ogg", "b.ogg", "results.jsonl"]
    assert [Path(each["audio"]).name for each in rows] == ["a__1.ogg", "b.ogg"]
    assert "2 files written" in done.stderr


def test_what_cannot_be_written_is_refused_before_work(run: Run, tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "voice")
    table = tmp_path / "table.csv"
    table.write_text("text\nHello.\nGoodbye.\n", encoding="utf-8")
    several = run("predict", voice, table, "--out", tmp_path / "x.wav")
    assert several.returncode == 2 and "one file, and there are 2 records" in several.stderr
    other = run("predict", voice, table, "--out", tmp_path / "x", "--files", "aiff")
    assert other.returncode == 2 and "--files must be one of wav, flac" in other.stderr
    unknown = run("predict", voice, table, "--out", tmp_path / "x.txt")
    assert unknown.returncode == 2 and "must end in .jsonl" in unknown.stderr
    lonely = run("predict", voice, table, "--files", "ogg")
    assert lonely.returncode == 2 and "--files needs --out" in lonely.stderr
    rows = run("predict", voice, table, "--memory", "4GiB")
    assert rows.returncode == 0 and "is not written (text-to-speech): give --out" in rows.stderr
    assert not (tmp_path / "x").exists() and not (tmp_path / "x.wav").exists()
