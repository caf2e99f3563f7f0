"""Recordings to listen to: a few seconds of one channel, encoded for browsers."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import AudioField
from anysize.core.windows import Span
from anysize.readers.audio.libsndfile import soundfile_library

RATES = (16_000, 12_000, 11_025, 8_000)
"""Rates of excerpts, which MP3 has too."""
SECONDS = 6.0
"""Of an excerpt, at most."""
_FORMATS = (("MP3", "MPEG_LAYER_III", "audio/mpeg"), ("OGG", "VORBIS", "audio/ogg"))


def rate_for(rate: int) -> int:
    """The rate of an excerpt of a recording."""
    return next((one for one in RATES if one <= rate), RATES[-1])


def stretch(field: AudioField, start: float, seconds: float) -> tuple[NDArray[np.float32], int]:
    """Samples of a recording, and their rate; it is decoded from its beginning up to there.

    Args:
        field: the recording.
        start: second where they begin.
        seconds: how many.

    Raises:
        DataError: the recording cannot be read.
    """
    rate = rate_for(field.header.rate)
    first = round(start * rate)
    (samples,) = field.stretches([Span(first, first + round(seconds * rate))], rate)
    return samples, rate


def encoded(samples: NDArray[np.float32], rate: int) -> tuple[bytes, str]:
    """A small file, and its media type: MP3, or Ogg where libsndfile cannot write that.

    Args:
        samples: ``[n]``; what is louder than 1 is cut off.
        rate: of them, one of `RATES`.

    Raises:
        MissingExtraError: soundfile is not installed.
    """
    library = soundfile_library()
    known = library.available_formats()
    container, coding, media = next(one for one in _FORMATS if one[0] in known)
    buffer = io.BytesIO()
    library.write(
        buffer, np.clip(samples, -1.0, 1.0), rate, format=container, subtype=coding,
        compression_level=0.6,
    )  # fmt: skip
    return buffer.getvalue(), media
