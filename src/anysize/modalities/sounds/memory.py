"""Recordings in memory: bytes of a file, arrays of samples with their rate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anysize.core.errors import ConfigurationError
from anysize.readers.audio.sound import Sound

_RATES = ("sampling_rate", "sample_rate", "rate")


def recording(item: Any, origin: str) -> Sound:
    """One thing in memory as a recording; see ``Modality.memory``."""
    rate = 0
    if isinstance(item, Mapping):
        item, rate = _named(item, origin)
    if isinstance(item, bytes):
        return Sound(item, origin)
    if isinstance(item, str | Path):
        return Sound(Path(item))
    if isinstance(item, tuple) and len(item) == 2:  # as ``soundfile.read`` gives it, or turned
        item, rate = item if np.ndim(item[0]) else item[::-1]
    if not hasattr(item, "dtype"):
        raise ConfigurationError(
            f"{origin} is a {type(item).__name__}, and must be a recording: a path, the bytes of a "
            'file, {"array": samples, "sampling_rate": 16000} or (samples, rate)'
        )
    if not isinstance(rate, int | np.integer) or rate <= 0:
        raise ConfigurationError(
            f"{origin} has samples without their rate: give "
            '{"array": samples, "sampling_rate": 16000} or (samples, rate)'
        )
    return Sound(np.asarray(item), origin, rate=int(rate))


def _named(item: Mapping[str, Any], origin: str) -> tuple[Any, int]:
    """As ``datasets`` has recordings: an array with its rate, or the bytes or path of a file."""
    if item.get("array") is not None:
        rate = next((item[name] for name in _RATES if name in item), 0)
        return np.asarray(item["array"]), rate
    if item.get("bytes") is not None:
        return item["bytes"], 0
    if item.get("path"):
        return Path(item["path"]), 0
    raise ConfigurationError(
        f"{origin} has the keys {', '.join(map(str, item)) or 'of nothing'}, and a recording has "
        "array and sampling_rate, or bytes, or path"
    )
