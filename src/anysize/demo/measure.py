"""Running a command and measuring it from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.errors import RunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A finished command.

    Attributes:
        document: the JSON document that it printed.
        seconds: wall time.
        peak: the largest resident size of the process and its workers together, in bytes.
        samples: ``(seconds since the start, resident bytes)``, in order.
    """

    document: dict[str, Any]
    seconds: float
    peak: int
    samples: tuple[tuple[float, int], ...] = ()


def run(arguments: Sequence[str]) -> Measured:
    """Runs ``anysize ARGUMENTS --json`` as a process of its own.

    Raises:
        RunError: it failed; the message holds the end of what it said.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "anysize", *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    sampler = Sampler(process.pid)
    sampler.start()
    output, said = process.communicate()
    sampler.stop()
    if process.returncode != 0:
        raise RunError(f"anysize {' '.join(arguments)} failed:\n{said[-2000:]}")
    return Measured(
        document=json.loads(output),
        seconds=time.monotonic() - start,
        peak=max((resident for _, resident in sampler.samples), default=0),
        samples=tuple(sampler.samples),
    )


class Sampler(threading.Thread):
    """Adds up the resident memory of a process and all below it, twenty times a second.

    Pages that several processes share are divided among them (the kernel's proportional set
    size), so that a library is counted once and a process that has just forked not twice.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.samples: list[tuple[float, int]] = []

    def run(self) -> None:
        start = time.monotonic()
        while not self._over.wait(0.05):
            resident = sum(_resident(pid) for pid in _tree(self._pid))
            self.samples.append((time.monotonic() - start, resident))

    def stop(self) -> None:
        self._over.set()
        self.join()


def _tree(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        for task in _read(Path(f"/proc/{parent}/task"), names=True):
            text = _read(Path(f"/proc/{parent}/task/{task}/children"))
            pids += [int(child) for child in text]
    return pids


def _read(path: Path, *, names: bool = False) -> list[str]:
    try:
        return [item.name for item in path.iterdir()] if names else path.read_text().split()
    except OSError:  # the process has just ended
        return []


def _resident(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # the process has just ended
        pass
    return 0
