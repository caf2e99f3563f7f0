"""Which model specs are Keras files; apart, so that asking loads nothing."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".keras", ".h5", ".hdf5")


def is_keras(spec: str | Path) -> bool:
    """Whether a model spec names a Keras file."""
    return Path(spec).suffix.lower() in SUFFIXES
