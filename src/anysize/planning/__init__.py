"""Planning inside a memory budget: probe the work, fit its memory, choose, and say why.

Importing this package loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize.core.lazy import attributes

if TYPE_CHECKING:
    from anysize.planning.guard import MemoryGuard
    from anysize.planning.prediction import PredictionPlan, plan_prediction

__all__ = ["MemoryGuard", "PredictionPlan", "plan_prediction"]

__getattr__ = attributes(
    __name__,
    {
        "MemoryGuard": "planning.guard",
        "PredictionPlan": "planning.prediction",
        "plan_prediction": "planning.prediction",
    },
)
