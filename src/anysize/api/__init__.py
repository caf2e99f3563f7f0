"""The verbs as functions and methods, with the same names and defaults as the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize.core.lazy import attributes

if TYPE_CHECKING:
    from anysize.api.compression import compress_report
    from anysize.api.loading import load
    from anysize.api.model import Model
    from anysize.api.sheets import augment, boxes_sheet
    from anysize.api.training import plan, train, train_report
    from anysize.api.verbs import card, compress, evaluate, inspect, is_model, statistics
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

__getattr__ = attributes(
    __name__,
    {
        "Model": "api.model",
        "PredictOptions": "planning.options",
        "augment": "api.sheets",
        "boxes_sheet": "api.sheets",
        "card": "api.verbs",
        "compress": "api.verbs",
        "compress_report": "api.compression",
        "evaluate": "api.verbs",
        "inspect": "api.verbs",
        "is_model": "api.verbs",
        "load": "api.loading",
        "plan": "api.training",
        "statistics": "api.verbs",
        "train": "api.training",
        "train_report": "api.training",
    },
)
