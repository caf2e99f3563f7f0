"""Keeping transformers, and what it imports, quiet about what is meant to happen."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

# torchao names every kernel for graphics cards that it cannot load, and torch what torchao does.
_CHATTY = ("torchao", "torch.utils._pytree")


def quiet_imports() -> None:
    """Silences warnings of packages that transformers imports where they happen to be installed.

    Errors are still shown, and a level that the program has set itself stays.
    """
    for name in _CHATTY:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences transformers while it announces new heads and draws progress bars."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
