"""What a user may ask of speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Options, option
from anysize.windows.utterances import LONGEST


@dataclass(frozen=True, kw_only=True)
class SpeakingOptions(Options):
    """How texts are spoken; kept with the model."""

    table: ClassVar[str] = "synthesis"

    speed: float = option(1.0, low=0.25, high=4, help="Speaking rate; 2 is twice as fast.")
    speaker: str | None = option(
        None, automatic="the first", metavar="NAME|FILE",
        help="Name or number of the speaker, for voices with several; of SpeechT5 the file of an "
        "x-vector (.npy, .safetensors).",
    )  # fmt: skip
    vocoder: str | None = option(
        None, metavar="FOLDER", automatic="the one in the model's folder or beside it",
        help="Folder of what makes sound of frames, for SpeechT5 (SpeechT5HifiGan).",
    )  # fmt: skip
    pauses: float = option(
        1.0, low=0, high=10,
        help="Factor for the length of pauses between sentences, lines, paragraphs and chapters.",
    )  # fmt: skip
    variation: float = option(
        1.0, low=0, high=2,
        help="Factor for the random variation of a voice in rhythm and tone; 0 turns it off.",
    )  # fmt: skip
    take: int = option(
        0, low=0, high=1 << 31,
        help="Random seed of the variation: the same number always gives the same recording.",
    )  # fmt: skip
    longest: int = option(
        LONGEST, low=32, high=2000, unit="characters",
        help="Characters spoken at once, at most; longer sentences are divided at clauses.",
    )  # fmt: skip
    lines: str = option(
        "auto", choices=("auto", "separate", "wrapped"),
        help="Whether each line is a sentence of its own (separate) or sentences continue on the "
        "next line (wrapped); auto decides for each line.",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class JudgedSpeechOptions(SpeakingOptions):
    """How texts are spoken, and who hears whether they can be understood."""

    table: ClassVar[str] = "synthesis"

    recogniser: str | None = option(
        None, metavar="MODEL", automatic="whisper-tiny.en for voices of English",
        help="Model for automatic-speech-recognition that hears what is spoken; for evaluate.",
    )  # fmt: skip
