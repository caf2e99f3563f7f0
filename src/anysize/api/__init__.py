"""The verbs as functions and methods, with the same names and defaults as the command line."""

from __future__ import annotations

from anysize.api.compression import compress_report
from anysize.api.model import Model, load
from anysize.api.training import plan, train, train_report
from anysize.api.verbs import (
    augment,
    boxes_sheet,
    card,
    compress,
    evaluate,
    inspect,
    is_model,
    statistics,
)
from anysize.planning.options import PredictOptions

__all__ = [
    "Model",
    "PredictOptions",
    "augment",
    "boxes_sheet",
    "card",
    "compress",
    "compress_report",
    "evaluate",
    "inspect",
    "is_model",
    "load",
    "plan",
    "statistics",
    "train",
    "train_report",
]
