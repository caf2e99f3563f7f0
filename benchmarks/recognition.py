"""Speech recognition of a long recording, against transformers' pipeline and faster-whisper.

    python -m benchmarks.recognition [accuracy] [speed] [memory] [silence] [hours]
                                     [--model whisper-tiny.en] [--times 20] [--hours 10]

The recording is librispeech_long: 100 utterances of 13.8 minutes with half a second between them,
and a transcript of each.

* ``accuracy``: word error rate of the whole recording, and of its utterances one by one.
* ``speed``: seconds for the whole recording, beside transformers' pipeline with
  ``chunk_length_s=30`` on the same weights in float32, and ``BatchedInferencePipeline`` of
  faster-whisper on the model's own folder, greedily, each in a process of its own.
* ``memory``: peak of the recording against that of the recording repeated.
* ``silence``: ten minutes of silence, noise and music-like tones after each half of the recording;
  what is transcribed there is counted.
* ``hours``: peak of ten hours, by repetition, against that of ten minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

import anysize
from anysize.core.memory import processors
from anysize.demo.measure import run
from anysize.tasks.transcripts.word_errors import error_counts, word_errors
from benchmarks import common, whisper_folder

RATE = 16_000
PARTS = ("accuracy", "speed", "memory", "silence", "hours")
PEERS = ("anysize", "faster-whisper", "transformers")
BATCH = 16


def main() -> None:
    """Runs the parts that are named, or the first four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), default=[])
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer", choices=PEERS, help="measure one of them in this process")
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(peer(arguments.peer, arguments.model, arguments.runs)))
        return
    print(common.machine())
    for part in arguments.parts or PARTS[:4]:
        print(f"\n{part}")
        globals()[part](arguments)


def recording() -> Path:
    """The long recording."""
    return common.data("librispeech_long") / "recording.ogg"


def utterances() -> list[tuple[float, float, str]]:
    """Beginning and end in seconds, and what is said."""
    lines = (common.data("librispeech_long") / "segments.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in lines.splitlines()[1:]]
    return [(float(row[0]), float(row[1]), row[3]) for row in rows]


def reference() -> str:
    """All that is said."""
    return " ".join(text for _, _, text in utterances())


def accuracy(arguments: argparse.Namespace) -> None:
    """Word error rates of the whole and of its utterances."""
    model = anysize.load(arguments.model)
    whole = model.predict_one(recording())
    assert not isinstance(whole, anysize.ErrorResult), whole
    assert whole.receipt.covered == 1.0
    samples, rate = soundfile.read(recording(), dtype="float32")
    known = utterances()
    cut = [(samples[int(a * rate) : int(b * rate)], rate) for a, b, _ in known]
    alone = model.predict(cut)
    sums = sum(
        error_counts(str(found.prediction), text)
        for found, (_, _, text) in zip(alone, known, strict=True)
    )
    together, single = error_counts(str(whole.prediction), reference()), np.asarray(sums)
    for name, counts in (("whole", together), ("one by one", single)):
        found = word_errors(counts)
        print(
            f"{name}: WER {100 * found.rate:.2f} % ({found.substitutions} substitutions, "
            f"{found.deletions} deletions, {found.insertions} insertions of {found.reference})"
        )
    more = 100 * (word_errors(together).rate - word_errors(single).rate)
    print(f"the whole recording has {more:+.2f} points (at most +0.5 wanted)")
    print(dict(whole.receipt.counts or {}), *whole.receipt.notes, sep="\n")


def speed(arguments: argparse.Namespace) -> None:
    """Seconds of each, in processes of their own one after the other."""
    found: dict[str, dict[str, Any]] = {}
    for name in PEERS:
        command = [sys.executable, "-m", "benchmarks.recognition", "--peer", name,
                   "--model", arguments.model, "--runs", str(arguments.runs)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1:]}")
            continue
        found[name] = json.loads(done.stdout.strip().splitlines()[-1])
        print(f"{name}: {common.spread(found[name]['seconds'])} s, WER {found[name]['wer']:.2f} %")
    own = float(np.median(found["anysize"]["seconds"]))
    for name in PEERS[1:]:
        if name in found:
            ratio = float(np.median(found[name]["seconds"])) / own
            print(f"{ratio:.2f} times as fast as {name}")


def peer(name: str, model: str, runs: int) -> dict[str, Any]:
    """Seconds and word error rate of one of them."""
    work = {"anysize": own, "faster-whisper": faster, "transformers": pipeline}[name](model)
    text: list[str] = []
    seconds = common.repeated(lambda: text.append(work()), runs)
    counts = error_counts(text[-1], reference())
    return {"seconds": seconds, "wer": 100 * word_errors(counts).rate}


def own(model: str) -> Callable[[], str]:
    """By anysize, planned once."""
    loaded = anysize.load(model)
    return lambda: str(loaded.predict_one(recording()).prediction)  # type: ignore[union-attr]


