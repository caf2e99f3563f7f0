"""Memory must not depend on the length of a recording: ten hours against ten minutes.

    python -m benchmarks.audio_memory [--hours 10] [--format flac]

Spoken digits one after the other, 8 kHz, are written as a stream and classified by a small model,
through the command line, measured from outside. The receipt must say that every sample was read.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile

import anysize
from anysize.demo.measure import run
from benchmarks import common
from benchmarks.speech_digits import write_parts

RATE = 8000


def main() -> None:
    """Prints peaks, speeds and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--format", choices=("flac", "wav", "ogg"), default="flac")
    arguments = parser.parse_args()
    print(common.machine())
    bundle = small_model()
    figures = []
    for minutes in (10.0, 60 * arguments.hours):
        path = common.scratch("audio_memory") / f"{minutes:g}-minutes.{arguments.format}"
        if not path.is_file():
            write_recording(path, minutes)
        figures.append(measured(bundle, path, minutes))
    (small, _), (large, speed) = figures
    print(
        f"{6 * arguments.hours:g} times longer: peak memory {large / small:.3f} times; "
        f"{speed:.0f} times as fast as listening"
    )


def small_model() -> str:
    """A model of digits, trained for three epochs."""
    out = common.scratch("audio_memory") / "run"
    if not (out / "anysize.json").is_file():
        folder = write_parts(common.scratch("speech_digits") / "own", None)
        anysize.train("audio-classification", folder, model="audio-cnn", out=out, epochs=3.0)
    return str(out)


def write_recording(path: Path, minutes: float) -> None:
    """The recordings of fsdd around and around, a block at a time."""
    files = sorted(common.data("fsdd").glob("test/*/*.wav"))
    speech = np.concatenate([soundfile.read(file, dtype="float32")[0] for file in files])
    left = int(60 * minutes * RATE)
    beside = path.with_name(f"partial-{path.name}")
    with soundfile.SoundFile(beside, "w", RATE, 1) as file:
        while left:
            block = speech[:left]
            file.write(block)
            left -= len(block)
    beside.rename(path)


def measured(bundle: str, path: Path, minutes: float) -> tuple[int, float]:
    """Peak bytes, and seconds of the recording for each second of the prediction."""
    out = path.with_suffix(".jsonl")
    done = run(
        ["predict", bundle, str(path), "--out", str(out), "--memory", "1GiB", "--runtime", "torch"]
    )
    receipt = json.loads(out.read_text(encoding="utf-8"))["receipt"]
    assert (receipt["extent"], receipt["covered"]) == (int(60 * minutes * RATE), 1.0)
    seconds = done.document["seconds"]
    print(
        f"{path.name}: {receipt['extent']:,} samples, {receipt['windows']} windows, {seconds:.1f} "
        f"s of {done.seconds:.1f} s, peak {done.peak / 2**20:.0f} MiB"
    )
    return done.peak, 60 * minutes / seconds


if __name__ == "__main__":
    main()
