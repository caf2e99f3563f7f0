"""What a user may ask of transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Options, Together, option
from anysize.readers.audio.pcm import LiveOptions


def _of_speakers(gallery: str | None, speakers: str | None) -> str | None:
    if gallery is None or speakers is not None:
        return None
    return "has no effect without a speaker model: add --speakers MODEL"


def _of_delay(delay: float | None, voice: bool) -> str | None:
    if delay is None or voice:
        return None
    return "needs the pauses that the voice activity detector finds: leave out --no-voice"


def _of_bonus(token_bonus: float, beams: int) -> str | None:
    if not token_bonus or beams > 1:
        return None
    return "has no effect without beam search: add --beams 16"


@dataclass(frozen=True, kw_only=True)
class SpeechOptions(Options):
    """How recordings are transcribed; kept with the model."""

    table: ClassVar[str] = "speech"
    together: ClassVar[tuple[Together, ...]] = (
        Together(("gallery", "speakers"), _of_speakers),
        Together(("token_bonus", "beams"), _of_bonus),
        Together(("delay", "voice"), _of_delay),
    )

    language: str | None = option(
        None, automatic="detected in the first window of each recording", filled=True,
        help="Language code of the speech (en, zh, de, …), for multilingual models.",
    )  # fmt: skip
    translate: bool = option(
        False, help="Translate speech in another language into English (Whisper)."
    )
    beams: int = option(1, low=1, high=64, help="Beam size; 1 is greedy decoding.")
    language_model: str | None = option(
        None,
        filled=True,
        metavar="PATH",
        automatic="none",
        help="Text file with one sentence per line, whose n-gram statistics the beam search of CTC "
        "models uses, or the bundle of a text-generation model.",
    )
    language_weight: float = option(
        0.5, low=0.0, help="Weight of the log probabilities of --language-model."
    )
    token_bonus: float = option(
        0.0, help="Score added for each token in beam search, against texts that are too short."
    )
    speakers: str | None = option(
        None, filled=True, metavar="MODEL", automatic="lines name no speaker",
        help="Speaker recognition model (resemblyzer, a bundle) that finds who speaks in each "
        "line.",
    )  # fmt: skip
    gallery: str | None = option(
        None, filled=True, metavar="FOLDER", automatic="speakers are numbered",
        help="Gallery of known people (anysize enroll), used with --speakers.",
    )  # fmt: skip
    words: bool = option(False, help="Also give the times of words, not only of segments.")
    voice: bool = option(
        True,
        help="Read only the parts where a voice activity detector finds speech; --no-voice reads "
        "everything.",
    )
    delay: float | None = option(
        None, low=1, high=30, unit="seconds", automatic="until a window is full",
        help="How long speech waits at most for its window to be full, for live input: text comes "
        "sooner, takes more work and is less sure (Whisper).",
    )  # fmt: skip
    guard: bool = option(
        True,
        help="Check for repetitions, text in silence and speech without text, and decode such "
        "windows again.",
    )


@dataclass(frozen=True, kw_only=True)
class LiveSpeechOptions(LiveOptions, SpeechOptions):
    """How recordings are transcribed, live ones too."""

    table: ClassVar[str] = "speech"
    heading: ClassVar[str] = ""
    together: ClassVar[tuple[Together, ...]] = SpeechOptions.together


def foreign(options: SpeechOptions, names: Sequence[str], kind: str, spec: str) -> list[str]:
    """What is wished for that another kind of network does; one sentence each.

    Args:
        options: as they are asked for.
        names: of options that only the other kind has.
        kind: the other kind, in the plural.
        spec: of the model.
    """
    usual = SpeechOptions()
    return [
        f"{name} is only for {kind}, and {spec} is not one of them: leave it out"
        for name in names
        if getattr(options, name) != getattr(usual, name)
    ]
