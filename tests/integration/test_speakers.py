"""Speakers from folders to names and turns: train, resume, evaluate, enroll, predict, verify."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.recordings import write
from typer.testing import CliRunner

import anysize
from anysize.cli.main import app
from anysize.core.errors import ConfigurationError, MissingExtraError
from anysize.recognition.turns import Turn, read_rttm, rttm

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

RATE = 8000
PEOPLE, TRAINED, RECORDINGS = 14, 10, 6
OPTIONS = {"hidden_size": "24", "pooled_size": "32", "width": "16"}


def speech(person: int, number: int, seconds: float = 0.6) -> np.ndarray:
    """Syllables of different pitch through two resonances that are the person's own."""
    random = np.random.default_rng(1000 * person + number)
    own = np.random.default_rng(person).uniform((350, 1100), (900, 3300))
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = 120 * 2 ** np.interp(time, np.linspace(0, seconds, 5), random.uniform(-0.4, 0.4, 5))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    samples = np.zeros(len(time))
    for harmonic in range(1, 30):
        hertz = harmonic * pitch
        strength = sum(np.exp(-(((hertz - place) / 150) ** 2)) for place in own)
        samples += (0.02 + strength) * (hertz < RATE / 2) * np.sin(harmonic * phase)
    samples *= 0.55 + 0.45 * np.sin(2 * np.pi * random.uniform(3, 5) * time)
    samples += 0.05 * random.standard_normal(len(time))
    return (0.1 * samples).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for person in range(PEOPLE):
        place = folder / ("train" if person < TRAINED else "test") / f"person {person:02d}"
        place.mkdir(parents=True)
        for number in range(RECORDINGS):
            write(place / f"{number}.wav", speech(person, number), RATE)
    return folder


