"""Planning inside a memory budget: probe the work, fit its memory, choose, and say why.

Importing this package loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysize.planning.guard import MemoryGuard
    from anysize.planning.prediction import PredictionPlan, plan_prediction

__all__ = ["MemoryGuard", "PredictionPlan", "plan_prediction"]

_HOMES = {
    "MemoryGuard": "anysize.planning.guard",
    "PredictionPlan": "anysize.planning.prediction",
    "plan_prediction": "anysize.planning.prediction",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
