"""Runs programs, each in a fork of this process, which has imported torch and transformers.

A process that starts from nothing spends six seconds of processor time on those imports, many
times what the commands under test do. A fork has everything else of a process of its own: working
folder, environment, streams, signals, memory, threads and exit code.

One JSON object a line on standard input, one line of JSON on standard output:

- ``{"start": {…}}`` gives the process id of a program. Its ``arguments`` are those of ``anysize``,
  or, where the first ends in ``.py``, a script and its own; ``folder``, ``environment`` and
  ``streams``, the files that stand for standard input, output and error.
- ``{"ended": PID}`` gives its exit code (the number of a signal, negative); null while it runs.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

# What nearly every command that opens a model imports; none of it starts a thread.
IMPORTED = (
    "anysize.api",
    "anysize.cli.main",
    "anysize.training.loop",
    "transformers.conversion_mapping",
    "transformers.integrations.finegrained_fp8",
    "transformers.integrations.flash_attention",
    "transformers.loss.loss_utils",
)


def next_order() -> dict[str, Any]:
    """In the fork that is to fulfil it; the server itself stays inside and ends with its input."""
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        order = request.get("start")
        if order is not None:
            answer: int | None = os.fork()
            if answer == 0:
                found: dict[str, Any] = order
                return found
        else:
            pid, status = os.waitpid(request["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)
    sys.exit()


def become(order: dict[str, Any]) -> None:
    """Makes this process the one that was asked for."""
    modes = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
    for stream, (path, mode) in enumerate(zip(order["streams"], modes, strict=True)):
        os.dup2(os.open(path, mode), stream)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])


def main() -> None:
    """Serves; in each fork, runs what was asked for to its end."""
    for name in IMPORTED:
        importlib.import_module(name)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("a process with threads must not be forked: import less")
    # Collecting what is imported would cost each fork a second at its end.
    gc.freeze()
    order = next_order()
    become(order)
    sys.argv = list(order["arguments"])
    if sys.argv[0].endswith(".py"):
        sys.path.insert(0, str(Path(sys.argv[0]).parent))
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        sys.argv.insert(0, "anysize")
        runpy.run_module("anysize", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
