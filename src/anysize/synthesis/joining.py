"""How pieces of speech are put one behind the other, without clicks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FADE = 0.005
"""Seconds over which a piece begins and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Seconds of silence behind what was said; a voice makes those of commas itself.

    Attributes:
        clause: inside a sentence that was cut.
        sentence: between sentences.
        line: behind a line of its own.
        paragraph: between paragraphs.
        chapter: before a chapter.
    """

    clause: float = 0.1
    sentence: float = 0.25
    line: float = 0.4
    paragraph: float = 0.6
    chapter: float = 1.5


def faded(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """A piece that begins and ends in silence: raised cosines at both ends.

    Args:
        samples: ``[n]``, not changed.
        sample_rate: samples a second.
    """
    size = min(round(FADE * sample_rate), len(samples) // 2)
    if not size:
        return samples
    found = samples.astype(np.float32)
    rising = (0.5 - 0.5 * np.cos(np.pi * np.arange(size) / size)).astype(np.float32)
    found[:size] *= rising
    found[len(found) - size :] *= rising[::-1]
    return found
