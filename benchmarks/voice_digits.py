"""A voice trained from scratch: digits of espeak-ng, said again, and recognised.

    python -m benchmarks.voice_digits [--minutes 10] [--clips 400] [--reading espeak]

Clips of one to five digits are made with espeak-ng, ``speech-small`` is trained on them through the
command line's own function, and 60 strings of six digits, which it has never heard, are spoken and
recognised by Whisper tiny.en. The digit error rate is that of the strings; beside it stands that of
espeak-ng's own speech, which is what the recogniser makes of the original.
"""

from __future__ import annotations

import argparse
import ctypes
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import anysize
from anysize.core.results import Result
from benchmarks import common
from benchmarks.text_to_speech import recogniser

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATE = 22_050


def main() -> None:
    """Trains and prints the error rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--reading", choices=("espeak", "characters"), default="espeak")
    arguments = parser.parse_args()
    print(common.machine())
    folder = common.scratch("voice_digits")
    say = espeak()
    data = write_clips(folder / f"clips-{arguments.clips}", arguments.clips, say)
    random = np.random.default_rng(99)
    strings = [random.integers(0, 10, 6).tolist() for _ in range(60)]
    texts = [f"{', '.join(WORDS[digit] for digit in each)}." for each in strings]
    # Before the model reads phonemes: there is one espeak-ng in a process, for one purpose.
    original = [(say(text), RATE) for text in texts]
    out = folder / "run"
    model = anysize.train(
        "text-to-speech", data, model="speech-small", out=out, minutes=arguments.minutes,
        options={"reading": arguments.reading},
    )  # fmt: skip
    print(f"trained for {arguments.minutes:g} minutes: {dict(model.card.metrics)}")
    spoken = []
    for result in model.predict(texts):
        assert isinstance(result, Result)
        spoken.append((result.prediction.samples(), result.prediction.sample_rate))
    for name, recordings in (("speech-small", spoken), ("espeak-ng itself", original)):
        print(f"{name}: digit error rate {error_rate(strings, recordings):.4f}")


def error_rate(
    strings: Sequence[Sequence[int]], recordings: Sequence[tuple[NDArray[np.float32], int]]
) -> float:
    """Insertions, deletions and substitutions over the digits that were to be said."""
    import jiwer

    hear, _ = recogniser()
    heard = [digits(hear(samples, rate)) for samples, rate in recordings]
    wanted = [" ".join(map(str, each)) for each in strings]
    return float(jiwer.wer(wanted, [each or "none" for each in heard]))


def digits(text: str) -> str:
    """What a recogniser wrote, as digits with spaces between."""
    named = {word: str(digit) for digit, word in enumerate(WORDS)} | {"oh": "0", "o": "0"}
    return " ".join(named.get(word, word) for word in re.findall(r"[a-z]+|\d", text.lower()))


def write_clips(folder: Path, count: int, say: Callable[[str], NDArray[np.float32]]) -> Path:
    """A table with a recording and its text a row."""
    path = folder / "data.csv"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    rows = ["audio,text"]
    for place in range(count):
        text = ", ".join(WORDS[digit] for digit in random.integers(0, 10, random.integers(1, 6)))
        soundfile.write(folder / f"{place}.wav", say(f"{text}."), RATE)
        rows.append(f'{place}.wav,"{text}."')
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def espeak() -> Callable[[str], NDArray[np.float32]]:
    """Texts as espeak-ng itself says them (en-us)."""
    spec = find_spec("espeakng_loader")
    assert spec is not None
    assert spec.origin is not None
    place = Path(spec.origin).parent
    library = ctypes.CDLL(str(place / "libespeak-ng.so"))
    library.espeak_Initialize(1, 0, str(place / "espeak-ng-data").encode(), 0x8000)
    library.espeak_SetVoiceByName(b"en-us")
    parts: list[NDArray[np.int16]] = []
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
    )

    @kind
    def took(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: object) -> int:
        if samples and count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(took)

    def say(text: str) -> NDArray[np.float32]:
        assert took is not None  # the library keeps no hold of it
        parts.clear()
        content = text.encode() + b"\0"
        library.espeak_Synth(content, ctypes.c_size_t(len(content)), 0, 1, 0, 1, None, None)
        library.espeak_Synchronize()
        return np.concatenate(parts).astype(np.float32) / 32768

    return say


if __name__ == "__main__":
    main()
