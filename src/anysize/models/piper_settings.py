"""What the configuration beside a Piper voice says (``voice.onnx.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError
from anysize.models.card_reading import read_json
from anysize.synthesis.phonemes import END, PAD, START

_LARGEST = 1 << 24
_MOST_SPEAKERS = 1 << 16
_READINGS = ("espeak", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class PiperSettings:
    """A voice's configuration.

    Attributes:
        sample_rate: samples a second.
        language: espeak-ng's voice.
        characters: whether it reads these, and not phonemes of espeak-ng.
        ids: of each phoneme.
        speakers: their names in the order of their numbers; empty where there is one.
        noise, noise_w: spread of the voice, and of the durations.
        length: of the speech, 1 as it was learned.
        licence: of its weights, where a compressed voice says that of its original.
    """

    sample_rate: int
    language: str
    characters: bool
    ids: Mapping[str, tuple[int, ...]]
    speakers: tuple[str, ...] = ()
    noise: float = 0.667
    noise_w: float = 0.8
    length: float = 1.0
    licence: str = "unknown"

    @property
    def vocabulary(self) -> int:
        """One above the largest id."""
        return 1 + max(max(each) for each in self.ids.values() if each)


def settings_beside(path: Path) -> Path:
    """Where the configuration of a voice lies."""
    return path.with_name(path.name + ".json")


def read_settings(place: Path) -> PiperSettings:
    """Reads and checks a configuration.

    Raises:
        BundleError: it cannot be read, or something in it cannot be used; all faults are named.
    """
    entries = read_json(place, _LARGEST)
    if not isinstance(entries, dict):
        raise BundleError(str(place), "must be a JSON object")
    problems: list[str] = []
    rate = _part(entries, "audio").get("sample_rate")
    if not isinstance(rate, int) or not 1000 <= rate <= 192_000:
        problems.append(f"audio.sample_rate must be from 1000 to 192000, not {rate!r}")
        rate = 0
    language = _part(entries, "espeak").get("voice", "")
    reading = entries.get("phoneme_type", "espeak")
    if reading not in _READINGS:
        problems.append(
            f"phoneme_type must be {' or '.join(_READINGS)}, not {reading!r}: other kinds of "
            "phonemes are not supported"
        )
    elif reading == "espeak" and (not isinstance(language, str) or not language):
        problems.append(f"espeak.voice must name a language, not {language!r}")
    ids = _ids(entries.get("phoneme_id_map"), problems)
    inference = _part(entries, "inference")
    numbers = {
        name: _number(inference, name, default, problems)
        for name, default in (("noise_scale", 0.667), ("noise_w", 0.8), ("length_scale", 1.0))
    }
    speakers = _speakers(entries, problems)
    if problems:
        raise BundleError(str(place), "; ".join(problems))
    return PiperSettings(
        sample_rate=rate, language=str(language), characters=reading == _READINGS[1], ids=ids,
        speakers=speakers, noise=numbers["noise_scale"], noise_w=numbers["noise_w"],
        length=numbers["length_scale"], licence=str(entries.get("licence") or "unknown"),
    )  # fmt: skip


def _part(entries: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = entries.get(name)
    return found if isinstance(found, dict) else {}


def _ids(found: Any, problems: list[str]) -> dict[str, tuple[int, ...]]:
    if not isinstance(found, dict) or not found:
        problems.append("phoneme_id_map must give the ids of each phoneme")
        return {}
    ids: dict[str, tuple[int, ...]] = {}
    for phoneme, own in found.items():
        whole = isinstance(own, list) and all(
            isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 1 << 20
            for each in own
        )
        if not whole:
            problems.append(f"phoneme_id_map[{phoneme!r}] must be a list of whole numbers")
            return {}
        ids[phoneme] = tuple(own)
    lacking = [name for name in (START, PAD, END) if not ids.get(name)]
    if lacking:
        problems.append(f"phoneme_id_map lacks {', '.join(map(repr, lacking))}")
    return ids


def _number(entries: Mapping[str, Any], name: str, default: float, problems: list[str]) -> float:
    found = entries.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 10:
        problems.append(f"inference.{name} must be a number from 0 to 10, not {found!r}")
        return default
    return float(found)


def _speakers(entries: Mapping[str, Any], problems: list[str]) -> tuple[str, ...]:
    count = entries.get("num_speakers", 1)
    if not isinstance(count, int) or not 0 <= count <= _MOST_SPEAKERS:
        problems.append(f"num_speakers must be a whole number, not {count!r}")
        return ()
    if count <= 1:
        return ()
    named = {
        number: str(name)
        for name, number in _part(entries, "speaker_id_map").items()
        if isinstance(number, int)
    }
    return tuple(named.get(number, str(number)) for number in range(count))
