"""Measuring the runtimes of a bundle in a process of its own.

Converting a model and opening several runtimes leaves memory behind that a process never gives
back. Here it goes with the process; what stays is the answer, and the converted form in the bundle.

Started as ``python -m anysize.plan.apart``; the request comes as JSON on standard input, the answer
goes as JSON to standard output.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.examples import Example
from anysize.core.memory import format_size, resident
from anysize.models.network import Network
from anysize.plan.budget import LIBRARIES
from anysize.plan.selection import Candidate, Measured, fastest

TRIAL = 512 << 20
"""Bytes that running a few windows takes, at the least, beside the weights."""

_log = logging.getLogger("anysize")


def obstacle(network: Network, folder: Path | None, memory: int) -> str | None:
    """Why nothing can be measured beside this process; None where it can.

    Args:
        network: what would be measured.
        folder: the bundle.
        memory: budget of both processes together, in bytes.
    """
    if folder is None or not os.access(folder, os.W_OK):
        return "the others are kept converted in the bundle, and there is no folder to write to"
    from anysize.runtimes.tracing import weight_bytes

    needed = resident() + LIBRARIES + 4 * weight_bytes(network) + TRIAL
    if needed > memory:
        return f"measuring the others beside it would take {format_size(needed)}"
    return None


def measure(
    network: Network,
    folder: Path | None,
    candidates: Sequence[Candidate],
    examples: Sequence[Example],
    memory: int,
) -> Measured | None:
    """Which candidate runs such windows fastest; None where the other process failed.

    Args:
        network: what is run, with the caller's windows.
        folder: the bundle, where the other process finds the weights.
        candidates: in order of preference.
        examples: windows whose sizes are measured with.
        memory: budget of both processes together, in bytes.
    """
    settings = network.settings
    request = {
        "folder": str(folder),
        "role": settings.role,
        "settings": dataclasses.asdict(settings),
        "candidates": [f"{item.name} {item.precision}" for item in candidates],
        "many": any(item.alone is not None for item in candidates),
        "costs": [example.cost for example in examples],
        "memory": memory - resident(),
    }
    from anysize.scale.child import LAUNCHER

    done = subprocess.run(
        [sys.executable, "-m", "anysize.plan.apart"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, LAUNCHER: str(os.getpid())},
        check=False,
    )
    try:
        return Measured(**json.loads(done.stdout))
    except (ValueError, TypeError):
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        _log.warning("the runtimes could not be measured: %s", said[0])
        return None


def _answer(request: Mapping[str, Any]) -> Measured:
    """What was asked for, measured in this process."""
    from anysize.models.spec import open_network
    from anysize.plan import synthetic
    from anysize.plan.candidates import candidates_for

    folder = Path(request["folder"])
    network, _ = open_network(str(folder))
    entries: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in request["settings"].items()
    }
    kind: Any = type(network.settings)
    setattr(network, request["role"], kind(**entries))
    found = candidates_for(network, "auto", "auto", folder, many=request["many"])
    wanted = [item for item in found if f"{item.name} {item.precision}" in request["candidates"]]

    memory = int(request["memory"])

    def fits(candidate: Candidate) -> bool:
        return resident() + candidate.opening + TRIAL <= memory

    return fastest(wanted, synthetic.windows_of(network, request["costs"]), fits=fits)


if __name__ == "__main__":
    from anysize.scale.child import die_with_launcher

    die_with_launcher()
    # Whatever a library prints must not come before the answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)
        json.dump(dataclasses.asdict(_answer(json.load(sys.stdin))), channel)
