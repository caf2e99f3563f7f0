"""Feeds mutated inputs to a reader in a process of its own, and watches time and memory."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anysize
import benchmarks
from anysize.core.memory import parse_size, resident
from benchmarks.fuzz import kinds

_START_SECONDS = 120.0
_LOOK_SECONDS = 0.05
_KILL_FACTOR = 2
"""A process that holds so many times the cap is ended at once."""

Answer = Literal["read", "refused", "traceback", "crash", "hang", "over budget"]
BROKEN: tuple[Answer, ...] = ("traceback", "crash", "hang", "over budget")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one input may take.

    Attributes:
        seconds: of wall time.
        memory: peak resident memory of the process, a size.
    """

    seconds: float = 20.0
    memory: str = "1GiB"

    @property
    def bytes(self) -> int:
        return parse_size(self.memory)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one input.

    Attributes:
        number: of the input; with the kind and the seed it gives the same input again.
        answer: see ``Answer``; ``refused`` is an ``AnysizeError``.
        seconds: wall time.
        peak: resident memory of the process, bytes.
        message: the error, or where the traceback ends.
    """

    number: int
    answer: Answer
    seconds: float = 0.0
    peak: int = 0
    message: str = ""

    @property
    def broken(self) -> bool:
        return self.answer in BROKEN


def fuzz(
    kind: str,
    inputs: Iterable[int],
    seed: int,
    limits: Limits,
    folder: Path,
    *,
    keep: Path | None = None,
) -> list[Outcome]:
    """One outcome an input.

    Args:
        kind: one of ``kinds.names()``.
        inputs: their numbers.
        seed: of the mutations.
        limits: of each input.
        folder: empty; for valid and mutated inputs.
        keep: where inputs that broke a rule are copied to.
    """
    valid, mutated = folder / "valid", folder / "mutated"
    valid.mkdir()
    module = kinds.load(kind)
    module.prepare(valid)
    found = []
    reader = _Reader(kind, limits)
    try:
        for number in inputs:
            shutil.rmtree(mutated, ignore_errors=True)
            mutated.mkdir()
            path = module.mutated(valid, kinds.random_of(kind, seed, number), mutated)
            outcome = reader.read(number, path)
            found.append(outcome)
            if outcome.broken and keep is not None:
                shutil.copytree(mutated, keep / f"{kind}-{seed}-{number}", dirs_exist_ok=True)
    finally:
        reader.close()
    return found


class _Reader:
    """A process that reads, begun anew after a hang, a crash or too much memory."""

    def __init__(self, kind: str, limits: Limits) -> None:
        self._kind = kind
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, number: int, path: Path) -> Outcome:
        process = self._process or self._begun()
        assert process.stdin is not None
        begun = time.monotonic()
        process.stdin.write(os.fsencode(path) + b"\n")
        process.stdin.flush()
        line, peak = self._answer(process, self._limits.seconds)
        seconds = time.monotonic() - begun
        if line:
            told = json.loads(line)
            peak = max(peak, told["peak"])
            answer, message = told["answer"], told["message"]
        elif process.poll() is None and peak <= _KILL_FACTOR * self._limits.bytes:
            answer, message = "hang", f"no answer after {seconds:.0f} s"
        elif process.poll() is None:
            answer, message = "over budget", "ended while it held twice the cap"
        else:
            answer, message = "crash", f"the process ended with {process.returncode}"
        if answer not in BROKEN and peak > self._limits.bytes:
            answer = "over budget"
        if not line or answer == "over budget":
            self.close()
        return Outcome(number=number, answer=answer, seconds=seconds, peak=peak, message=message)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()

    def _begun(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.fuzz.worker", self._kind]
        # The same package as here, whatever is installed.
        roots = [str(Path(module.__file__).parents[1]) for module in (benchmarks, anysize)]
        path = os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            bufsize=0,
        )
        self._process = process
        if not self._answer(process, _START_SECONDS)[0]:
            raise RuntimeError(f"{' '.join(command)} does not start: {process.poll()}")
        return process

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, int]:
        """A line, empty where none comes, and the most memory that was seen meanwhile."""
        assert process.stdout is not None
        line, peak = b"", 0
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if selector.select(min(_LOOK_SECONDS, max(end - time.monotonic(), 0.0))):
                    part = os.read(process.stdout.fileno(), 1 << 16)
                    if not part:
                        process.wait()
                        return b"", peak
                    line += part
                    continue
                peak = max(peak, resident(process.pid))
                if time.monotonic() > end or peak > _KILL_FACTOR * self._limits.bytes:
                    return b"", peak
        return line, peak
