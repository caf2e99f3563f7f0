"""Sources: finite, indexable records on disk, opened without reading them.

``open_source`` and ``open_splits`` take a path in any of the layouts; a module of this room says
in ``PROVIDES`` which file suffixes it opens (``csv``, ``parquet``, …) and has a function
``open_path(path, request) -> Source``. Importing this package loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize.core.lazy import attributes

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

__getattr__ = attributes(
    __name__,
    {
        "ColumnSpec": "sources.columns",
        "Source": "core.records",
        "Splits": "sources.splits",
        "Subset": "sources.subset",
        "open_source": "sources.opening",
        "open_splits": "sources.splits",
        "target_counts": "sources.labels.targets",
    },
)
