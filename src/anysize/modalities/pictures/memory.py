"""Pictures in memory: bytes of a file, arrays of pixels, pictures of Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anysize.core.errors import ConfigurationError
from anysize.readers.image import Image


def picture(item: Any, origin: str) -> Image:
    """One thing in memory as a picture; see ``Modality.memory``."""
    if isinstance(item, Mapping) and {"bytes", "path"} <= set(item):  # as ``datasets`` has it
        item = item["bytes"] if item["bytes"] is not None else Path(item["path"])
    if isinstance(item, bytes):
        return Image(item, origin=origin)
    if isinstance(item, str | Path):
        return Image(Path(item))
    if hasattr(item, "convert") and hasattr(item, "getbands"):  # PIL
        alpha = "A" in item.getbands() or "transparency" in getattr(item, "info", {})
        item = np.asarray(item.convert("RGBA" if alpha else "RGB"))
    if not hasattr(item, "dtype"):
        raise ConfigurationError(
            f"{origin} is a {type(item).__name__}, and must be a picture: an array of pixels, a "
            "PIL picture, the bytes of a file or its path"
        )
    return Image.from_pixels(item, origin=origin)
