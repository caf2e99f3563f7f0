"""How long ``anysize --help`` and ``import anysize`` take, against the bare interpreter.

python -m benchmarks.startup
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks import common

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import anysize": [sys.executable, "-c", "import anysize"],
    "anysize --help": [sys.executable, "-m", "anysize", "--help"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def main() -> None:
    """Prints the seconds of each."""
    print(common.machine())
    for name, command in COMMANDS.items():
        seconds = common.repeated(
            lambda command=command: subprocess.run(command, check=True, capture_output=True), 9
        )
        print(f"{name:<16} {common.spread(seconds, 3)} s")


if __name__ == "__main__":
    main()
