"""Decoding by a program: its arguments, its errors, and that no process is left behind."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.recordings import RATE, chirp, write

from anysize.core.errors import DataError
from anysize.readers.audio import ffmpeg
from anysize.readers.audio.sound import Sound

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

# Says what it was called with, and does what the content of its input asks for.
PROGRAM = """#!{python}
import os, struct, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "arguments"), "w") as file:
    file.write("\\n".join(sys.argv[1:]))
with open(os.path.join(folder, "pid"), "w") as file:
    file.write(str(os.getpid()))
source = sys.argv[sys.argv.index("-i") + 1].removeprefix("file:")
what = open(source).read().strip()
for track in range(2 if what == "two" else 1):
    print(f"[info]   Stream #0:{{track}}: Audio: aac, 16000 Hz, mono, fltp", file=sys.stderr)
print("[info] Output #0", file=sys.stderr)
if what == "nothing":
    print("[error] Stream map '0:a:0' matches no streams.", file=sys.stderr)
    sys.exit(1)
if what == "silent":
    time.sleep(600)
out = sys.stdout.buffer
out.write(b".snd" + struct.pack(">5I", 32, 0xFFFFFFFF, 6, 16000, 2) + bytes(8))
samples = [value for place in range(16000) for value in (place / 16000, 0.0)]
data = struct.pack(f">{{len(samples)}}f", *samples)
out.write(data)
out.flush()
if what == "endless":
    while True:
        out.write(data)
if what == "stuck":
    time.sleep(600)
if what == "broken":
    print("[aac @ 0x1] [error] channel element 0.0 is not allocated", file=sys.stderr)
    sys.exit(69)
if what == "complains":
    print("[aac @ 0x1] [error] invalid band type", file=sys.stderr)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program of the name ``ffmpeg``, which is the first on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "ffmpeg"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def made(tmp_path: Path, what: str, name: str = "a.m4a") -> Path:
    path = tmp_path / name
    path.write_text(what)
    return path


def is_gone(folder: Path) -> bool:
    pid = int((folder / "pid").read_text())
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_what_libsndfile_does_not_know_is_decoded(program: Path, tmp_path: Path) -> None:
    field = Sound(made(tmp_path, "good"))
    found = np.concatenate(list(field.blocks()))
    np.testing.assert_allclose(found, np.arange(RATE) / RATE / 2, atol=1e-6)
    assert field.counts() == {"milliseconds": 1000, "sample_rate": RATE, "channels": 2}
    assert is_gone(program)


def test_no_shell_sees_the_name_and_only_files_are_opened(program: Path, tmp_path: Path) -> None:
    name = "-i $(touch hurt); ' \" .m4a"
    assert sum(map(len, Sound(made(tmp_path, "good", name)).blocks())) == RATE
    given = (program / "arguments").read_text().split("\n")
    assert f"file:{tmp_path / name}" in given
    assert given[given.index("-protocol_whitelist") + 1] == "file"
    assert not (tmp_path / "hurt").exists()


def test_several_tracks_are_counted(program: Path, tmp_path: Path) -> None:
    field = Sound(made(tmp_path, "two"))
    list(field.blocks())
    assert field.counts()["tracks"] == 2
    assert any("2 sound tracks" in note for note in field.notes())


def test_a_file_without_sound_is_refused_with_the_reason(program: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="matches no streams"):
        list(Sound(made(tmp_path, "nothing")).blocks())
    assert is_gone(program)


def test_damage_is_refused_unless_it_is_tolerated(program: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not allocated"):
        list(Sound(made(tmp_path, "broken")).blocks())
    field = Sound(made(tmp_path, "broken"), tolerant=True)
    assert sum(map(len, field.blocks())) == RATE
    assert any("is damaged" in note for note in field.notes())


def test_what_the_program_reads_over_is_said(program: Path, tmp_path: Path) -> None:
    field = Sound(made(tmp_path, "complains"))
    list(field.blocks())
    assert any("invalid band type" in note for note in field.notes())


def test_a_reader_that_stops_ends_the_process(program: Path, tmp_path: Path) -> None:
    stream = Sound(made(tmp_path, "endless")).blocks()
    next(stream)
    stream.close()
    assert is_gone(program)


def test_a_program_that_gives_nothing_is_ended(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "PATIENCE", 2.0)
    for what in ("stuck", "silent"):
        with pytest.raises(DataError, match="gave nothing"):
            list(Sound(made(tmp_path, what)).blocks())
        assert is_gone(program)


def test_several_streams_in_a_file_are_left_to_the_program(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    monkeypatch.setattr(
        "anysize.readers.audio.sound.FfmpegDecoder",
        lambda *given: called.append(given) or ffmpeg.FfmpegDecoder(given[0], text, given[2]),
    )
    text = made(tmp_path, "good")
    ogg = write(tmp_path / "a.ogg", chirp()).read_bytes()
    other = write(tmp_path / "b.ogg", chirp(seed=1)).read_bytes()
    (tmp_path / "both.ogg").write_bytes(ogg + other)
    list(Sound(tmp_path / "both.ogg").blocks())
    assert called


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_the_program_itself(tmp_path: Path) -> None:
    import subprocess

    wav, path = write(tmp_path / "a.wav", chirp(2.0)), tmp_path / "a.m4a"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(wav), "-c:a", "aac", str(path)], check=True)
    field = Sound(path)
    found = np.concatenate(list(field.blocks()))
    assert len(found) == pytest.approx(2 * RATE, abs=2048)
    assert field.header.rate == RATE
    both = write(tmp_path / "a.ogg", chirp()).read_bytes()
    both += write(tmp_path / "b.ogg", chirp(seed=1)).read_bytes()
    (tmp_path / "both.ogg").write_bytes(both)
    assert sum(map(len, Sound(tmp_path / "both.ogg").blocks())) == pytest.approx(2 * RATE, abs=2048)
