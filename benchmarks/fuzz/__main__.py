"""``python -m benchmarks.fuzz``: see ``benchmarks.fuzz``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzz.harness import Limits, fuzz
from benchmarks.fuzz.kinds import names
from benchmarks.fuzz.table import offences, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of inputs that broke a rule, at most 1 as an exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--kind", action="append", choices=names(), help="all kinds by default")
    parser.add_argument("--count", type=int, default=100, help="mutated inputs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seconds", type=float, default=20.0, help="time cap of one input")
    parser.add_argument("--memory", default="1GiB", help="memory cap of one input")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that broke a rule")
    options = parser.parse_args(arguments)
    limits = Limits(seconds=options.seconds, memory=options.memory)
    broken = 0
    for kind in options.kind or names():
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            inputs = range(options.first, options.first + options.count)
            found = fuzz(kind, inputs, options.seed, limits, Path(folder), keep=options.keep)
        print(summary(kind, options.seed, found, limits))
        offenders = offences(kind, options.seed, found)
        if offenders:
            print(offenders)
        broken += sum(outcome.broken for outcome in found)
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
