"""What a dataset of recordings looks like, in one pass and bounded memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.records import AudioField, Source
from anysize.evaluation.common_counts import Common
from anysize.evaluation.sketches import Distribution, LengthSketch
from anysize.evaluation.statistics import DataStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStatistics(DataStatistics):
    """A dataset of recordings.

    Attributes:
        milliseconds: lengths.
        rates: recordings by samples a second, the commonest first.
        channels: recordings by their number of channels.
        formats: recordings by format and encoding (``WAV PCM_16``).
        noted: recordings by what is odd about them: silent, clipped, cut off, ….
    """

    milliseconds: Distribution
    rates: Mapping[int, int]
    channels: Mapping[int, int]
    formats: Mapping[str, int]
    noted: int

    def to_json(self) -> dict[str, Any]:
        return {
            **DataStatistics.to_json(self),
            "milliseconds": self.milliseconds.to_json(),
            "sample_rates": {str(rate): count for rate, count in self.rates.items()},
            "channels": {str(number): count for number, count in self.channels.items()},
            "formats": dict(self.formats),
            "noted": self.noted,
        }


def audio_statistics(
    source: Source,
    *,
    role: str = "audio",
    limit: int | None = None,
    findings: Findings | None = None,
) -> AudioStatistics:
    """Decodes every recording once, a block at a time, so that a damaged file is found.

    Recordings of the same rate with the same samples count as duplicates.

    Args:
        source: where the records come from.
        role: the field to look at.
        limit: look at only so many records, evenly spread over the source.
        findings: takes what recordings have to say beside their lengths.

    Raises:
        ConfigurationError: ``limit`` is below 1.
    """
    common, noted = Common(), 0
    lengths = LengthSketch()
    rates: Counter[int] = Counter()
    channels: Counter[int] = Counter()
    formats: Counter[str] = Counter()
    for index, record in common.readable(source, limit):
        try:
            sound = record.audio(role)
            digest = _read(sound)
        except DataError as error:
            common.failed(record.id, error)
            continue
        common.add(index, record, digest)
        header, counts, notes = sound.header, sound.counts(), sound.notes()
        lengths.add(counts["milliseconds"])
        rates[header.rate] += 1
        channels[header.channels] += 1
        formats[f"{header.kind} {header.encoding}"] += 1
        odd = [note for note in notes if "mixed to one" not in note]
        noted += bool(odd)
        if odd and findings is not None:
            findings.add(
                "recording-odd",
                "some recordings are silent, clipped, cut off or otherwise odd; they are used as "
                "they are",
                unit="files",
                examples=(f"{record.id}: {'; '.join(odd)}",),
                remedy="listen to them, and take out what should not be learned from",
            )
    if len(rates) > 1 and findings is not None:
        shown = ", ".join(f"{rate:,} Hz ({count:,})" for rate, count in rates.most_common(5))
        findings.add(
            "recording-rates",
            f"recordings have different rates ({shown}); all are brought to that of the model",
            level="note",
            count=sum(rates.values()),
            unit="files",
            remedy="where a rate goes with a label, a model may learn the rate",
        )
    return AudioStatistics(
        **common.fields(source),
        milliseconds=lengths.distribution(),
        rates=dict(rates.most_common()),
        channels=dict(channels.most_common()),
        formats=dict(formats.most_common()),
        noted=noted,
    )


def _read(sound: AudioField) -> int:
    hasher = hashlib.blake2b(str(sound.header.rate).encode(), digest_size=8)
    for block in sound.blocks():
        hasher.update(block.tobytes())
    return int.from_bytes(hasher.digest(), "little")
