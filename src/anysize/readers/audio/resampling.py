"""From one rate to another, as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError


def resampled(
    blocks: Iterable[NDArray[np.float32]], rate: int, wanted: int
) -> Iterator[NDArray[np.float32]]:
    """The samples at another rate, by libsoxr in its high quality.

    What comes out does not depend on how the samples come in pieces. ``n`` samples become
    ``n * wanted / rate``, rounded; where that is none, one, which is their mean.

    Args:
        blocks: samples ``[n]`` in order.
        rate: of them, samples a second.
        wanted: of what is given.

    Raises:
        MissingExtraError: soxr is not installed.
    """
    if rate == wanted:
        yield from blocks
        return
    stream = _stream(rate, wanted)
    begun, short = False, np.zeros(0, np.float32)
    for block in blocks:
        found = stream.resample_chunk(np.ascontiguousarray(block))
        if len(found):
            yield found
            begun = True
        if not begun:
            short = np.concatenate([short, block])
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    if len(rest):
        yield rest
    elif not begun and len(short):
        yield short.mean(keepdims=True)


def _stream(rate: int, wanted: int) -> Any:
    try:
        import soxr
    except ImportError as error:
        raise MissingExtraError("soxr", "speech") from error
    return soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
