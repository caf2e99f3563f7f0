"""Transcripts as files: text, SubRip, WebVTT; and which formats a task has."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from anysize import tasks
from anysize.core.errors import ConfigurationError
from anysize.core.transcripts import joined
from anysize.results.own_files import own_files
from anysize.results.sinks import OneFile, check_out
from anysize.tasks.abilities import check_number, row_writers
from anysize.tasks.speech.files import plain, subrip, webvtt

ROW = {
    "id": "a.wav",
    "prediction": "One two. Three <four>",
    "segments": [
        {"start": 0, "end": 1500, "text": "One two."},
        {"start": 1400, "end": 3_723_004, "text": "Three <four>", "speaker": "Ann"},
    ],
    "receipt": {},
}


def written(writer: Callable[[Path, BinaryIO], None], folder: Path, *rows: dict[str, Any]) -> str:
    path, out = folder / "rows.jsonl", io.BytesIO()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    writer(path, out)
    return out.getvalue().decode()


def test_subrip(tmp_path: Path) -> None:
    assert written(subrip, tmp_path, ROW) == (
        "1\n00:00:00,000 --> 00:00:01,400\nOne two.\n\n"
        "2\n00:00:01,400 --> 01:02:03,004\nAnn: Three <four>\n\n"
    )


def test_webvtt(tmp_path: Path) -> None:
    text = written(webvtt, tmp_path, ROW)
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.400\nOne two.\n\n")
    assert "Ann: Three &lt;four&gt;\n" in text


def test_text_has_a_line_for_each_segment(tmp_path: Path) -> None:
    silent = {"id": "b", "prediction": "", "segments": [], "receipt": {}}
    failed = {"id": "c", "error": "c: is empty"}
    assert written(plain, tmp_path, ROW, silent, failed) == "One two.\nThree <four>\n\n"


def test_long_lines_are_cut_in_two(tmp_path: Path) -> None:
    text = "word " * 15
    row = {**ROW, "segments": [{"start": 0, "end": 9000, "text": text.strip()}]}
    lines = written(subrip, tmp_path, row).splitlines()[2:-1]
    assert len(lines) == 2 and " ".join(lines) == text.strip()


def test_a_short_cue_stays_for_a_moment(tmp_path: Path) -> None:
    row = {**ROW, "segments": [{"start": 1000, "end": 1000, "text": "ah"}]}
    assert "00:00:01,000 --> 00:00:01,200" in written(subrip, tmp_path, row)


def test_a_format_is_its_task_s(tmp_path: Path) -> None:
    formats = row_writers(tasks.load("automatic-speech-recognition"))
    check_out(tmp_path / "a.srt", resume=False, formats=formats)
    with pytest.raises(ConfigurationError, match=r"must end in .*\.srt.*'\.doc'"):
        check_out(tmp_path / "a.doc", resume=False, formats=formats)
    with pytest.raises(ConfigurationError, match="must end in"):
        check_out(tmp_path / "a.srt", resume=False)
    with pytest.raises(ConfigurationError, match=r"must end in .*\.srt, \.wav or \.parquet"):
        check_out(tmp_path / "a.mp4", resume=False, formats={".srt": print}, others=[".wav"])
    with OneFile(tmp_path / "a.srt", {}, resume=False, say=lambda _: None, formats=formats) as sink:
        sink.write(ROW)
    assert (tmp_path / "a.srt").read_text().startswith("1\n00:00:00,000")


def test_subtitles_are_for_one_recording() -> None:
    task = tasks.load("automatic-speech-recognition")
    check_number(task, ".srt", 1)
    check_number(task, ".txt", 5)
    with pytest.raises(ConfigurationError, match="for one record, and the input has 2"):
        check_number(task, ".srt", 2)


def test_a_folder_gets_subtitles_of_each_recording(tmp_path: Path) -> None:
    task = tasks.load("automatic-speech-recognition")
    result: Any = None  # rows hold all that is written
    files = own_files(tmp_path / "out", task, "srt", 2)
    for name in ("a.wav", "b/a.wav"):
        found = files.add({**ROW, "id": name}, result)
        text = Path(found["file"]).read_text()
        assert text.startswith("1\n00:00:00,000 --> 00:00:01,400\nOne two.")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.wav.srt",
        "b__a.wav.srt",
    ]
    assert files.rows == tmp_path / "out" / "results.jsonl"


def test_what_is_written_into_a_folder_must_be_said(tmp_path: Path) -> None:
    task = tasks.load("automatic-speech-recognition")
    with pytest.raises(ConfigurationError, match=r"is a folder, or say with --files .*txt, srt"):
        own_files(tmp_path, task, None, 2)
    with pytest.raises(ConfigurationError, match="must end in"):
        own_files(tmp_path / "new", task, None, 2)
    with pytest.raises(ConfigurationError, match="--files must be one of txt, srt, vtt"):
        own_files(tmp_path, task, "doc", 2)
    with pytest.raises(ConfigurationError, match="--files must be left out"):
        own_files(tmp_path, tasks.load("translation"), "srt", 2)


def test_lines_of_chinese_end_behind_punctuation_and_are_half_as_long(tmp_path: Path) -> None:
    """A character is as wide as two letters; no line begins with a mark, no word is torn."""
    texts = (
        "北京是中国的首都,有很多著名的历史建筑，我们昨天一起去参观了故宫博物院。",
        "他说：「今天天气很好」，然后我们用 Python 写了一个非常简单的程序来处理这些数据。",
        "这一句话里面完全没有任何标点符号所以只能够在两个字之间断开来显示给大家看一看",
    )
    segments = [
        {"start": 5000 * place, "end": 5000 * place + 4000, "text": text}
        for place, text in enumerate(texts)
    ]
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": "r", "prediction": "", "segments": segments}) + "\n", "utf-8")
    out = io.BytesIO()
    subrip(rows, out)
    cues = [cue.split("\n")[2:] for cue in out.getvalue().decode().strip().split("\n\n")]
    for lines, text in zip(cues, texts, strict=True):
        assert len(lines) == 2
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(2 * len(line) <= 60 and line[0] not in "，。」,、" for line in lines)
    assert cues[0][0].endswith("，") and "Python" in "\n".join(cues[1]).split("\n")[0] + cues[1][1]


def test_texts_of_chinese_are_joined_without_spaces() -> None:
    assert joined(["今天很好,", "我们去。", "好"]) == "今天很好,我们去。好"
    assert joined(["One,", "two.", "好", "three"]) == "One, two. 好 three"
