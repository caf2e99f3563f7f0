"""Processes that are forks of one that has imported torch and transformers.

A process that starts from nothing spends five seconds of processor time on those imports, many
times what the commands under test do. A fork has everything else of a process of its own: a parent
that it ends with, working folder, environment, streams, signals, memory, threads and exit code.

Run as a program (``forks.py NUMBER``) this is such a process: it makes forks for whoever has the
other end of the socket NUMBER. ``start`` asks it for one. `redirect` lets the processes that the
package starts for its own work be forks as well, and `with_own` does so inside a fork.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

WORKERS = ("anysize.compression.worker", "anysize.planning.apart", "anysize.scale.child")
"""What the package starts as ``python -m``."""

# What nearly every command that opens a model imports; none of it starts a thread.
IMPORTED = (
    "anysize.api",
    "anysize.cli.main",
    "anysize.training.loop",
    *WORKERS,
    "torch.distributed.launcher.api",
    "transformers.conversion_mapping",
    "transformers.integrations.finegrained_fp8",
    "transformers.integrations.flash_attention",
    "transformers.loss.loss_utils",
)
COLD = "ANYSIZE_TESTS_COLD"
PATIENCE = 600.0
"""Seconds after which a process is held to have stopped working, on however busy a machine."""
LARGEST = 1 << 17
"""Bytes of an order."""
SET_CHILD_SUBREAPER = 36


class Forks:
    """Asks a process for forks of it, which become children of this process.

    Args:
        channel: the socket that it reads from.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def make(
        self, arguments: Sequence[str], streams: Sequence[int], environment: dict[str, str],
        folder: str, *, session: bool = False,
    ) -> int:  # fmt: skip
        """The process id of one that runs a program.

        Args:
            arguments: those of ``anysize``; or a script, or a module of `WORKERS`, and its own.
            streams: what are its standard input, output and error.
            environment: its own.
            folder: its working folder.
            session: whether it begins a session.
        """
        order = {
            "arguments": list(arguments), "environment": environment, "folder": folder,
            "session": session,
        }  # fmt: skip
        with self._lock:
            socket.send_fds(self._channel, [json.dumps(order).encode()], list(streams))
            answer = self._channel.recv(64)
        if not answer:
            raise RuntimeError("the process that makes forks has ended")
        return int(answer)


class Started:
    """A program that runs in a process of its own.

    Attributes:
        pid: the process.
        arguments: what it was called with.
    """

    def __init__(self, arguments: list[str], pid: int, folder: Path) -> None:
        self.arguments, self.pid = arguments, pid
        self._folder = folder
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, the number of a signal negative; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
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


def adopt() -> bool:
    """Makes this process the parent of those below it that lose theirs; False where it cannot be.

    Linux can, by ``prctl``.
    """
    try:
        done: int = ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    except AttributeError:
        return False
    return done == 0


def serve(channel: socket.socket) -> dict[str, Any]:
    """Makes forks as asked, until nobody is there to ask; in each of them, returns its order.

    Between this process and a fork there is another for a moment, so that whoever asks, which has
    called `adopt`, is the fork's parent.
    """
    while True:
        message, streams, _, _ = socket.recv_fds(channel, LARGEST, 3)
        if not message:
            os._exit(0)
        own, other = os.pipe()
        between = os.fork()
        if between == 0:
            middle, made = os.getpid(), os.fork()
            if made:
                os.write(other, str(made).encode())
                os._exit(0)
            channel.close()
            os.close(own)
            os.close(other)
            while os.getppid() == middle:
                time.sleep(0.0005)
            order: dict[str, Any] = json.loads(message)
            become(order, streams)
            return order
        os.waitpid(between, 0)
        os.close(other)
        channel.send(os.read(own, 64))
        for number in (own, *streams):
            os.close(number)


def become(order: dict[str, Any], streams: Sequence[int]) -> None:
    """Makes this process the one that was asked for."""
    if order["session"]:
        os.setsid()
    for place, number in enumerate(streams):
        os.dup2(number, place)
        os.close(number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(place, "r" if place == 0 else "w", encoding="utf-8", closefd=False,
                  errors=("strict", "strict", "backslashreplace")[place],
                  buffering=1 if place == 2 else -1)
        for place in range(3)
    )  # fmt: skip
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    wanted = os.environ.get("OMP_NUM_THREADS")
    if wanted and wanted != threads:
        import torch

        torch.set_num_threads(int(wanted))
    paths = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    sys.path[:0] = [each for each in paths if each not in sys.path]


def redirect(forks: Callable[[], Forks]) -> None:
    """From now on a process of `WORKERS` that this process starts is a fork.

    Where its environment has `COLD`, it starts from nothing.
    """
    started = subprocess.Popen._execute_child

    def start(process: Any, arguments: Any, *rest: Any) -> None:
        _, _, _, _, folder, environment, _, _, _, *ends = rest
        pipes, session = ends[:6], ends[-2]
        found = list(arguments) if isinstance(arguments, list | tuple) else []
        own = os.environ if environment is None else environment
        if found[:2] != [sys.executable, "-m"] or found[2] not in WORKERS or COLD in own:
            started(process, arguments, *rest)
            return
        given = (pipes[0], pipes[3], pipes[5])
        process.pid = forks().make(
            [str(each) for each in found[2:]],
            [place if number == -1 else number for place, number in enumerate(given)],
            dict(own),
            folder or str(Path.cwd()),
            session=bool(session),
        )
        process._child_created = True
        process._close_pipe_fds(*pipes)

    subprocess.Popen._execute_child = start  # type: ignore[method-assign]


def with_own(order: dict[str, Any]) -> dict[str, Any]:
    """Redirects to a process below this one, whose forks return from here with their orders."""
    if COLD in os.environ or order["arguments"][0] in WORKERS or not adopt():
        return order
    own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        own.close()
        return serve(other)
    other.close()
    forks = Forks(own)
    redirect(lambda: forks)
    return order


def run(arguments: Sequence[str]) -> None:
    """Runs a program to its end."""
    program = arguments[0]
    if program in WORKERS:
        sys.argv = list(arguments)
        # It is imported for what it imports.
        sys.modules.pop(program, None)
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    elif program.endswith(".py"):
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(program).parent))
        runpy.run_path(program, run_name="__main__")
    else:
        sys.argv = ["anysize", *arguments]
        runpy.run_module("anysize", run_name="__main__", alter_sys=True)


def main() -> None:
    """Serves; in each fork, runs what was asked for to its end."""
    for name in IMPORTED:
        importlib.import_module(name)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("a process with threads must not be forked: import less")
    # Collecting what is imported would cost each fork a second at its end.
    gc.freeze()
    channel = socket.socket(fileno=int(sys.argv[1]))
    run(with_own(serve(channel))["arguments"])


if __name__ == "__main__":
    main()
