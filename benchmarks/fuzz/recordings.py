"""Recordings of every format that libsndfile reads."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from anysize.core.errors import DataError
from anysize.core.windows import Span
from anysize.readers.audio.sound import Sound
from benchmarks.fuzz.mutation import mutated_file

PROVIDES = ("recordings",)

mutated = mutated_file

_RATE = 16_000
_FILES = (
    ("u8.wav", "WAV", "PCM_U8", 1), ("16.wav", "WAV", "PCM_16", 2), ("24.wav", "WAV", "PCM_24", 1),
    ("float.wav", "WAV", "FLOAT", 1), ("ulaw.wav", "WAV", "ULAW", 1),
    ("adpcm.wav", "WAV", "MS_ADPCM", 1), ("extensible.wav", "WAVEX", "PCM_16", 3),
    ("large.rf64", "RF64", "PCM_16", 1), ("a.w64", "W64", "PCM_16", 1),
    ("16.flac", "FLAC", "PCM_16", 2), ("24.flac", "FLAC", "PCM_24", 1),
    ("vorbis.ogg", "OGG", "VORBIS", 2), ("a.opus", "OGG", "OPUS", 1),
    ("a.mp3", "MP3", "MPEG_LAYER_III", 1), ("stereo.mp3", "MP3", "MPEG_LAYER_III", 2),
    ("a.aiff", "AIFF", "PCM_16", 1), ("a.au", "AU", "PCM_16", 1), ("a.caf", "CAF", "PCM_16", 2),
    ("a.voc", "VOC", "PCM_16", 1), ("a.sph", "NIST", "PCM_16", 1),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """One file for each format and encoding: half a second of a rising tone."""
    import soundfile

    time = np.arange(_RATE // 2) / _RATE
    tone = 0.4 * np.sin(2 * np.pi * (200 + 400 * time) * time)
    for name, kind, encoding, channels in _FILES:
        samples = np.stack([tone] * channels, 1)
        soundfile.write(folder / name, samples, _RATE, encoding, format=kind)


def read(path: Path) -> None:
    """All ways in which a recording is read: as far as possible, in spans, whole."""
    with contextlib.suppress(DataError):
        for _ in Sound(path, tolerant=True).blocks(8000):
            pass
    with contextlib.suppress(DataError):
        for _ in Sound(path).stretches([Span(10, 500), Span(400, 9000)]):
            pass
    for _ in Sound(path).blocks():
        pass
