"""Workers on this machine: one is this process, several go through PyTorch's elastic launcher.

Of several each is a process of its own (``scale.child``) that finds its rank in the environment. If
one fails, the others are ended and its error is raised here; if this process is ended, however, the
workers end as well. None is replaced.
"""

from __future__ import annotations

import builtins
import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core import memory
from anysize.core.errors import AnysizeError, RunError
from anysize.core.files import scratch, write_json
from anysize.core.memory import processors
from anysize.scale.alone import OnlyMember, work_of
from anysize.scale.child import ANSWER, LAUNCHED, LAUNCHER, REPORTS

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

_SHUTDOWN_SECONDS = 600


PROVIDES = ("local",)


def launch(work: str, request: Mapping[str, Any], *, workers: int) -> Any:
    """Runs a team's work on this machine; the cores are divided among the workers.

    See ``scale.protocols.Engine``.
    """
    if workers == 1:
        return work_of(work)(OnlyMember(), request)
    started = time.monotonic()
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with scratch(None, "workers") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=workers,
            run_id=folder.name,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            monitor_interval=0.1,
            logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs")),
            signals_to_handle="SIGTERM,SIGINT",
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        asked = folder / "request.json"
        write_json(asked, dict(request))
        command = ["-m", "anysize.scale.child", work, str(asked)]
        settings = {**_settings(str(folder), workers), LAUNCHED: repr(started)}
        with _environment(settings), _own_signals(), _quiet_launcher():
            failure: ChildFailedError | None = None
            stopped: SignalException | None = None
            try:
                elastic_launch(config, sys.executable)(*command)
            except ChildFailedError as error:
                failure = error
            except SignalException as error:
                stopped = error
        _raise_ending(_reports(folder), failure, stopped)
        return json.loads((folder / ANSWER).read_text(encoding="utf-8"))


def beside(workers: int) -> int:
    """Bytes of what would run beside the workers, if this process launched them as it is now.

    See ``scale.protocols.Engine``.
    """
    if workers == 1:
        return 0
    from torch.distributed.launcher import api  # noqa: F401 - it is part of the launcher's size

    return memory.resident()


def _raise_ending(
    reports: Sequence[Mapping[str, Any]],
    failure: ChildFailedError | None,
    stopped: SignalException | None,
) -> None:
    """Raises what the workers ended with, if it was not success."""
    if stopped is not None and not any(_class(report) for report in reports):
        # The workers had nothing to save yet: end as without them.
        if stopped.sigval == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + stopped.sigval)
    if reports and _class(reports[0]):
        raise _again(reports[0]) from failure
    if failure is not None and (ended := _ended_by_signal(failure)):
        raise RunError(ended) from failure
    if reports:
        raise _again(reports[0]) from failure
    if failure is not None:
        rank, first = failure.get_first_failure()
        raise RunError(
            f"worker {rank} ended with exit code {first.exitcode}; see its messages above"
        ) from failure


def _settings(folder: str, workers: int) -> dict[str, str]:
    settings = {
        LAUNCHER: str(os.getpid()),
        REPORTS: folder,
        "OMP_NUM_THREADS": str(max(processors() // workers, 1)),
    }
    # All workers are here: the loopback interface needs no name to be resolved.
    loopback = {name for _, name in socket.if_nameindex()} & {"lo", "lo0"}
    if loopback:
        settings["GLOO_SOCKET_IFNAME"] = loopback.pop()
    # The workers must find the same package as this process, installed or not.
    package = str(Path(__file__).resolve().parents[2])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if package not in paths:
        settings["PYTHONPATH"] = os.pathsep.join([*paths, package])
    return settings


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Environment of the processes started inside."""
    before = {name: os.environ.get(name) for name in (*settings, "TORCHELASTIC_SIGNALS_TO_HANDLE")}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _own_signals() -> Iterator[None]:
    """The launcher installs handlers and leaves them; this puts the caller's back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            try:
                signal.signal(number, handler)
            except ValueError:
                return  # not the main thread: nothing was installed


@contextmanager
def _quiet_launcher() -> Iterator[None]:
    """What the launcher logs about failures is said better by the error that is raised."""
    # Each of its modules has set a level of its own.
    loggers = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.startswith("torch.distributed.elastic")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reports(folder: Path) -> list[dict[str, Any]]:
    """What failed workers wrote, the most telling first.

    When one fails, the others fail for want of it. So errors that anysize raised on purpose go
    before others, and the earliest before later ones.
    """
    reports = [json.loads(path.read_text("utf-8")) for path in folder.glob("worker-*.json")]
    return sorted(reports, key=lambda entry: (_class(entry) is None, entry["time"]))


def _class(report: Mapping[str, Any]) -> type[AnysizeError] | None:
    """The class of a reported error, if it is one that anysize raises on purpose."""
    if not report["module"].startswith("anysize."):
        return None
    kind = getattr(importlib.import_module(report["module"]), report["type"], None)
    return kind if isinstance(kind, type) and issubclass(kind, AnysizeError) else None


def _again(report: Mapping[str, Any]) -> AnysizeError:
    kind = _class(report)
    if kind is not None:
        return kind(*report["arguments"])
    found = getattr(builtins, report["type"], None)
    system = isinstance(found, type) and issubclass(found, OSError)
    name = "" if system else f" with {report['type']}"
    return RunError(f"worker {report['rank']} failed{name}: {report['message']}")


def _ended_by_signal(failure: ChildFailedError) -> str | None:
    """Says which worker was ended from outside, if one was.

    The others then fail too, for want of it, and the launcher ends who is left with SIGTERM.
    """
    for rank, each in sorted(failure.failures.items()):
        if each.exitcode < 0 and -each.exitcode != signal.SIGTERM:
            name = signal.Signals(-each.exitcode).name
            hint = ""
            if name == "SIGKILL":
                hint = "; if nobody did it, memory ran out: lower --memory or --workers"
            return f"worker {rank} was ended by {name}{hint}"
    return None
