"""One writer of a folder: refused with who it is, freed by its death, gone in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anysize.core.errors import ConfigurationError
from anysize.core.locks import FILE, only_writer, only_writer_of

HOLD = """
import sys, pathlib
from anysize.core.locks import only_writer
with only_writer(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_writer_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with holder(folder) as process:
        words = rf"run is being written by process {process.pid} \(since 20"
        with pytest.raises(ConfigurationError, match=words), only_writer(folder):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (folder / FILE).exists()
        with only_writer(folder):
            assert (folder / FILE).exists()
    assert not (folder / FILE).exists() and folder.exists()


def test_a_folder_that_was_made_and_stayed_empty_goes(tmp_path: Path) -> None:
    with only_writer(tmp_path / "a" / "b"):
        pass
    assert not (tmp_path / "a" / "b").exists()
    with only_writer_of(tmp_path / "a" / "file.onnx"):
        assert [path.name for path in (tmp_path / "a").iterdir()] == [".file.onnx.lock"]
    assert list((tmp_path / "a").iterdir()) == []


def test_writers_that_wait_take_turns(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with only_writer(tmp_path, wait=True):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and list(tmp_path.iterdir()) == []
