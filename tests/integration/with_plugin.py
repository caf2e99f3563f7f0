"""Runs ``anysize`` with the packages of a folder installed: ``with_plugin.py FOLDER ARGUMENTS…``.

With ``KILL_AT=FOLDER`` in the environment the process ends itself with SIGKILL as soon as the run
there has a checkpoint.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path


def watch(folder: Path) -> None:
    while not (folder / "checkpoints" / "last" / "state.json").is_file():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    sys.argv = ["anysize", *sys.argv[2:]]
    if "KILL_AT" in os.environ:
        threading.Thread(target=watch, args=(Path(os.environ["KILL_AT"]),), daemon=True).start()
    if "compress" in sys.argv:
        from anysize.compression import measuring

        # That it is measured is tested, not how fast it is.
        measuring.ROUNDS = measuring.MOST_ROUNDS = 1
    runpy.run_module("anysize", run_name="__main__", alter_sys=True)
