"""anysize: train and run deep-learning models on inputs of any size, inside a memory budget.

>>> from pathlib import Path
>>> import anysize
>>> model = anysize.load("runs/reviews")
>>> for result in model.predict(Path("a_whole_book.txt")):
...     print(result.label in model.labels, result.receipt.covered)
True 1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysize.api import (
        Model,
        PredictOptions,
        augment,
        compress,
        evaluate,
        inspect,
        load,
        plan,
        train,
    )
    from anysize.augmentation import Augmentation
    from anysize.core.errors import (
        AnysizeError,
        BudgetError,
        BundleError,
        ConfigurationError,
        DataError,
        MissingExtraError,
        RunError,
        UsageError,
    )
    from anysize.core.receipts import Receipt
    from anysize.core.results import ErrorResult, PartialResult, Result, SettledResult
    from anysize.training.recipe import Recipe

__version__ = "0.1.0"

_HOMES = {
    "anysize.api": (
        "Model",
        "PredictOptions",
        "augment",
        "compress",
        "evaluate",
        "inspect",
        "load",
        "plan",
        "train",
    ),
    "anysize.augmentation": ("Augmentation",),
    "anysize.core.errors": (
        "AnysizeError",
        "BudgetError",
        "BundleError",
        "ConfigurationError",
        "DataError",
        "MissingExtraError",
        "RunError",
        "UsageError",
    ),
    "anysize.core.receipts": ("Receipt",),
    "anysize.core.results": ("ErrorResult", "PartialResult", "Result", "SettledResult"),
    "anysize.training.recipe": ("Recipe",),
}

__all__ = [
    "AnysizeError",
    "Augmentation",
    "BudgetError",
    "BundleError",
    "ConfigurationError",
    "DataError",
    "ErrorResult",
    "MissingExtraError",
    "Model",
    "PartialResult",
    "PredictOptions",
    "Receipt",
    "Recipe",
    "Result",
    "RunError",
    "SettledResult",
    "UsageError",
    "__version__",
    "augment",
    "compress",
    "evaluate",
    "inspect",
    "load",
    "plan",
    "train",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    import importlib

    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'anysize' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
