"""Speakers: who is it, is it the same one, who speaks when, and the memory of long recordings.

    python -m benchmarks.speakers [--part digits] [--part pairs] [--part turns] [--part memory]
        [--minutes 9] [--hours 1]

``digits``: fsdd, six speakers. An ``xvector`` is trained from scratch on recordings 5 to 19 of each
digit and speaker; they are enrolled, and recordings 0 to 4, the data's own test part, are named out
of the gallery. All speakers are known: a closed set, so the nearest one counts. No recording is in
both parts.

``pairs``: librispeech_other100, ten speakers with ten utterances each, Resemblyzer's weights. Every
two of the 100 utterances are compared once: 450 pairs of one speaker, 4,500 of two. The equal error
rate is where as many of the first are refused as of the second are accepted.

``turns``: the diarization error rate of librispeech_long (13.8 minutes, one speaker after another)
against its segments, and of a recording made of the utterances of librispeech_other100 in random
order with pauses of 0.2 to 1.5 seconds. The number of speakers is found out, then given. Collar
0.25 seconds; overlapping speech would be scored. References give whole utterances, with the pauses
inside them, as speech.

``memory``: one embedding of so many ``--hours`` against one of ten minutes, through the command
line, measured from outside, with both models; and the timeline of both.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

import anysize
from anysize.core.results import Result
from anysize.demo.measure import run
from anysize.recognition.diarization_error import COLLAR, diarization_error
from anysize.recognition.turns import Turn, turns_of
from benchmarks import common

RATE = 16_000
PARTS = ("digits", "pairs", "turns", "memory")


def main() -> None:
    """Prints what is reached beside what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(common.machine())
    for part in arguments.part or PARTS:
        if part == "digits":
            digits(arguments.minutes, arguments.seed)
        elif part == "pairs":
            pairs()
        elif part == "turns":
            turns(arguments.seed)
        else:
            memory(arguments.hours)


