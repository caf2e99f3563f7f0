"""Spoken digits (fsdd) by CTC, from scratch in a limited time, and memory against the length.

    python -m benchmarks.recognition_ctc [--minutes 9] [--sequences 6000] [--hours 10]
        [--language 1]

A conformer learns recordings of one to eight digits that are joined here from the training part at
random, half of them of one speaker. It is measured on 1,000 digits of the test part, joined to one
recording: each of the 300 test recordings comes three or four times, and none of them was heard in
training. Silence is what the recordings have at their ends. With ``--hours`` the peak memory of a
recording of so many hours is compared with that of ten minutes. With ``--language`` the beam search
is weighed by n-grams of the training transcripts, and by models that learn them for so many minutes
each: what they cost in time and do to the errors. Digits come at random, so there is little to win.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import anysize
from anysize.demo.measure import run
from benchmarks import common

RATE = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MOST = 8
TEST_DIGITS = 1000


def main() -> None:
    """Trains for the time given, and prints error rates and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--sequences", type=int, default=6000)
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--language", type=float, default=0.0)
    parser.add_argument("--augment", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(common.machine())
    folder = common.scratch("recognition_ctc")
    train, test = write_train(folder, arguments.sequences, arguments.seed), write_test(folder)
    out = folder / f"run-{arguments.minutes:g}-{arguments.seed}"
    if not (out / "anysize.json").is_file():
        start = time.perf_counter()
        anysize.train(
            "automatic-speech-recognition",
            train,
            model="conformer-ctc-small",
            out=out,
            minutes=arguments.minutes,
            seed=arguments.seed,
            augment=arguments.augment,
            # The schedule ends with the clock: nothing is held back to choose by.
            validation=0.0,
            test=0.0,
        )
        print(f"trained in {(time.perf_counter() - start) / 60:.1f} minutes in all")
    measured(out, test)
    if arguments.hours:
        memory(out, folder, arguments.hours)
    if arguments.language:
        language(out, train, test, arguments.language)


def parts() -> dict[str, list[tuple[str, str, NDArray[np.float32]]]]:
    """Speaker, word and samples of the recordings of each part."""
    source = common.data("fsdd").resolve()
    found: dict[str, list[tuple[str, str, NDArray[np.float32]]]] = {"train": [], "test": []}
    with (source / "manifest.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            samples, rate = soundfile.read(source / row["path"], dtype="float32")
            assert rate == RATE
            found[row["split"]].append((row["speaker"], WORDS[int(row["digit"])], samples))
    return found


def write_train(folder: Path, sequences: int, seed: int) -> Path:
    """Joined recordings and their transcripts; returns their table."""
    table = folder / f"train-{sequences}-{seed}" / "train.csv"
    if table.is_file():
        return table
    table.parent.mkdir(parents=True, exist_ok=True)
    digits = parts()["train"]
    by_speaker: dict[str, list[int]] = {}
    for place, (speaker, _, _) in enumerate(digits):
        by_speaker.setdefault(speaker, []).append(place)
    random = np.random.default_rng(seed)
    rows = []
    for number in range(sequences):
        pool = np.arange(len(digits))
        if number % 2:
            pool = np.array(by_speaker[sorted(by_speaker)[random.integers(len(by_speaker))]])
        chosen = random.choice(pool, random.integers(1, MOST + 1))
        samples = np.concatenate([digits[place][2] for place in chosen])
        name = f"{number}.wav"
        soundfile.write(table.parent / name, samples, RATE)
        rows.append([name, " ".join(digits[place][1] for place in chosen)])
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["audio", "text"], *rows])
    return table


def write_test(folder: Path) -> Path:
    """One recording of 1,000 test digits; returns the table that names it."""
    table = folder / "test" / "test.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    digits = parts()["test"]
    random = np.random.default_rng(1)
    order = np.concatenate([random.permutation(len(digits)) for _ in range(4)])[:TEST_DIGITS]
    soundfile.write(
        table.parent / "joined.wav", np.concatenate([digits[place][2] for place in order]), RATE
    )
    with table.open("w", encoding="utf-8", newline="") as file:
        text = " ".join(digits[place][1] for place in order)
        csv.writer(file).writerows([["audio", "text"], ["joined.wav", text]])
    return table


