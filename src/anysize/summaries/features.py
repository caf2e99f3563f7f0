"""Numbers: widths and steps."""

from __future__ import annotations

from anysize.core.findings import Findings
from anysize.core.protocols import Preprocess
from anysize.core.records import Source
from anysize.evaluation.feature_statistics import feature_statistics
from anysize.evaluation.statistics import DataStatistics

PROVIDES = ("features",)


def statistics(
    source: Source, role: str, preprocess: Preprocess | None, findings: Findings
) -> DataStatistics:
    """See the room."""
    return feature_statistics(source, role=role)
