"""Phonemes by espeak-ng, whose library the package espeakng-loader carries.

espeak-ng is under the GPL-3. Nothing of it is part of this package: the library is loaded when a
voice that reads phonemes is used, and only its public functions are called.
"""

from __future__ import annotations

import ctypes
import re
import threading
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anysize.core.errors import ConfigurationError, MissingExtraError, RunError
from anysize.core.near import unknown

PACKAGE = "espeakng_loader"

# Of espeak-ng's speak_lib.h.
_RETRIEVAL, _DONT_EXIT, _UTF8, _IPA = 1, 0x8000, 1, 0x02
_FOUND = 0

# espeak-ng reads of one word so many letters, and leaves the rest out without a word.
_LONGEST_WORD, _PIECE = 40, 32
_LONG = re.compile(rf"[^\s]{{{_LONGEST_WORD + 1},}}")
# Where it changes the language for a word it says so in brackets: "(en)…(de)".
_SWITCH = re.compile(r"\([a-z-]+\)")
_KEPT = 1 << 12

_lock = threading.Lock()


class Espeak:
    """espeak-ng with a voice; safe to use from several threads.

    Args:
        voice: its name, mostly a language (``en-us``, ``de``, ``cmn``).

    Raises:
        MissingExtraError: espeakng-loader is not installed.
        ConfigurationError: espeak-ng has no such voice.
    """

    def __init__(self, voice: str) -> None:
        self.voice = voice
        with _lock:
            _select(_library(), voice)

    def phonemes(self, clause: str) -> str:
        """The phonemes of a stretch of text in IPA, words apart by spaces; empty where none.

        Args:
            clause: without line ends; marks in it are not given back.
        """
        text = _LONG.sub(_broken, clause.replace("\0", " "))
        with _lock:
            library = _library()
            _select(library, self.voice)
            # The memory must stay until all of it is read.
            content = ctypes.create_string_buffer(text.encode("utf-8", "replace"))
            place = ctypes.c_void_p(ctypes.addressof(content))
            found = []
            while place.value:
                part = library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA)
                found.append((part or b"").decode("utf-8", "replace"))
        return " ".join(" ".join(_SWITCH.sub("", part) for part in found).split())

    def reads(self, character: str) -> bool:
        """Whether a character alone has phonemes."""
        return _reads(self.voice, character)


@lru_cache(maxsize=_KEPT)
def _reads(voice: str, character: str) -> bool:
    return bool(Espeak(voice).phonemes(character))


def _broken(word: re.Match[str]) -> str:
    """A word that is too long in pieces, each of which is read."""
    text = word.group()
    return " ".join(text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


_state: dict[str, Any] = {}


def _library() -> Any:
    """The library, loaded once a process; call with the lock held."""
    if "library" in _state:
        return _state["library"]
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("espeakng-loader", "speech")
    folder = Path(spec.origin).parent
    path = next(iter(sorted(folder.glob("*espeak-ng*.so"))), folder / "libespeak-ng.so")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise RunError(f"{path}: espeak-ng cannot be loaded: {error}") from error
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [
        ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int
    ]  # fmt: skip
    data = str(folder / "espeak-ng-data").encode()
    if library.espeak_Initialize(_RETRIEVAL, 0, data, _DONT_EXIT) < 0:
        raise RunError(f"{folder}: espeak-ng does not start: install espeakng-loader again")
    _state["library"] = library
    return library


def _select(library: Any, voice: str) -> None:
    if _state.get("voice") == voice:
        return
    known = _state.setdefault("known", {})
    # Of a name that it does not know espeak-ng takes any voice of that language, or none.
    if voice not in known:
        known[voice] = library.espeak_SetVoiceByName(voice.encode()) == _FOUND
    elif known[voice]:
        library.espeak_SetVoiceByName(voice.encode())
    if not known[voice]:
        _state["voice"] = None
        names = sorted(path.name.lower() for path in _voices())
        raise ConfigurationError(unknown(voice, names, "is not a language of espeak-ng"))
    _state["voice"] = voice


def _voices() -> list[Path]:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "espeak-ng-data" / "lang"
    return [path for path in folder.rglob("*") if path.is_file()]
