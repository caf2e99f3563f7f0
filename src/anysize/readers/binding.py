"""The binding of libvips, set up for reading in bounded memory."""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from anysize.core.errors import MissingExtraError


@cache
def vips() -> Any:
    """The binding, set to keep nothing and to start no threads of its own.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault("VIPS_CONCURRENCY", "1")
    try:
        import pyvips
    except (ImportError, OSError):
        raise MissingExtraError("pyvips", "vision") from None
    pyvips.cache_set_max(0)
    log = logging.getLogger("pyvips")
    # Warnings are looked at here, not shown.
    log.setLevel(logging.WARNING)
    log.addHandler(_Heard())
    log.propagate = False
    return pyvips


_listening = threading.local()


class _Heard(logging.Handler):
    """Keeps what libvips says to the thread that listens."""

    def emit(self, record: logging.LogRecord) -> None:
        kept: list[str] | None = getattr(_listening, "kept", None)
        if kept is not None:
            kept.append(record.getMessage())
        elif record.levelno >= logging.ERROR:
            logging.getLogger("anysize").error("%s", record.getMessage())


@contextmanager
def heard() -> Iterator[list[str]]:
    """What libvips warns of meanwhile, in this thread."""
    messages: list[str] = []
    _listening.kept = messages
    try:
        yield messages
    finally:
        _listening.kept = None


@cache
def dropping() -> Callable[[Any], None]:
    """Makes a picture's pipeline drop what it keeps: ``vips_image_minimise_all``.

    The binding does not offer this function of the library, so it is looked up in the library;
    where that fails, more memory is used and nothing else changes.
    """
    binding = vips()
    try:
        name = importlib.import_module("_libvips").__file__ if binding.API_mode else None
        function = ctypes.CDLL(name).vips_image_minimise_all
    except (ImportError, OSError, AttributeError):
        return lambda image: None
    function.argtypes = [ctypes.c_void_p]
    function.restype = None

    def drop(image: Any) -> None:
        function(int(binding.ffi.cast("uintptr_t", image.pointer)))

    return drop
