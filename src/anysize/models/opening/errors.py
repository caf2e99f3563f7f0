"""What a library raises about a damaged folder, as one sentence that names the folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from anysize.core.errors import AnysizeError, BundleError


@contextlib.contextmanager
def loading(spec: str) -> Iterator[None]:
    """Turns any error of the libraries below into a `BundleError`.

    Configurations, tokenizers and weights are read by transformers, tokenizers, safetensors and
    huggingface_hub, each with errors of its own; whatever a damaged file makes them raise, it is
    the folder that cannot be used.

    Args:
        spec: the folder or hub id.
    """
    try:
        yield
    except (AnysizeError, MemoryError):
        raise
    except Exception as error:
        where = "" if Path(spec).exists() else "no such folder, and as a hub id it "
        raise BundleError(spec, f"{where}cannot be loaded as a model: {sentence(error)}") from error


def sentence(error: BaseException) -> str:
    """What an error says, on one line, with its kind where that is needed to make sense of it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # The message about a missing package has the command that installs it below.
    several = isinstance(error, ImportError) or lines[0].endswith(":")
    text = " ".join(lines[: 2 if several else 1])
    plain = isinstance(error, OSError | ValueError | ImportError | RuntimeError)
    return text if plain else f"{text} ({type(error).__name__})"