def rows_of(name: str) -> tuple[Path, list[dict[str, str]]]:
    """A data set's folder and the rows of its manifest."""
    folder = common.data(name).resolve()
    with (folder / "manifest.tsv").open(encoding="utf-8") as file:
        return folder, list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def table(path: Path, folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """A table of recordings and their speakers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["audio", "speaker"])
        writer.writerows([str(folder / row["path"]), row["speaker"]] for row in rows)
    return path


def digits(minutes: float, seed: int) -> None:
    """Closed-set accuracy on fsdd."""
    folder, rows = rows_of("fsdd")
    place = common.scratch("speakers")
    parts = {
        name: [row for row in rows if (row["split"] == "test") == (name == "test")]
        for name in ("train", "test")
    }
    assert not {row["path"] for row in parts["train"]} & {row["path"] for row in parts["test"]}
    files = {name: table(place / f"fsdd-{name}.csv", folder, part) for name, part in parts.items()}
    start = time.perf_counter()
    model = anysize.train(
        "speaker-recognition",
        files["train"],
        model="xvector",
        out=place / f"fsdd-{seed}",
        minutes=minutes,
        seed=seed,
        # The schedule ends with the clock, so that nothing needs to be held back to choose by.
        validation=0.0,
        test=0.0,
    )
    seconds = time.perf_counter() - start
    gallery = place / f"gallery-{seed}"
    for old in gallery.glob("*"):
        old.unlink()
    model.enroll(gallery, files["train"])
    results = model.predict([files["test"]], gallery=gallery, threshold=-1.0)
    names = [row["speaker"] for row in parts["test"]]
    right = sum(
        isinstance(result, Result) and result.prediction == name
        for result, name in zip(results, names, strict=True)
    )
    print(
        f"fsdd: xvector, {seconds / 60:.1f} minutes in all, {len(parts['train'])} recordings "
        f"enrolled, closed-set accuracy {right / len(names):.4f} of {len(names)} (asked: 0.98)",
        flush=True,
    )


def pairs() -> None:
    """Equal error rate of Resemblyzer's weights."""
    folder, rows = rows_of("librispeech_other100")
    path = table(common.scratch("speakers") / "librispeech.csv", folder, rows)
    start = time.perf_counter()
    found = anysize.load("resemblyzer").evaluate(path)
    seconds = time.perf_counter() - start
    values = found.to_json()
    named = ", ".join(f"{name} {value:.4f}" for name, value in found.main().items())
    print(
        f"librispeech_other100: {values['genuine_pairs']} pairs of one speaker, "
        f"{values['impostor_pairs']} of two: {named} (asked: eer at most 0.01); {seconds:.0f} s",
        flush=True,
    )


def turns(seed: int) -> None:
    """Diarization error rates."""
    model = anysize.load("resemblyzer")
    long = common.data("librispeech_long").resolve()
    with (long / "segments.tsv").open(encoding="utf-8") as file:
        segments = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    joined = [Turn(float(row["start"]), float(row["end"]), row["speaker"]) for row in segments]
    score(model, "librispeech_long", long / "recording.ogg", joined)
    score(model, "in random order", *mixed(seed))


def mixed(seed: int) -> tuple[Path, list[Turn]]:
    """The utterances of librispeech_other100 in random order, with pauses between."""
    folder, rows = rows_of("librispeech_other100")
    random = np.random.default_rng(seed)
    path = common.scratch("speakers") / f"mixed-{seed}.flac"
    reference, at = [], 0
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for place in random.permutation(len(rows)).tolist():
            samples = soundfile.read(folder / rows[place]["path"], dtype="float32")[0]
            pause = np.zeros(int(random.uniform(0.2, 1.5) * RATE), np.float32)
            file.write(samples)
            file.write(pause)
            begin, at = at, at + len(samples) + len(pause)
            stop = (begin + len(samples)) / RATE
            reference.append(Turn(begin / RATE, stop, rows[place]["speaker"]))
    return path, reference


def score(model: anysize.Model, name: str, path: Path, reference: list[Turn]) -> None:
    """Prints the error with the number of speakers found out, and given."""
    known = len({turn.speaker for turn in reference})
    for number in (None, known):
        start = time.perf_counter()
        result = model.predict_one(path, timeline=True, speakers=number)
        seconds = time.perf_counter() - start
        if not isinstance(result, Result):
            raise SystemExit(result.error)
        found = diarization_error(reference, turns_of(result.details["timeline"]), collar=COLLAR)
        exact = diarization_error(reference, turns_of(result.details["timeline"]), collar=0.0)
        words = "given" if number else "found out"
        print(
            f"{name}: {known} speakers, {result.prediction} ({words}): DER {found.rate:.4f} "
            f"(missed {found.missed / found.speech:.4f}, false alarm "
            f"{found.false_alarm / found.speech:.4f}, confusion "
            f"{found.confusion / found.speech:.4f}; without a collar {exact.rate:.4f}; asked: "
            f"0.08); {seconds:.0f} s for {result.receipt.extent / RATE:.0f} s",
            flush=True,
        )


def memory(hours: float) -> None:
    """Peaks of so many hours and of ten minutes."""
    folder, rows = rows_of("librispeech_other100")
    speech = np.concatenate(
        [soundfile.read(folder / row["path"], dtype="float32")[0] for row in rows]
    )
    place = common.scratch("speakers")
    files = []
    for minutes in (10, round(60 * hours)):
        path = place / f"{minutes}-minutes.flac"
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            left = 60 * minutes * RATE
            while left:
                block = speech[:left]
                file.write(block)
                left -= len(block)
        files.append(path)
    bundle = small_bundle(place, folder, rows)
    for name, model, options in (
        ("resemblyzer, one embedding", "resemblyzer", ()),
        ("xvector, one embedding", bundle, ()),
        ("resemblyzer, timeline", "resemblyzer", ("--timeline",)),
    ):
        peaks = [measured(model, path, options) for path in files]
        print(
            f"{name}: {peaks[0] / 2**20:.0f} MiB for ten minutes, {peaks[1] / 2**20:.0f} MiB for "
            f"{hours:g} hours: {peaks[1] / peaks[0]:.3f} (asked: within 10 %)",
            flush=True,
        )


def small_bundle(place: Path, folder: Path, rows: Sequence[dict[str, str]]) -> str:
    """An x-vector after a few steps."""
    out = place / "memory-run"
    if not (out / "anysize.json").is_file():
        data = table(place / "memory.csv", folder, rows)
        anysize.train(
            "speaker-recognition", data, model="xvector", out=out, steps=3, batch=8,
            validation=0.0, test=0.0,
        )  # fmt: skip
    return str(out)


def measured(model: str, path: Path, options: Sequence[str]) -> int:
    """Peak bytes of a prediction, whose receipt must say that every sample was read."""
    out = path.with_suffix(".jsonl")
    arguments = ["predict", model, str(path), "--out", str(out), "--memory", "1GiB"]
    done = run([*arguments, "--runtime", "torch", *options])
    receipt = json.loads(out.read_text(encoding="utf-8"))["receipt"]
    assert (receipt["covered"], receipt["dropped"]) == (1.0, 0), receipt
    return done.peak


if __name__ == "__main__":
    main()
