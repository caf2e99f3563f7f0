"""The symbols that a voice is trained with: phonemes, or characters, of the training texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from anysize.synthesis.espeak import Espeak
from anysize.synthesis.phonemes import END, PAD, START, EspeakReader
from anysize.windows.utterances import utterances

_ALWAYS = (PAD, START, END, " ", ".", ",", "!", "?", ";", ":")
_MOST = 1000
_RATE = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFacts:
    """What the builder of a voice knows of the training data.

    Attributes:
        texts: streams them; None where there are none.
        sample_rate: of the recordings.
    """

    texts: Callable[[], Iterator[str]] | None = None
    sample_rate: int = _RATE


def symbols(texts: Callable[[], Iterator[str]] | None, reading: str, language: str) -> list[str]:
    """The symbols of texts, those that every voice has first.

    Args:
        texts: streams them.
        reading: ``espeak`` or ``characters``.
        language: espeak-ng's voice.

    Raises:
        ConfigurationError: espeak-ng does not know the language.
    """
    found: set[str] = set()
    reader = None
    if reading == "espeak":
        Espeak(language)
        reader = EspeakReader(language, {one: [at] for at, one in enumerate(_ALWAYS)})
    for text in texts() if texts is not None else ():
        for utterance in utterances([text]):
            found.update(utterance.text if reader is None else reader.phonemes(utterance.text))
        if len(found) > _MOST:
            break
    return [*_ALWAYS, *sorted(found - set(_ALWAYS))[:_MOST]]
