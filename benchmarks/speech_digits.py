"""Spoken digits (fsdd), from scratch in a limited time, on the test part of the data or by speaker.

    python -m benchmarks.speech_digits [--minutes 9] [--model audio-cnn] [--speaker theo]
        [--augment light]

The data's own test part (recordings 0 to 4 of each digit and speaker) has the speakers of the
training part. With ``--speaker`` one speaker is held out instead, whom the model never hears: the
harder question. Of the 3,000 recordings the copy here has 1,200: 900 to train on and 300 to test.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import anysize
from benchmarks import common

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


def main() -> None:
    """Trains for the time given and prints the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--model", default="audio-cnn")
    parser.add_argument("--speaker", choices=SPEAKERS)
    parser.add_argument("--augment", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    name = arguments.speaker or "own"
    folder = write_parts(common.scratch("speech_digits") / name, arguments.speaker)
    print(common.machine())
    start = time.perf_counter()
    model = anysize.train(
        "audio-classification",
        folder,
        model=arguments.model,
        out=common.scratch("speech_digits") / f"{arguments.model}-{name}-{arguments.seed}",
        minutes=arguments.minutes,
        seed=arguments.seed,
        augment=arguments.augment,
        # The schedule ends with the clock, so that nothing needs to be held back to choose by.
        validation=0.0,
    )
    seconds = time.perf_counter() - start
    metrics = model.evaluate(folder, split="test")
    interval = metrics.accuracy_interval
    part = f"speaker {name} held out" if arguments.speaker else "the data's own test part"
    print(
        f"fsdd, {part}: {arguments.model}, {seconds / 60:.1f} minutes in all, test accuracy "
        f"{metrics.main()['accuracy']:.4f} ({interval.low:.4f}–{interval.high:.4f})"
    )


def write_parts(folder: Path, speaker: str | None) -> Path:
    """Tables ``train.csv`` and ``test.csv`` of paths and digits; returns their folder."""
    source = common.data("fsdd").resolve()
    with (source / "manifest.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        chosen = [
            row
            for row in rows
            if (row["speaker"] == speaker if speaker else row["split"] == "test")
            == (part == "test")
        ]
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["audio", "label"])
            writer.writerows([str(source / row["path"]), row["digit"]] for row in chosen)
    return folder


if __name__ == "__main__":
    main()
