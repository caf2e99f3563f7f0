"""Reading a Keras file with Keras: the architecture in safe mode, then the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError
from anysize.core.files import scratch
from anysize.models.keras.container import KerasFile
from anysize.models.keras.library import first_line, from_json, library


def load(file: KerasFile) -> Any:
    """The Keras model of a file that was examined.

    Raises:
        BundleError: Keras cannot read it, or weights and architecture do not belong together.
        MissingExtraError: Keras is not installed.
    """
    keras = library()
    path = str(file.path)
    try:
        if file.kind == "zip" or file.kind == "h5":
            with _named(file.path, ".keras" if file.kind == "zip" else ".h5") as name:
                return keras.saving.load_model(name, compile=False, safe_mode=not file.allow_lambda)
        model = from_json(file.entries, path)
        _build(model)
        with _named(file.path, ".weights.h5" if file.kind == "weights" else ".h5") as name:
            model.load_weights(name)
        return model
    except BundleError:
        raise
    except (
        ValueError, TypeError, KeyError, OSError, RuntimeError, ImportError, AttributeError,
        IndexError, AssertionError,
    ) as error:  # fmt: skip
        raise BundleError(path, f"Keras cannot read it: {first_line(error)}") from error


def _build(model: Any) -> None:
    if not model.built:
        raise BundleError("the model", "does not say the shape of its input")


@contextlib.contextmanager
def _named(path: Path, suffix: str) -> Iterator[str]:
    """The file under a name that ends as Keras wants it."""
    other = suffix == ".h5" and path.name.endswith(".weights.h5")
    if path.name.endswith(suffix) and not other:
        yield str(path)
        return
    with scratch(None, "keras") as folder:
        link = folder / f"model{suffix}"
        link.symlink_to(path.absolute())
        yield str(link)
