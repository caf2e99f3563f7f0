"""What is counted over a dataset: sizes, duplicates, unreadable records; a modality a file.

A plug-in module has ``PROVIDES`` (keys of modalities) and
``statistics(source, role, preprocess, findings) -> DataStatistics``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from anysize.core import plugins
from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from anysize.core.findings import Findings
    from anysize.core.protocols import Preprocess
    from anysize.core.records import Source
    from anysize.evaluation.statistics import DataStatistics


def statistics(
    kind: str, source: Source, *, role: str, preprocess: Preprocess | None, findings: Findings
) -> DataStatistics:
    """Counts over a dataset.

    Args:
        kind: modality of the field that is counted.
        source: the data.
        role: the field.
        preprocess: of a model, to count in its units; None without a model.
        findings: takes what is noticed.

    Raises:
        ConfigurationError: the modality has no statistics.
    """
    known = plugins.keys("summaries")
    if kind not in known:
        raise ConfigurationError(f"there are no statistics of {kind}, only of {', '.join(known)}")
    found = plugins.load("summaries", kind).statistics(source, role, preprocess, findings)
    return cast("DataStatistics", found)
