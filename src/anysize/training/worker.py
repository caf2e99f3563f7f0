"""A worker process of a training run: ``python -m anysize.training.worker RECIPE …``.

Started by ``anysize.scale.local``; not for people.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from anysize.core import memory


def main(arguments: Sequence[str]) -> None:
    """Trains as one of the workers that the environment describes.

    The leader prepares the run's folder and joins last; the others load what takes long to load,
    wait for it, and open what it has prepared.

    Args:
        arguments: the recipe's file, and the options below.
    """
    parser = argparse.ArgumentParser(prog="anysize.training.worker")
    parser.add_argument("recipe", type=Path, help="the recipe as the user gave it")
    parser.add_argument("--started", type=float, required=True, help="time.monotonic()")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)

    import torch

    from anysize.training import loop, recipe, session, team

    memory.bound_heap()
    asked = recipe.load(options.recipe)
    if int(os.environ["RANK"]) == 0:
        prepared = session.begin(
            asked, started=options.started, resume=options.resume, quiet=options.quiet
        )
        crew = team.join()
    else:
        # Python sees no signal while it waits in the process group's own code.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        loop.warm_up()
        crew = team.join()
        prepared = session.join_in(Path(asked.out), started=options.started, quiet=options.quiet)
    try:
        session.work(*prepared, crew)
    finally:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    from anysize.scale.child import guarded

    guarded(main, sys.argv[1:])
