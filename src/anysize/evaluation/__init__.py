"""How good a model is, how sure of that we are, and what its data look like.

Importing this package loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysize.evaluation.evaluation import Evaluation, EvaluationOptions, evaluate
    from anysize.evaluation.intervals import PairedCounts, paired_difference, wilson
    from anysize.evaluation.metrics import ClassificationMetrics
    from anysize.evaluation.rendering import render
    from anysize.evaluation.report import render_report, write_report
    from anysize.evaluation.statistics import (
        ImageStatistics,
        TextStatistics,
        image_statistics,
        text_statistics,
    )

__all__ = [
    "ClassificationMetrics",
    "Evaluation",
    "EvaluationOptions",
    "ImageStatistics",
    "PairedCounts",
    "TextStatistics",
    "evaluate",
    "image_statistics",
    "paired_difference",
    "render",
    "render_report",
    "text_statistics",
    "wilson",
    "write_report",
]

_HOMES = {
    "ClassificationMetrics": "metrics",
    "Evaluation": "evaluation",
    "EvaluationOptions": "evaluation",
    "ImageStatistics": "statistics",
    "PairedCounts": "intervals",
    "TextStatistics": "statistics",
    "evaluate": "evaluation",
    "image_statistics": "statistics",
    "paired_difference": "intervals",
    "render": "rendering",
    "render_report": "report",
    "text_statistics": "statistics",
    "wilson": "intervals",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"anysize.evaluation.{_HOMES[name]}"), name)
