"""Memory and processors as the operating system counts them; sizes as people write them."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from pathlib import Path
from typing import Any

from anysize.core.errors import ConfigurationError

_UNITS = {
    "": 1, "b": 1,
    "k": 2**10, "kib": 2**10, "kb": 10**3,
    "m": 2**20, "mib": 2**20, "mb": 10**6,
    "g": 2**30, "gib": 2**30, "gb": 10**9,
    "t": 2**40, "tib": 2**40, "tb": 10**12,
}  # fmt: skip


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_size(text: str | int, parameter: str = "memory") -> int:
    """Bytes of a size such as ``2GiB``, ``512M`` or ``1.5gb``.

    Binary prefixes (KiB, MiB, GiB) and bare letters count in powers of 1024, kB/MB/GB in
    powers of 1000.

    Raises:
        ConfigurationError: not a size, or not above zero.
    """
    if isinstance(text, int):
        value = text
    else:
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", text)
        if match is None or match[2].lower() not in _UNITS:
            raise ConfigurationError(
                f"{parameter} must be a size such as 2GiB or 512MiB, not {text!r}"
            )
        value = int(float(match[1]) * _UNITS[match[2].lower()])
    if value <= 0:
        raise ConfigurationError(f"{parameter} must be above zero, not {text!r}")
    return value


def format_size(size: float) -> str:
    """``1.50 GiB`` and the like."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    for unit in ("GiB", "TiB"):
        if abs(value) < 1024:
            return f"{value:.2f} {unit}"
        value /= 1024
    return f"{value:.2f} PiB"


def available() -> int:
    """Bytes that a new process could use now without swapping.

    The smaller of the kernel's ``MemAvailable`` and what the control group still allows.
    """
    free = _meminfo("MemAvailable")
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes",
         "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):  # fmt: skip
        try:
            allowed = int(Path(limit).read_text())
            free = min(free, max(allowed - int(Path(used).read_text()), 0))
        except (OSError, ValueError):
            continue
    return free


def default_budget() -> int:
    """70 % of what the machine has free."""
    return int(available() * 0.7)


def resident(pid: int | None = None) -> int:
    """Resident bytes of a process now (this one by default)."""
    return _resident(pid or os.getpid()) or (_maxrss() if pid is None else 0)


def descendants(pid: int | None = None) -> list[int]:
    """Process ids of the children of a process (this one by default), and of theirs."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name, in brackets, may hold spaces and brackets.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found: list[int] = []
    waiting = [pid or os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def tree_resident(pid: int | None = None) -> int:
    """Resident bytes of a process and all its descendants now; shared pages count each time."""
    root = pid or os.getpid()
    return sum(_resident(each) for each in (root, *descendants(root)))


def peak() -> int:
    """The largest resident size of this process so far, or since ``reset_peak``."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _maxrss()


def reset_peak() -> bool:
    """Starts a new peak measurement (Linux); False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def trim() -> None:
    """Gives freed heap pages back to the system (glibc)."""
    with contextlib.suppress(OSError, AttributeError):
        _libc().malloc_trim(0)


_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1


def bound_heap() -> None:
    """Two arenas of glibc's heap instead of eight for each core: threads share their holes.

    No measurable cost in time. Blocks are left on the heap: see `tighten_heap`.
    """
    _mallopt({_M_ARENA_MAX: 2})


def bound_kernels(count: int = 64, *, held: int = 128) -> None:
    """Lets oneDNN keep ``count`` compiled kernels, and torch ``held``, instead of 1024 each.

    For texts: each batch has shapes of its own, so most kernels are never used again, but each
    stays, a quarter of a MiB (150 products of bfloat16 of other lengths: 80 MiB, 56 where oneDNN
    keeps 64, 22 where torch keeps 16 besides). What torch keeps, by ``LRU_CACHE_CAPACITY``, holds
    on to kernels that oneDNN has forgotten. Compiling one again takes 0.4 ms, so the kernels of a
    batch, which all layers share, must fit into the larger of the two: up to seventy in prediction
    and in reading prompts, more in training. Pictures come in one size and need every kernel in
    every batch: leave them alone. Must be called before the first kernel runs; values that the user
    has set stay.
    """
    for name, most in (("ONEDNN_PRIMITIVE_CACHE_CAPACITY", count), ("LRU_CACHE_CAPACITY", held)):
        os.environ.setdefault(name, str(most))


def tighten_heap() -> None:
    """Maps blocks of 1 MiB and more for themselves, so that freeing them gives them back at once.

    Spares what glibc's heap holds between blocks: 220 MiB of 1.3 GiB in training a MiniLM on
    2,048 tokens at a time. Costs a page fault for each page of each large block, there a third
    more processor time, so it is the last resort.
    """
    _mallopt({_M_ARENA_MAX: 2, _M_MMAP_THRESHOLD: 1 << 20, _M_TRIM_THRESHOLD: 8 << 20})
    trim()


def _mallopt(settings: dict[int, int]) -> None:
    with contextlib.suppress(OSError, AttributeError):
        libc = _libc()
        for name, value in settings.items():
            libc.mallopt(name, value)


def _libc() -> Any:
    import ctypes  # slow to load, and this module is needed to read a size

    return ctypes.CDLL("libc.so.6")


def _resident(pid: int) -> int:
    """0 where the process is gone or the system has no ``/proc``."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _maxrss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _meminfo(key: str) -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return int(os.sysconf("SC_PAGE_SIZE")) * int(os.sysconf("SC_PHYS_PAGES"))
