"""One writer at a time, across processes; a lock goes with the process that holds it.

A lock is an ``flock`` on a file that also says who holds it. The system frees it when the process
ends, however it ends, so a lock that is left behind stops nobody.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from anysize.core.errors import ConfigurationError

FILE = ".lock"
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@contextlib.contextmanager
def only_writer(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a folder, which is made where it is not there.

    Args:
        folder: whose lock. One that was made here and is still empty in the end is removed.
        wait: wait for another writer to end, instead of refusing.

    Raises:
        ConfigurationError: another process writes there.
        OSError: the folder cannot be made or written into.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _held(folder / FILE, str(folder), wait=wait):
            yield
    finally:
        with contextlib.suppress(OSError):
            for each in made:
                each.rmdir()


@contextlib.contextmanager
def only_writer_of(path: Path) -> Iterator[None]:
    """Holds the lock of a file or folder that appears in the end: a file beside it.

    Raises:
        ConfigurationError: another process makes the same.
        OSError: nothing can be written beside it.
    """
    place = path.absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    with _held(place.parent / f".{place.name[:200]}{FILE}", str(path), wait=False):
        yield


@contextlib.contextmanager
def _held(lock: Path, subject: str, *, wait: bool) -> Iterator[None]:
    descriptor = _taken(lock, subject, wait=wait)
    try:
        yield
    finally:
        # While it is held: whoever waits for this file sees that it is gone, and makes another.
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _taken(lock: Path, subject: str, *, wait: bool) -> int:
    import fcntl

    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise ConfigurationError(
                f"{subject} is being written by {holder}: wait until it has ended, or choose "
                "another --out"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # some network file systems have none
                os.close(descriptor)
                raise
        if _is_still(lock, descriptor):
            _sign(descriptor)
            return descriptor
        os.close(descriptor)


def _is_still(lock: Path, descriptor: int) -> bool:
    """Whether the file that is locked is the one of that name: its last holder removes it."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _sign(descriptor: int) -> None:
    entries = {
        "process": os.getpid(),
        "machine": _machine(),
        "since": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
    }
    with contextlib.suppress(OSError):  # a full disk: the lock is held all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(entries).encode(), 0)


def _machine() -> str:
    import socket  # slow to load, and this module is needed before anything is locked

    return socket.gethostname()


def _holder(descriptor: int) -> str:
    try:
        entries = json.loads(os.pread(descriptor, 4096, 0))
        machine = entries["machine"]
        where = "" if machine == _machine() else f" on {machine}"
        return f"process {entries['process']}{where} (since {entries['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
