"""Pictures: sizes in pixels."""

from __future__ import annotations

from anysize.core.findings import Findings
from anysize.core.protocols import Preprocess
from anysize.core.records import Source
from anysize.evaluation.statistics import DataStatistics, image_statistics

PROVIDES = ("image",)


def statistics(
    source: Source, role: str, preprocess: Preprocess | None, findings: Findings
) -> DataStatistics:
    """See the room."""
    return image_statistics(source, role=role, findings=findings)
