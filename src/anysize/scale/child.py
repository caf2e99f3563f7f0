"""What every worker process does around its work: die with its launcher, and report its end.

A member of the local engine's team is ``python -m anysize.scale.child WORK REQUEST``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from anysize.core import memory
from anysize.core.errors import AnysizeError
from anysize.core.files import write_json

LAUNCHER = "ANYSIZE_LAUNCHER"
REPORTS = "ANYSIZE_WORKER_REPORTS"
LAUNCHED = "ANYSIZE_LAUNCHED"
ANSWER = "answer.json"
_SET_PARENT_DEATH_SIGNAL = 1


def guarded(main: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> None:
    """Runs ``main`` and exits: 0 when it ended or was asked to stop, 1 when it failed.

    A failure is written as one JSON file for the launcher.
    """
    die_with_launcher()
    try:
        main(arguments)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the launcher must hear it
        _report(error)
        # Asked to stop is no failure: the launcher would kill the others before they have saved.
        code = 0 if getattr(error, "signal", 0) else 1
        if not isinstance(error, AnysizeError | KeyboardInterrupt | OSError):
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)


def die_with_launcher() -> None:
    """Makes the system end this process when its launcher is gone, killed or not (Linux)."""
    try:
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    launcher = os.environ.get(LAUNCHER)
    if launcher is not None and os.getppid() != int(launcher):
        os._exit(1)  # it was gone before the request


def _report(error: BaseException) -> None:
    folder = os.environ.get(REPORTS)
    if folder is None:
        return
    entries = {
        "module": type(error).__module__,
        "type": type(error).__name__,
        "arguments": list(_arguments(error)),
        "message": str(error) or type(error).__name__,
        "time": time.monotonic(),
        "rank": int(os.environ.get("RANK", "0")),
    }
    path = Path(folder) / f"worker-{os.environ.get('RANK', '0')}.json"
    with contextlib.suppress(OSError):  # then the launcher knows the exit code alone
        write_json(path, entries)


def _arguments(error: BaseException) -> tuple[object, ...]:
    """What the error's class is called with to make it again."""
    if not isinstance(error, AnysizeError):
        return ()
    reduced = error.__reduce__()
    arguments = reduced[1] if isinstance(reduced, tuple) else ()
    return arguments if isinstance(arguments, tuple) else ()


def main(arguments: Sequence[str]) -> None:
    """Does the work of a team's member, and leaves the leader's answer for the launcher.

    Args:
        arguments: the work (``package.module:function``) and the file of the request.
    """
    from anysize.scale.alone import work_of
    from anysize.scale.process_group import ProcessMember

    name, request = arguments
    member = ProcessMember(time.monotonic() - float(os.environ[LAUNCHED]))
    if member.rank:
        # Python sees no signal while it waits in the process group's own code.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    memory.bound_heap()
    try:
        answer = work_of(name)(member, json.loads(Path(request).read_text(encoding="utf-8")))
    finally:
        member.leave()
    if member.rank == 0:
        write_json(Path(os.environ[REPORTS]) / ANSWER, answer)


if __name__ == "__main__":
    guarded(main, sys.argv[1:])
