"""From a sentence to the ids of its phonemes, in the way of Piper's voices.

A voice's configuration says which ids a phoneme has. A sequence is a start, each phoneme with a
pad behind it, and an end (https://github.com/rhasspy/piper, TRAINING.md).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.synthesis.clauses import clauses
from anysize.synthesis.espeak import Espeak
from anysize.synthesis.rewriting import spoken

START, PAD, END = "^", "_", "$"
NOTHING: NDArray[np.int32] = np.zeros(0, np.int32)
"""The ids of what has nothing to say."""
_SILENT = re.compile(r"[\s\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence as a voice gets it.

    Attributes:
        ids: of its phonemes, int32; empty where there is nothing to say.
        phonemes: in IPA, with the marks, for people.
        unread: characters that have no phonemes, and how often each comes.
        spelled: characters of another script, which are said by the names of their letters.
        missing: phonemes that the voice has no id for, and how often.
    """

    ids: NDArray[np.int32]
    phonemes: str = ""
    unread: Mapping[str, int] = field(default_factory=dict)
    spelled: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)


class Reader(Protocol):
    """What makes ids of sentences. Safe to use from several threads."""

    def said(self, sentence: str, *, whole: bool = True) -> Said:
        """What a voice gets of a sentence.

        Args:
            sentence: as it is in the text.
            whole: whether it ends here; else it is a part of one that was cut.
        """
        ...


class EspeakReader:
    """Sentences as phonemes of espeak-ng.

    Args:
        voice: espeak-ng's, mostly a language.
        ids: of each phoneme, with the start, the pad and the end.
        padded: whether there is a pad behind each phoneme.

    Raises:
        MissingExtraError: espeakng-loader is not installed.
        ConfigurationError: no such voice, or ids without a start, pad or end.
    """

    def __init__(
        self, voice: str, ids: Mapping[str, Sequence[int]], *, padded: bool = True
    ) -> None:
        self._espeak = Espeak(voice)
        self.voice = voice
        self._scripts = _scripts(voice)
        self._ids = Ids(ids, padded=padded)

    def said(self, sentence: str, *, whole: bool = True) -> Said:
        """See ``Reader``."""
        phonemes = self.phonemes(sentence, whole=whole)
        unread, spelled = self._unread(sentence)
        ids, missing = self._ids.of(list(phonemes)) if phonemes else (NOTHING, {})
        return Said(ids=ids, phonemes=phonemes, unread=unread, spelled=spelled, missing=missing)

    def phonemes(self, sentence: str, *, whole: bool = True) -> str:
        """Phonemes with the marks between clauses, decomposed (NFD); empty where there are none."""
        found = ""
        for clause in clauses(spoken(sentence, self.voice)):
            said = self._espeak.phonemes(clause.text)
            if said:
                found += f"{' ' if found else ''}{said}{clause.mark}"
            elif found and clause.mark in (".", "!", "?"):
                found = found.rstrip(",:;.") + clause.mark
        if found and found[-1] not in ".!?":
            # A voice that sees no end cuts off the last sound.
            found = found.rstrip(",:;") + ("." if whole else ",")
        return unicodedata.normalize("NFD", found)

    def _unread(self, sentence: str) -> tuple[dict[str, int], int]:
        """Signs without phonemes, and how many letters are not of the voice's script."""
        unread: Counter[str] = Counter()
        spelled = 0
        for character in sentence:
            if character.isascii() and (character.isalnum() or character.isspace()):
                continue
            kind = unicodedata.category(character)
            if kind[0] in "PZM" or _SILENT.match(character) or kind in ("Cf", "Cc", "Sk"):
                continue
            if not self._espeak.reads(character):
                unread[character] += 1
            elif kind[0] == "L" and self._scripts and not self._own(character):
                spelled += 1
        return dict(unread), spelled

    def _own(self, character: str) -> bool:
        return unicodedata.name(character, "").startswith(self._scripts)


class CharacterReader:
    """Sentences as their characters, for voices that read these.

    Args:
        ids: of each character.
        padded: whether there is a pad behind each.
    """

    def __init__(self, ids: Mapping[str, Sequence[int]], *, padded: bool = True) -> None:
        self._ids = Ids(ids, padded=padded)

    def said(self, sentence: str, *, whole: bool = True) -> Said:
        """See ``Reader``."""
        shown = "".join(one for one in sentence if one.isspace() or not _SILENT.match(one))
        text = unicodedata.normalize("NFD", " ".join(shown.split()))
        ids, missing = self._ids.of(list(text)) if text else (NOTHING, {})
        return Said(ids=ids, phonemes=text, unread=missing)


class Ids:
    """Ids of phonemes, between a start and an end.

    Args:
        ids: of each phoneme.
        padded: whether there is a pad behind each.

    Raises:
        ConfigurationError: the start, the pad or the end has no id.
    """

    def __init__(self, ids: Mapping[str, Sequence[int]], *, padded: bool = True) -> None:
        wanted = (START, END, *((PAD,) if padded else ()))
        lacking = [each for each in wanted if not ids.get(each)]
        if lacking:
            raise ConfigurationError(f"the phoneme ids lack {', '.join(map(repr, lacking))}")
        self._ids = ids
        self._pad = list(ids[PAD]) if padded else []

    def of(self, phonemes: Sequence[str]) -> tuple[NDArray[np.int32], dict[str, int]]:
        """The ids of a sequence, int32, and which phonemes have none."""
        missing: Counter[str] = Counter()
        found = [*self._ids[START], *self._pad]
        spoken_ones = 0
        for phoneme in phonemes:
            own = self._ids.get(phoneme)
            if own is None:
                missing[phoneme] += 1
                continue
            spoken_ones += phoneme not in " .,;:!?"
            found += [*own, *self._pad]
        if not spoken_ones:
            return NOTHING, dict(missing)
        return np.array([*found, *self._ids[END]], np.int32), dict(missing)


_BY_LANGUAGE = {
    "CYRILLIC": ("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "tt", "ba", "cv"),
    "GREEK": ("el", "grc"), "ARABIC": ("ar", "fa", "ur", "sd", "ug"), "HEBREW": ("he",),
    "DEVANAGARI": ("hi", "mr", "ne", "kok"), "HANGUL": ("ko",), "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",), "CJK": ("cmn", "yue", "zh", "hak"),
}  # fmt: skip
_LATIN = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "et", "lv", "lt", "pl", "cs",
    "sk", "sl", "hr", "hu", "ro", "tr", "ca", "eu", "gl", "cy", "ga", "gd", "is", "sq", "af", "sw",
    "id", "ms", "vi", "mt", "eo", "la", "lb", "an", "ast", "az", "uz",
)  # fmt: skip


def _scripts(voice: str) -> tuple[str, ...]:
    """How the Unicode names of a language's letters begin; empty where it is not known."""
    language = voice.lower().partition("-")[0]
    if language in _LATIN:
        return ("LATIN", "MODIFIER", "FEMININE", "MASCULINE")
    return next(((script, "LATIN") for script, own in _BY_LANGUAGE.items() if language in own), ())
