"""What espeak-ng misreads, written out in words, before it is read: a module for each language.

A module has ``spoken(text) -> str``. Texts of other languages are read as espeak-ng reads them.
"""

from __future__ import annotations

from collections.abc import Callable

from anysize.synthesis.rewriting import english, german

_LANGUAGES: dict[str, Callable[[str], str]] = {"en": english.spoken, "de": german.spoken}


def spoken(text: str, language: str) -> str:
    """A sentence as it is said.

    Args:
        text: of a sentence.
        language: as espeak-ng calls it (``en-us``); one that has no rules changes nothing.
    """
    rules = _LANGUAGES.get(language.lower().partition("-")[0])
    return text if rules is None else rules(text)
