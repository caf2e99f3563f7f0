"""Whether the hub can be reached, found out at once instead of after half a minute of retries."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from anysize.core.errors import BundleError

_PATIENCE = 3.0


@contextlib.contextmanager
def reached(spec: str) -> Iterator[None]:
    """A block that loads a folder or a hub id; without a network, from the hub's cache alone.

    Args:
        spec: the folder or hub id.

    Raises:
        BundleError: it is neither a folder nor in the cache, and the hub cannot be asked.
    """
    if Path(spec).exists():
        yield
        return
    from huggingface_hub import constants, try_to_load_from_cache

    asked_for = constants.HF_HUB_OFFLINE
    if not asked_for and answers(constants.ENDPOINT):
        yield
        return
    if not isinstance(try_to_load_from_cache(spec, "config.json"), str):
        why = "HF_HUB_OFFLINE is set" if asked_for else f"{constants.ENDPOINT} cannot be reached"
        raise BundleError(
            spec,
            f"no such folder, and as a hub id it is not in the cache of the hub, and {why}: name a "
            "local folder, or load it once with a network",
        )
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = asked_for


def answers(endpoint: str) -> bool:
    """Whether somebody listens there; through a proxy nothing can be known, so that it counts."""
    address = urllib.parse.urlsplit(endpoint)
    if urllib.request.getproxies().get(address.scheme) or address.hostname is None:
        return True
    place = address.hostname, address.port or (443 if address.scheme == "https" else 80)
    found = threading.Event()

    def connect() -> None:
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=_PATIENCE):
            found.set()

    # Looking a name up has no timeout of its own.
    asking = threading.Thread(target=connect, daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    return found.is_set()
