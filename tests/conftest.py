"""What every test shares: a quiet, offline, deterministic process and the place of the real data.

Environment variables are set here, before any test imports torch, because the thread pools of
torch, OpenMP and tokenizers read them once, and because processes that tests start inherit them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

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