def learned(data: Path, out: Path) -> anysize.Model:
    return anysize.train(
        "speaker-recognition", data, model="xvector", out=out, window=3200, mels=40, seed=1,
        memory="4GiB", options=OPTIONS, validation=0.2, steps=30, batch=24,
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> anysize.Model:
    return learned(data, tmp_path_factory.mktemp("run") / "voices")


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout


def test_unseen_speakers_are_told_apart(model: anysize.Model, data: Path, tmp_path: Path) -> None:
    assert len(model.card.labels) == TRAINED - 2  # two of them validate
    found = model.evaluate(data, tmp_path / "report", split="test").to_json()
    assert found["identities"] == PEOPLE - TRAINED
    assert found["eer"] < 0.25 and found["closed_set_accuracy"] > 0.8
    assert "Hardest pairs" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_people_are_enrolled_named_compared_and_deleted(
    model: anysize.Model, data: Path, tmp_path: Path
) -> None:
    test, gallery = data / "test", tmp_path / "gallery"
    command("enroll", model.folder, test, "--out", gallery, "--calibrate", data / "train")
    files = [test / f"person {person}" / "4.wav" for person in (10, 13)]
    lines = command(
        "predict", model.folder, *files, "--gallery", gallery, "--threshold", "-1"
    ).splitlines()
    results = [json.loads(line) for line in lines]
    assert [result["prediction"] for result in results] == ["person 10", "person 13"]
    assert "embedding" not in results[0]["found"][0]
    assert all(result["receipt"]["fidelity"] == "exact" for result in results)
    options = ("--gallery", gallery, "--json")
    same = json.loads(command("verify", model.folder, files[0], files[0], *options))
    assert same["same"] is True and same["similarity"] == pytest.approx(1, abs=1e-4)
    other = json.loads(command("verify", model.folder, *files, *options))
    assert other["similarity"] < same["similarity"]
    command("enroll", model.folder, "--out", gallery, "--remove", "person 10")
    (line,) = command(
        "predict", model.folder, files[0], "--gallery", gallery, "--threshold", "0.9999"
    ).splitlines()
    assert json.loads(line)["prediction"] == "unknown"


def test_one_vector_for_a_long_recording(model: anysize.Model, data: Path, tmp_path: Path) -> None:
    long = write(tmp_path / "long.wav", speech(3, 99, 40.0), RATE)
    found = model.predict_one(long)
    assert isinstance(found, anysize.Result)
    receipt = found.receipt
    assert (receipt.extent, receipt.covered, receipt.fidelity) == (40 * RATE, 1.0, "exact")
    assert receipt.windows > 100
    assert np.linalg.norm(found.details["found"][0]["embedding"]) == pytest.approx(1, abs=1e-5)


def test_a_resumed_training_ends_with_the_same_weights(
    data: Path, tmp_path: Path, train: Callable[..., Any]
) -> None:
    def recipe(out: str, steps: int) -> dict[str, Any]:
        return {
            "task": "speaker-recognition", "data": str(data / "train"), "model": "xvector",
            "out": str(tmp_path / out), "steps": steps, "batch": 8, "micro_cost": 1 << 20,
            "options": {"hidden_size": "8", "pooled_size": "8", "width": "8"}, "window": 3200,
            "precision": "float32", "checkpoint_steps": 2, "schedule": "constant", "warmup": 0.0,
            "validation": 0.0, "test": 0.0, "augment": "speed, light",
        }  # fmt: skip

    assert train(recipe("whole", 6)).wait().returncode == 0
    assert train(recipe("parts", 4)).wait().returncode == 0
    assert train(recipe("parts", 6), resume=True).wait().returncode == 0
    whole, parts = (load_file(tmp_path / out / "model.safetensors") for out in ("whole", "parts"))
    assert all(whole[name].tobytes() == parts[name].tobytes() for name in whole)


def test_options_of_the_timeline_need_it(model: anysize.Model, data: Path) -> None:
    file = next((data / "test").rglob("*.wav"))
    with pytest.raises(ConfigurationError, match="--timeline"):
        model.predict_one(file, speakers=2)
    with pytest.raises(ConfigurationError, match=r"collar: .*--timeline|--timeline"):
        model.evaluate(data, split="test", collar=0.5)
    with pytest.raises(ConfigurationError, match="threshold: for predict and verify"):
        model.evaluate(data, split="test", timeline=True, threshold=0.5)
    with pytest.raises(ConfigurationError, match="collar is for evaluate --timeline"):
        model.predict_one(file, timeline=True, collar=0.5)


def spoken(tmp_path: Path) -> Path:
    """40 seconds of read speech: one man until 15 seconds, then another."""
    place = os.environ.get("ANYSIZE_DATA")
    if not place:
        pytest.skip("ANYSIZE_DATA is not set")
    path = Path(place) / "librispeech_long" / "recording.ogg"
    with soundfile.SoundFile(path) as file:
        file.seek(int(57.5 * file.samplerate))
        samples = file.read(int(40 * file.samplerate), dtype="float32")
        return write(tmp_path / "two people.flac", samples, file.samplerate)


def test_who_speaks_when(tmp_path: Path) -> None:
    pytest.importorskip("silero_vad", reason="needs the wheel silero-vad")
    try:
        resemblyzer = anysize.load("resemblyzer")
    except MissingExtraError as error:
        pytest.skip(str(error))
    path = spoken(tmp_path)
    found = resemblyzer.predict_one(path, timeline=True)
    assert isinstance(found, anysize.Result)
    assert found.prediction == 2
    lines = found.details["timeline"]
    first = [line for line in lines if line["end"] < 15_500]
    later = [line for line in lines if line["start"] > 15_500]
    assert {line["speaker"] for line in first} == {"speaker 1"}
    assert {line["speaker"] for line in later} == {"speaker 2"}
    assert len(first) + len(later) == len(lines)
    receipt = found.receipt
    assert (receipt.covered, receipt.dropped, receipt.merge) == (1.0, 0, "turns")
    assert receipt.counts is not None and 25_000 < receipt.counts["speech_milliseconds"] < 38_000
    out = tmp_path / "turns.rttm"
    command("predict", "resemblyzer", path, "--timeline", "--speakers", "1", "--out", out)
    (turns,) = read_rttm(out.read_text(encoding="utf-8").splitlines()).values()
    assert {turn.speaker for turn in turns} == {"speaker_1"}
    reference = [Turn(0.0, 15.5, "one"), Turn(15.5, 40.0, "other")]
    lines = rttm(reference, path.stem)
    path.with_suffix(".rttm").write_text("\n".join(lines), encoding="utf-8")
    report = tmp_path / "report"
    command("evaluate", "resemblyzer", path, "--timeline", "--collar", "0.5", "--out", report)
    metrics = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["confusion"], metrics["collar"]) == (pytest.approx(0.0, abs=0.02), 0.5)
    assert 0 < metrics["missed"] < 0.4  # the reference counts pauses as speech
    done = CliRunner().invoke(app, ["predict", "resemblyzer", str(path), "--out", str(out)])
    assert isinstance(done.exception, ConfigurationError)
    assert "--timeline" in str(done.exception)


def test_galleries_of_a_model_without_a_folder(data: Path, tmp_path: Path) -> None:
    try:
        resemblyzer = anysize.load("resemblyzer")
    except MissingExtraError as error:
        pytest.skip(str(error))
    resemblyzer.enroll(tmp_path / "gallery", data / "test")
    file = data / "test" / "person 11" / "0.wav"
    named = resemblyzer.predict_one(file, gallery=tmp_path / "gallery", threshold=-1.0)
    assert isinstance(named, anysize.Result)
    assert named.prediction == "person 11"
    # Loaded again it is the same model, and its gallery is its own.
    again = anysize.load("resemblyzer").verify(file, file, gallery=tmp_path / "gallery")
    assert again.score == pytest.approx(1, abs=1e-5)


def test_silence_has_no_turns(tmp_path: Path) -> None:
    pytest.importorskip("silero_vad", reason="needs the wheel silero-vad")
    try:
        resemblyzer = anysize.load("resemblyzer")
    except MissingExtraError as error:
        pytest.skip(str(error))
    path = write(tmp_path / "quiet.wav", np.zeros(5 * 16_000, np.float32), 16_000)
    found = resemblyzer.predict_one(path, timeline=True)
    assert isinstance(found, anysize.Result)
    assert (found.prediction, found.details["timeline"]) == (0, [])
    assert "no speech was found in it" in found.receipt.notes
    assert found.receipt.covered == 1.0
