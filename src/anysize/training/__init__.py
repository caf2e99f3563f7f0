"""Training: from a recipe to a bundle. Importing this package loads nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize.core.lazy import attributes

if TYPE_CHECKING:
    from anysize.training.job import TrainReport
    from anysize.training.recipe import Recipe
    from anysize.training.session import make_plan, run
    from anysize.training.stopping import Stopped

__all__ = ["Recipe", "Stopped", "TrainReport", "make_plan", "run"]

__getattr__ = attributes(
    __name__,
    {
        "Recipe": "training.recipe",
        "TrainReport": "training.job",
        "Stopped": "training.stopping",
        "make_plan": "training.session",
        "run": "training.session",
    },
)