def measured(bundle: Path, table: Path) -> None:
    """Prints the error rates of the joined recording, and how it was read."""
    model = anysize.load(str(bundle))
    for beams in (1, 16):
        start = time.perf_counter()
        (result,) = model.predict(table, beams=beams, words=True)
        seconds = time.perf_counter() - start
        assert isinstance(result, anysize.Result)
        receipt = result.receipt
        print(
            f"beams {beams}: {receipt.windows} windows, {receipt.fidelity}, covered "
            f"{receipt.covered}, {receipt.extent / RATE / seconds:.0f} times as fast as listening"
        )
        metrics = model.evaluate(table, beams=beams, words=True)
        main, words = metrics.main(), metrics.to_json()["words"]
        print(
            f"beams {beams}: WER {100 * main['wer']:.2f} % (substituted {words['substitutions']}, "
            f"deleted {words['deletions']}, inserted {words['insertions']} of "
            f"{words['reference']}), CER {100 * main['cer']:.2f} %"
        )
        print(f"beams {beams}: by distance from a seam {metrics.to_json()['by_seam_distance']}")


def language(bundle: Path, train: Path, test: Path, minutes: float) -> None:
    """Prints what language models do to the beam search of the joined recording, and their time."""
    texts = train.parent / "texts.txt"
    with train.open(encoding="utf-8") as file:
        lines = [row["text"] for row in csv.DictReader(file)]
    texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    models: dict[str, str | None] = {"none": None, "n-grams": str(texts)}
    for model, tokenizer in (("lstm-lm", "byte"), ("gpt", "byte"), ("gpt", "bpe")):
        name = f"{model} of {'bytes' if tokenizer == 'byte' else 'words'}"
        out = train.parent / f"{model}-{tokenizer}-{minutes:g}"
        if not (out / "anysize.json").is_file():
            anysize.train(
                "text-generation", texts, model=model, out=out, minutes=minutes, window=128,
                validation=0.0, test=0.0, options={"tokenizer": tokenizer, "hidden_size": "128"},
            )  # fmt: skip
        models[name] = str(out)
    recogniser = anysize.load(str(bundle))
    for name, path in models.items():
        wished = {} if path is None else {"language_model": path}
        start = time.process_time()
        found = recogniser.evaluate(test, beams=16, **wished).main()
        seconds = time.process_time() - start
        print(
            f"16 beams, language model {name}: WER {100 * found['wer']:.2f} %, "
            f"{seconds:.1f} seconds of the processor"
        )


def memory(bundle: Path, folder: Path, hours: float) -> None:
    """Prints the peaks of ten minutes and of so many hours of test digits, through the commands."""
    peaks = []
    for minutes in (10.0, 60 * hours):
        path = folder / f"{minutes:g}-minutes.flac"
        if not path.is_file():
            write_long(path, minutes)
        out = path.with_suffix(".jsonl")
        done = run(["predict", str(bundle), str(path), "--out", str(out), "--memory", "1GiB"])
        receipt = json.loads(out.read_text(encoding="utf-8"))["receipt"]
        assert (receipt["extent"], receipt["covered"]) == (int(60 * minutes * RATE), 1.0)
        speed = 60 * minutes / done.document["seconds"]
        print(
            f"{path.name}: {receipt['windows']} windows, peak {done.peak / 2**20:.0f} MiB, "
            f"{speed:.0f} times as fast as listening"
        )
        peaks.append(done.peak)
    print(f"{6 * hours:g} times longer: peak memory {peaks[1] / peaks[0]:.3f} times")


def write_long(path: Path, minutes: float) -> None:
    """The test recordings around and around, a block at a time."""
    speech = np.concatenate([samples for _, _, samples in parts()["test"]])
    left = int(60 * minutes * RATE)
    beside = path.with_name(f"partial-{path.name}")
    with soundfile.SoundFile(beside, "w", RATE, 1) as file:
        while left:
            block = speech[:left]
            file.write(block)
            left -= len(block)
    beside.rename(path)


if __name__ == "__main__":
    main()
