"""Training: from a recipe to a bundle. Importing this package loads nothing heavy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysize.train.job import TrainReport
    from anysize.train.recipe import Recipe
    from anysize.train.session import make_plan, run
    from anysize.train.stopping import Stopped

__all__ = ["Recipe", "Stopped", "TrainReport", "make_plan", "run"]

_HOMES = {
    "Recipe": "anysize.train.recipe",
    "TrainReport": "anysize.train.job",
    "Stopped": "anysize.train.stopping",
    "make_plan": "anysize.train.session",
    "run": "anysize.train.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
