"""How good a model is, how sure of that we are, and what its data look like.

Importing this package loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize.core.lazy import attributes

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

__getattr__ = attributes(
    __name__,
    {
        "ClassificationMetrics": "evaluation.metrics",
        "Evaluation": "evaluation.evaluation",
        "EvaluationOptions": "evaluation.evaluation",
        "ImageStatistics": "evaluation.statistics",
        "PairedCounts": "evaluation.intervals",
        "TextStatistics": "evaluation.statistics",
        "evaluate": "evaluation.evaluation",
        "image_statistics": "evaluation.statistics",
        "paired_difference": "evaluation.intervals",
        "render": "evaluation.rendering",
        "render_report": "evaluation.report",
        "text_statistics": "evaluation.statistics",
        "wilson": "evaluation.intervals",
        "write_report": "evaluation.report",
    },
)
