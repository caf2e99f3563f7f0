"""What every test shares: a quiet, offline, deterministic process and the place of the real data.

Environment variables are set here, before any test imports torch, because the thread pools of
torch, OpenMP and tokenizers read them once, and because processes that tests start inherit them.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tests.forks import COLD, Forks, Started, adopt, redirect

# One thread a process. xdist's workers inherit what the controller sets, so that the number must
# not depend on which of them this is; two workers of two threads each, on two processors, wait for
# each other most of the time. Tests of threads set them themselves.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["MPLBACKEND"] = "Agg"
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"


# Examples may take their time: other programs may keep the machine busy.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

# What is imported while tests are collected stays: looking through it for garbage again and again
# would take minutes.
gc.disable()


def pytest_collection_finish() -> None:
    """Looks for garbage from here on, in what is made from here on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data sets that ``ANYSIZE_DATA`` names; skips where it is unset."""
    value = os.environ.get("ANYSIZE_DATA")
    if not value:
        pytest.skip("ANYSIZE_DATA is unset: no folder of public data sets to test with")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"ANYSIZE_DATA names {value!r}, which is not a folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def forks(repository: Path) -> Iterator[Callable[[], Forks]]:
    """Gives what makes forks of a process that has imported torch, which starts when it is needed.

    The processes that the package starts for its own work are such forks too; with the environment
    variable ``ANYSIZE_TESTS_COLD`` they start from nothing, as they do outside of tests.
    """
    begun: list[Forks] = []
    with contextlib.ExitStack() as ending:

        def forks() -> Forks:
            if not begun:
                own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                program = str(repository / "tests" / "forks.py")
                with other:
                    process = subprocess.Popen(
                        [sys.executable, "-P", program, str(other.fileno())],
                        pass_fds=[other.fileno()],
                        # OpenBLAS starts its threads when it is imported.
                        env={
                            **os.environ,
                            "PYTHONPATH": str(repository / "src"),
                            "OPENBLAS_NUM_THREADS": "1",
                        },
                    )
                ending.enter_context(process)
                ending.enter_context(own)
                begun.append(Forks(own))
            return begun[0]

        if adopt():
            redirect(forks)
        yield forks


@pytest.fixture(scope="session")
def start(
    repository: Path, forks: Callable[[], Forks], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Started]:
    """Starts ``anysize`` with arguments, or a script, in a process of its own.

    It is a fork of one that has imported torch (``tests.forks``). So are the processes that it
    starts for its own work, but with ``cold=True``.
    """
    source = str(repository / "src")
    place = tmp_path_factory.mktemp("streams")

    def start(
        *arguments: str | Path, stdin: str = "", folder: Path | None = None, cold: bool = False,
        **environment: str,
    ) -> Started:  # fmt: skip
        files = Path(tempfile.mkdtemp(dir=place))
        for name, text in (("in", stdin), ("out", ""), ("error", "")):
            (files / name).write_text(text, encoding="utf-8")
        given = [str(argument) for argument in arguments]
        with (
            (files / "in").open("rb") as one,
            (files / "out").open("wb") as two,
            (files / "error").open("wb") as three,
        ):
            pid = forks().make(
                given,
                [each.fileno() for each in (one, two, three)],
                {
                    **os.environ,
                    "PYTHONPATH": source,
                    **environment,
                    **({COLD: "1"} if cold else {}),
                },
                str(folder or Path.cwd()),
            )
        return Started(given, pid, files)

    return start


@pytest.fixture(scope="session")
def run(start: Callable[..., Started]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``anysize`` with arguments, or a script, to its end; see ``start``."""

    def run(*arguments: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
        return start(*arguments, **settings).wait()

    return run


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives a folder of data or a trained bundle, which the first to ask for it makes.

    The workers of xdist share what is on it, so that nothing is trained twice: give a name, and a
    function that fills a folder. With ``own=True`` the worker gets a copy that it may write to, as
    prediction does to a bundle.
    """
    base = tmp_path_factory.getbasetemp()
    # A worker's folder is inside of that of the run.
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shelf"
    place.mkdir(exist_ok=True)

    def shelf(name: str, make: Callable[[Path], object], *, own: bool = False) -> Path:
        folder, made = place / name, place / f"{name}.made"
        with (place / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                made.touch()
        if not own:
            return folder
        copy = tmp_path_factory.mktemp(name) / name
        return Path(shutil.copytree(folder, copy))

    return shelf


@pytest.fixture(autouse=True)
def _heard_log(caplog: pytest.LogCaptureFixture) -> None:
    """Lets pytest hear the package's log, whatever was done to loggers in this process."""
    log = logging.getLogger("anysize")
    log.handlers.clear()
    log.propagate, log.disabled = True, False
    log.setLevel(logging.WARNING)
    logging.disable(logging.NOTSET)
    # Pytest adds it to loggers that do not propagate, and NNCF sets the level of all of its own.
    caplog.handler.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what programs cache under the user's home inside the test's temporary folder."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("ANYSIZE_CACHE", str(folder))
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
