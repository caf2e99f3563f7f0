"""Where commands may write is found out before they work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from anysize.cli import main as cli
from anysize.cli.output import check_not_inside, check_out_file, check_out_folder
from anysize.core.errors import ConfigurationError


def test_places_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.jsonl").touch()
    for path in (Path("a.jsonl"), tmp_path / "new" / "deep" / "a.jsonl", Path("old.jsonl"), None):
        check_out_file(path)
    for path in (Path("report"), tmp_path, None):
        check_out_folder(path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.jsonl"]  # asked, not written


def test_places_that_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"must be a file, but .* is a folder"):
        check_out_file(tmp_path)
    for check in (check_out_file, check_out_folder):
        with pytest.raises(ConfigurationError, match="file is a file"):
            check(tmp_path / "file" / "deep" / "a")
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(ConfigurationError, match="is not allowed"):
        check_out_file(tmp_path / "a.jsonl")


def test_what_is_written_is_never_in_the_input(tmp_path: Path) -> None:
    (tmp_path / "people" / "ann").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "people")
    for out in (tmp_path / "people", tmp_path / "link" / "ann", tmp_path / "people" / "new"):
        with pytest.raises(ConfigurationError, match="is in the input folder"):
            check_not_inside(out, [tmp_path / "people"])
    check_not_inside(tmp_path / "gallery", [tmp_path / "people", tmp_path / "people.csv"])


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
@pytest.mark.parametrize(
    "arguments",
    [
        "train text-classification DATA --model attention --out /proc/run",
        "augment DATA --out /proc/sheet.html",
        "inspect DATA --out /proc/sheet.png",
        "predict no/model DATA --out /proc/results.jsonl",
        "evaluate no/model DATA --out /proc/report",
        "compress no/model --data DATA --out /proc/small",
        "export no/model --format onnx --out /proc/model.onnx",
        "enroll no/model DATA --out /proc/gallery",
    ],
)
def test_commands_refuse_a_place_before_they_work(
    arguments: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("text,label\ngood,pos\nbad,neg\n", encoding="utf-8")
    words = [str(data) if word == "DATA" else word for word in arguments.split()]
    monkeypatch.setattr(sys, "argv", ["anysize", *words])
    with pytest.raises(SystemExit) as ended:
        cli.run()
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "--out needs to write into /proc, where no file can be made" in said
    assert "choose another folder" in said
