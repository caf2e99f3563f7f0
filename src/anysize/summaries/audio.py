"""Recordings: lengths, rates, channels and formats."""

from __future__ import annotations

from anysize.core.findings import Findings
from anysize.core.protocols import Preprocess
from anysize.core.records import Source
from anysize.evaluation.audio_statistics import audio_statistics
from anysize.evaluation.statistics import DataStatistics

PROVIDES = ("audio",)


def statistics(
    source: Source, role: str, preprocess: Preprocess | None, findings: Findings
) -> DataStatistics:
    """See the room."""
    return audio_statistics(source, role=role, findings=findings)
