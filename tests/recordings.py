"""Small recordings that tests make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000


def chirp(seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> NDArray[np.float32]:
    """A tone that rises from 200 Hz, with a little noise; from -0.5 to 0.5."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    found: NDArray[np.float32] = (
        0.4 * np.sin(2 * np.pi * (200 + 150 * time) * time) + 0.02 * noise
    ).astype(np.float32)
    return found


def write(path: Path, samples: NDArray[Any], rate: int = RATE, **settings: str) -> Path:
    """Writes a file in the format of its suffix."""
    import soundfile

    soundfile.write(path, samples, rate, **settings)
    return path


def tone(path: Path, hertz: float, seconds: float, seed: int, rate: int = 8000) -> Path:
    """A tone in noise, whose pitch can be told by ear."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    samples = 0.3 * np.sin(2 * np.pi * hertz * (1 + 0.02 * random.standard_normal()) * time)
    samples += 0.03 * random.standard_normal(len(time))
    return write(path, samples.astype(np.float32), rate)
