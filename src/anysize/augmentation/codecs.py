"""Steps that leave in recordings what codecs do to them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from anysize.augmentation.draws import Draws
from anysize.augmentation.parameters import Range, span, word
from anysize.augmentation.sounds import Blocks, Change, Samples, SoundStep
from anysize.augmentation.steps import CHANCE, Step
from anysize.readers.audio.libsndfile import soundfile_library, stream_class
from anysize.readers.audio.resampling import resampled

PROVIDES = ("codec",)

_MU = 255.0
_MOST = 0.99
"""Compression of the lowest quality: libsndfile refuses 1 itself."""
_BLOCK = 32_768
_IN_MEMORY = 1 << 22
"""Bytes of an encoded recording that are held in memory; more are put on disk meanwhile."""
# Below 16 kHz LAME makes frames at low bitrates that decoders complain about.
_MP3 = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS = (8_000, 12_000, 16_000, 24_000, 48_000)
_VORBIS = (8_000, 11_025, *_MP3)
_CODECS = {
    "mp3": ("MP3", "MPEG_LAYER_III", _MP3),
    "opus": ("OGG", "OPUS", _OPUS),
    "vorbis": ("OGG", "VORBIS", _VORBIS),
}
_KINDS = ("mu-law", *_CODECS)


@dataclass(frozen=True, kw_only=True)
class Codec(SoundStep):
    """Encodes and decodes a recording: mu-law of telephones, MP3, Opus, Vorbis at low bitrates."""

    name: ClassVar[str] = "codec"
    kind: str = field(
        default="any", metadata=word("of the codec; any draws one of them", (*_KINDS, "any"))
    )
    quality: Range = field(
        default=Range(0.0, 0.4),
        metadata=span("0 is the lowest bitrate of the codec, 1 the highest; not of mu-law", 0, 1),
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        kind = _KINDS[draws.integer(len(_KINDS))] if self.kind == "any" else self.kind
        quality = self.quality.at(draws.uniform())

        def run(blocks: Blocks, rate: int) -> Blocks:
            if kind == "mu-law":
                return (mu_law(block) for block in blocks)
            return coded(blocks, rate, kind, quality)

        return run


def mu_law(samples: Samples) -> Samples:
    """What 8 bits on the logarithmic scale of ITU-T G.711 leave of samples; cut off at 1."""
    clipped = np.clip(samples, -1.0, 1.0)
    bent = np.sign(clipped) * np.log1p(_MU * np.abs(clipped)) / np.log1p(_MU)
    steps = np.round(bent * 127.0) / 127.0
    found: Samples = (np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(_MU)) / _MU).astype(
        np.float32
    )
    return found


def coded(blocks: Blocks, rate: int, kind: str, quality: float) -> Iterator[Samples]:
    """The samples after encoding and decoding, as many as came.

    The encoded recording is written whole before it is read, in memory while it is small: it is a
    twentieth of the samples, and less.

    Args:
        blocks: samples ``[n]`` in order; what is louder than 1 is cut off.
        rate: of them, a second.
        kind: ``mp3``, ``opus`` or ``vorbis``.
        quality: from 0, the lowest bitrate, to 1.

    Raises:
        MissingExtraError: soundfile is not installed.
    """
    library = soundfile_library()
    container, coding, rates = _CODECS[kind]
    own = next((one for one in rates if one >= rate), rates[-1])
    count = 0

    def counted() -> Iterator[Samples]:
        nonlocal count
        for block in blocks:
            count += len(block)
            yield block

    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        with library.SoundFile(
            file,
            "w",
            own,
            1,
            coding,
            format=container,
            compression_level=_MOST * (1 - quality),
        ) as writer:
            for block in _even(resampled(counted(), rate, own)):
                writer.write(np.clip(block, -1.0, 1.0))
        file.seek(0)
        with stream_class(library)(file) as reader:
            given = 0
            for block in resampled(_decoded(reader), own, rate):
                part = block[: count - given]
                given += len(part)
                if len(part):
                    yield part
        if given < count:
            yield np.zeros(count - given, np.float32)


def _even(blocks: Blocks) -> Iterator[Samples]:
    """The samples in blocks of one size, because what Vorbis makes of them depends on it."""
    held = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= _BLOCK:
            yield held[:_BLOCK]
            held = held[_BLOCK:]
    if len(held):
        yield held


def _decoded(reader: Any) -> Iterator[Samples]:
    while len(block := reader.read(_BLOCK, dtype="float32")):
        yield block


STEPS: tuple[type[Step], ...] = (Codec,)
