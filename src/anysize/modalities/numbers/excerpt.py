"""Some of the numbers of a record, for reports."""

from __future__ import annotations

import numpy as np

from anysize.core.excerpts import Excerpt
from anysize.core.records import FeaturesField


def excerpt_of(field: FeaturesField, most: int = 24) -> Excerpt:
    """The first numbers, with their names where they have some."""
    shape = field.shape
    values = field.read(0, min(shape[0], most)).reshape(-1)[:most].tolist()
    names = field.names or ("",) * len(values)
    shown = ", ".join(
        f"{name} {value:.4g}".strip() for name, value in zip(names, values, strict=False)
    )
    more = ", …" if int(np.prod(shape)) > len(values) else ""
    sizes = " × ".join(f"{size:,}" for size in shape)
    return Excerpt(text=shown + more, where=f"{sizes} numbers")
