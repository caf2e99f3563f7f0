"""A worker process of a training run: ``python -m anysize.train.worker RUN …``.

Started by ``anysize.scale.local``; not for people.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from anysize.core import memory


def main(arguments: Sequence[str]) -> None:
    """Trains as one of the workers that the environment describes.

    Args:
        arguments: the run's folder, and the options below.
    """
    parser = argparse.ArgumentParser(prog="anysize.train.worker")
    parser.add_argument("run", type=Path, help="folder of the run, with its recipe.toml")
    parser.add_argument("--started", type=float, required=True, help="time.monotonic()")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)

    import torch

    from anysize.train import checkpoint, preparation, recipe, session, team

    memory.bound_heap()
    own = recipe.load(options.run / session.RECIPE)
    own = dataclasses.replace(own, out=str(options.run))
    crew = team.join()
    job = preparation.reopen(own, started=options.started, quiet=options.quiet)
    state = checkpoint.read_state(job.last) if options.resume else checkpoint.State()
    try:
        session.work(job, crew, state)
    finally:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    from anysize.scale.child import guarded

    guarded(main, sys.argv[1:])
