"""Texts: lengths in characters, and in tokens where a model is given."""

from __future__ import annotations

from anysize.core.findings import Findings
from anysize.core.protocols import Preprocess
from anysize.core.records import Source
from anysize.evaluation.statistics import DataStatistics, text_statistics

PROVIDES = ("text",)


def statistics(
    source: Source, role: str, preprocess: Preprocess | None, findings: Findings
) -> DataStatistics:
    """See the room."""
    return text_statistics(source, role=role, preprocess=preprocess)
