"""How good a model is, how sure of that we are, and what its data look like.

Importing this package loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysize.evaluate.evaluation import Evaluation, EvaluationOptions, evaluate
    from anysize.evaluate.intervals import PairedCounts, paired_difference, wilson
    from anysize.evaluate.metrics import ClassificationMetrics
    from anysize.evaluate.rendering import render
    from anysize.evaluate.report import render_report, write_report
    from anysize.evaluate.statistics import (
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
    return getattr(importlib.import_module(f"anysize.evaluate.{_HOMES[name]}"), name)