def faster(model: str) -> Callable[[], str]:
    """By faster-whisper in batches, greedily."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    from anysize.models.whisper import folder

    engine = WhisperModel(
        str(folder(model)), device="cpu", compute_type="int8", cpu_threads=processors()
    )
    batched = BatchedInferencePipeline(engine)

    def work() -> str:
        found, _ = batched.transcribe(
            str(recording()), batch_size=BATCH, beam_size=1, language="en"
        )
        return " ".join(each.text for each in found)

    return work


def pipeline(model: str) -> Callable[[], str]:
    """By transformers, in pieces of 30 seconds that overlap."""
    import transformers

    run_all = transformers.pipeline(
        "automatic-speech-recognition", model=str(whisper_folder.written(model)),
        chunk_length_s=30, batch_size=BATCH,
    )  # fmt: skip
    if run_all.tokenizer.pad_token_id is None:  # needed for batches
        run_all.tokenizer.pad_token_id = run_all.model.config.eos_token_id
    samples, rate = soundfile.read(recording(), dtype="float32")
    return lambda: str(run_all({"raw": samples.copy(), "sampling_rate": rate})["text"])


def memory(arguments: argparse.Namespace) -> None:
    """Peaks of the recording and of the recording repeated."""
    samples, _ = soundfile.read(recording(), dtype="float32")
    ratio(arguments.model, {1: samples_of(samples, 1), arguments.times: samples_of(
        samples, arguments.times)})  # fmt: skip


def hours(arguments: argparse.Namespace) -> None:
    """Peaks of ten minutes and of so many hours."""
    samples, _ = soundfile.read(recording(), dtype="float32")
    ten = samples[: 600 * RATE]
    most = round(6 * arguments.hours)
    ratio(arguments.model, {1: samples_of(ten, 1), most: samples_of(ten, most)})


def samples_of(samples: NDArray[np.float32], times: int) -> Iterator[NDArray[np.float32]]:
    """The samples again and again."""
    return (samples for _ in range(times))


def ratio(model: str, parts: dict[int, Iterator[NDArray[np.float32]]]) -> None:
    """Peaks of the command line for recordings of several lengths."""
    peaks = []
    for times, blocks in parts.items():
        path = common.scratch("recognition") / f"times-{times}.flac"
        total = written(path, blocks)
        out = path.with_suffix(".jsonl")
        started = time.perf_counter()
        done = run(["predict", model, str(path), "--out", str(out), "--memory", "2GiB"])
        seconds = time.perf_counter() - started
        receipt = json.loads(out.read_text(encoding="utf-8"))["receipt"]
        assert (receipt["extent"], receipt["covered"]) == (total, 1.0), receipt
        peaks.append(done.peak)
        print(
            f"{total / RATE / 60:.0f} minutes: {receipt['windows']} windows, {seconds:.0f} s, peak "
            f"{done.peak / 2**20:.0f} MiB"
        )
        path.unlink()
    print(f"peak memory {peaks[-1] / peaks[0]:.3f} times (at most 1.1 wanted)")


def written(path: Path, blocks: Iterator[NDArray[np.float32]]) -> int:
    """Writes a recording as it comes; its samples."""
    total = 0
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for block in blocks:
            file.write(block)
            total += len(block)
    return total


def silence(arguments: argparse.Namespace) -> None:
    """What is transcribed where nobody speaks."""
    samples, _ = soundfile.read(recording(), dtype="float32")
    half = samples[: 300 * RATE]
    between = {"silence": silent(), "noise": noise(), "tones": tones()}
    path = common.scratch("recognition") / "between.flac"
    written(path, iter([half, *(part for each in between.values() for part in (each, half))]))
    model = anysize.load(arguments.model)
    found = model.predict_one(path)
    assert not isinstance(found, anysize.ErrorResult), found
    at, quiet = len(half), len(next(iter(between.values())))
    for name in between:
        start, stop = 1000 * at // RATE + 500, 1000 * (at + quiet) // RATE - 500
        there = [
            each["text"]
            for each in found.details["segments"]
            if each["start"] < stop and each["end"] > start
        ]
        print(f"10 minutes of {name}: {len(there)} segments {there[:3]}")
        at += quiet + len(half)
    print(dict(found.receipt.counts or {}), *found.receipt.notes, sep="\n")


def silent() -> NDArray[np.float32]:
    """Ten minutes of what a quiet room gives: -70 dB."""
    return 10 ** (-70 / 20) * noise()


def noise() -> NDArray[np.float32]:
    """Ten minutes of pink noise at -30 dB."""
    random = np.random.default_rng(1)
    size = 600 * RATE
    spectrum = np.fft.rfft(random.standard_normal(size))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    values = np.fft.irfft(spectrum, size)
    return (10 ** (-30 / 20) * values / values.std()).astype(np.float32)


def tones() -> NDArray[np.float32]:
    """Ten minutes of chords with overtones, a new one every half second."""
    random = np.random.default_rng(2)
    size = RATE // 2
    clock = np.arange(size) / RATE
    fade = np.minimum(1, np.minimum(clock, clock[::-1]) / 0.02) * np.exp(-2 * clock)
    bars = []
    for _ in range(1200):
        root = 110 * 2 ** (random.integers(0, 24) / 12)
        chord = [root * 2 ** (step / 12) for step in (0, random.choice([3, 4]), 7)]
        waves = [np.sin(2 * np.pi * n * each * clock) / n for each in chord for n in (1, 2, 3, 4)]
        bars.append(0.05 * fade * np.sum(waves, axis=0))
    return np.concatenate(bars).astype(np.float32)


if __name__ == "__main__":
    main()
