"""Names of temporary files and folders that say whose they are, so that leftovers can be removed.

A process that is killed cannot clean up. So the name of everything temporary carries the machine,
the process and when that process started; whoever writes into the same folder later removes what
belongs to processes that are gone.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import shutil
import threading
from pathlib import Path

_NAME = re.compile(r"\.?anysize-[a-z0-9]+-([0-9a-f]{8})-(\d+)-(\d+)-\d+")
_count = itertools.count()
_cleaned: set[Path] = set()
_lock = threading.Lock()


def own_name(kind: str, *, hidden: bool = True) -> str:
    """A new name for something temporary of this process.

    Args:
        kind: what it is, in lower-case letters and digits.
        hidden: whether it begins with a dot.
    """
    process = f"{os.getpid()}-{start_of(os.getpid()) or 0}"
    return f"{'.' if hidden else ''}anysize-{kind}-{_machine()}-{process}-{next(_count)}"


def is_own_name(path: str | bytes | int) -> bool:
    """Whether a path leads through something temporary of this program."""
    return isinstance(path, str) and any(_NAME.fullmatch(part) for part in Path(path).parts)


def remove_leftovers(folder: Path) -> None:
    """Removes what processes that are gone have left in a folder; once a process and folder."""
    with _lock:
        if folder in _cleaned:
            return
        _cleaned.add(folder)
    found: list[os.DirEntry[str]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [entry for entry in entries if _left_behind(entry.name)]
    for entry in found:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink()


def start_of(process: int) -> int | None:
    """When a process of this machine started, in clock ticks; None where it is gone.

    A number of a process is used again later; with its start it is unique.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self").is_dir() else _without_proc(process)
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _without_proc(process: int) -> int | None:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return 0


def _left_behind(name: str) -> bool:
    found = _NAME.fullmatch(name)
    if found is None or found[1] != _machine():
        return False
    return start_of(int(found[2])) != int(found[3])


@functools.cache
def _machine() -> str:
    """Where numbers of processes mean the same: a machine, or a container on it."""
    import hashlib  # this and the next are slow to load, and seldom needed
    import socket

    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.blake2b(f"{socket.gethostname()} {space}".encode(), digest_size=4).hexdigest()
