"""What the tests of whole commands share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def run(repository: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs ``anysize`` with arguments, in a process of its own; see ``command_server``."""
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

    def run(
        *arguments: str | Path, stdin: str = "", folder: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as temporary:
            streams = [Path(temporary) / name for name in ("in", "out", "error")]
            for path, text in zip(streams, (stdin, "", ""), strict=True):
                path.write_text(text, encoding="utf-8")
            order: dict[str, Any] = {
                "arguments": [str(argument) for argument in arguments],
                "folder": str(folder or Path.cwd()),
                "environment": {**os.environ, "PYTHONPATH": source, **environment},
                "streams": [str(path) for path in streams],
            }
            requests.write(json.dumps(order) + "\n")
            requests.flush()
            code = int(replies.readline())
            out, error = (path.read_text(encoding="utf-8") for path in streams[1:])
        return subprocess.CompletedProcess(order["arguments"], code, out, error)

    with server:
        yield run
