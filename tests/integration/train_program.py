"""Trains by a recipe given as JSON: ``train_program.py RECIPE start|resume``.

An error of ours is one line on standard output, and its exit code.
"""

from __future__ import annotations

import json
import sys

from anysize.core.errors import AnysizeError
from anysize.training import Recipe, run

if __name__ == "__main__":
    try:
        given = json.loads(sys.argv[1])
        values = {name: tuple(each) if isinstance(each, list) else each
                  for name, each in given.items()}  # fmt: skip
        run(Recipe(**values), resume=sys.argv[2] == "resume")
    except AnysizeError as error:
        print(f"{type(error).__name__}: {error}")
        sys.exit(error.exit_code)
