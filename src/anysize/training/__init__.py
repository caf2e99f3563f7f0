"""Training: from a recipe to a bundle. Importing this package loads nothing heavy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysize.training.job import TrainReport
    from anysize.training.recipe import Recipe
    from anysize.training.session import make_plan, run
    from anysize.training.stopping import Stopped

__all__ = ["Recipe", "Stopped", "TrainReport", "make_plan", "run"]

_HOMES = {
    "Recipe": "anysize.training.recipe",
    "TrainReport": "anysize.training.job",
    "Stopped": "anysize.training.stopping",
    "make_plan": "anysize.training.session",
    "run": "anysize.training.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
