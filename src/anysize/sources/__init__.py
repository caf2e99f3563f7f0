"""Sources: finite, indexable records on disk, opened without reading them.

``open_source`` and ``open_splits`` take a path in any of the layouts; a module of this room says
in ``PROVIDES`` which file suffixes it opens (``csv``, ``parquet``, …) and has a function
``open_path(path, request) -> Source``. Importing this package loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysize.core.records import Source
    from anysize.sources.columns import ColumnSpec
    from anysize.sources.labels.targets import target_counts
    from anysize.sources.opening import open_source
    from anysize.sources.splits import Splits, open_splits
    from anysize.sources.subset import Subset

__all__ = [
    "ColumnSpec",
    "Source",
    "Splits",
    "Subset",
    "open_source",
    "open_splits",
    "target_counts",
]

_HOMES = {
    "ColumnSpec": "anysize.sources.columns",
    "Source": "anysize.core.records",
    "Splits": "anysize.sources.splits",
    "Subset": "anysize.sources.subset",
    "open_source": "anysize.sources.opening",
    "open_splits": "anysize.sources.splits",
    "target_counts": "anysize.sources.labels.targets",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
