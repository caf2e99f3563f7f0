"""What a model builder needs to know of training recordings."""

from __future__ import annotations

from collections import Counter

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.modalities.sounds.settings import AudioFacts
from anysize.readers.audio.sound import Sound

_LOOKED_AT = 64


def facts(source: Source, role: str) -> AudioFacts:
    """The commonest rate of some recordings, evenly chosen; only their headers are read."""
    rates: Counter[int] = Counter()
    for index in range(0, len(source), max(len(source) // _LOOKED_AT, 1)):
        try:
            field = source[index].fields.get(role)
            if isinstance(field, Sound):
                rates[field.header.rate] += 1
        except DataError:
            continue  # counted and named when training reads it
    return AudioFacts(sample_rate=rates.most_common(1)[0][0] if rates else None)
