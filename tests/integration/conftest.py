"""What the tests of whole commands share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
PATIENCE = 600.0
"""Seconds after which a process is held to have stopped working, on however busy a machine."""


class Started:
    """A program that runs in a process of its own.

    Attributes:
        pid: the process.
        arguments: what it was called with.
    """

    def __init__(
        self, ask: Callable[[dict[str, Any]], Any], order: dict[str, Any], folder: Path
    ) -> None:
        self.arguments: list[str] = order["arguments"]
        self.pid: int = ask({"start": order})
        self._ask = ask
        self._folder = folder
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, the number of a signal negative; None while it runs."""
        if self._code is None:
            self._code = self._ask({"ended": self.pid})
        return self._code

    def wait(self) -> subprocess.CompletedProcess[str]:
        """What it has done, once it has ended."""
        end = time.monotonic() + PATIENCE
        pause = 0.001
        while self.poll() is None:
            if time.monotonic() > end:
                self.send(9)
                raise TimeoutError(f"{self.arguments} has not ended in {PATIENCE:.0f} s")
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        assert self._code is not None
        out, error = ((self._folder / name).read_text("utf-8") for name in ("out", "error"))
        return subprocess.CompletedProcess(self.arguments, self._code, out, error)

    def send(self, signal: int) -> None:
        """Sends it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, signal)


@pytest.fixture(scope="session")
def start(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Started]]:
    """Starts ``anysize`` with arguments, or a script, in a process of its own.

    See ``command_server``; the process is a fork of one that has imported torch.
    """
    source = str(repository / "src")
    server = subprocess.Popen(
        [sys.executable, str(HERE / "command_server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # OpenBLAS starts its threads when it is imported.
        env={**os.environ, "PYTHONPATH": source, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert server.stdin is not None and server.stdout is not None
    requests, replies = server.stdin, server.stdout
    place = tmp_path_factory.mktemp("streams")

    def ask(request: dict[str, Any]) -> Any:
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        return json.loads(replies.readline())

    def start(
        *arguments: str | Path, stdin: str = "", folder: Path | None = None, **environment: str
    ) -> Started:
        streams = Path(tempfile.mkdtemp(dir=place))
        for name, text in (("in", stdin), ("out", ""), ("error", "")):
            (streams / name).write_text(text, encoding="utf-8")
        order = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder or Path.cwd()),
            "environment": {**os.environ, "PYTHONPATH": source, **environment},
            "streams": [str(streams / name) for name in ("in", "out", "error")],
        }
        return Started(ask, order, streams)

    with server:
        yield start


@pytest.fixture(scope="session")
def run(start: Callable[..., Started]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``anysize`` with arguments, or a script, to its end; see ``start``."""

    def run(*arguments: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
        return start(*arguments, **settings).wait()

    return run


@pytest.fixture(scope="session")
def train(start: Callable[..., Started]) -> Callable[..., Started]:
    """Starts the training of a recipe; see ``train_program``."""

    def train(recipe: dict[str, Any], *, resume: bool = False) -> Started:
        program = HERE / "train_program.py"
        return start(program, json.dumps(recipe), "resume" if resume else "start")

    return train
