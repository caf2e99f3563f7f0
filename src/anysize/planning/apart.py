"""Measuring the runtimes of a bundle in a process of its own.

Converting a model, opening several runtimes and probing one with ever more windows leaves memory
behind that a process never gives back. Here it goes with the process; what stays is the answer, the
converted form in the bundle, and what the probe found (``planning.climbs``).

Started as ``python -m anysize.planning.apart``; the request comes as JSON on standard input, the
answer goes as JSON to standard output.
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

import torch

from anysize import tasks
from anysize.core.errors import RunError
from anysize.core.examples import Example
from anysize.core.memory import format_size, resident
from anysize.core.protocols import Opened
from anysize.core.steps import ONE_RUN, Step, generation_options
from anysize.models.network import Network
from anysize.models.spec import open_network
from anysize.planning import synthetic
from anysize.planning.batching import SECONDS, most_windows
from anysize.planning.budget import LIBRARIES
from anysize.planning.candidates import candidates_for
from anysize.planning.climbs import climb_or_recall
from anysize.planning.selection import TRIAL, Candidate, Measured, fastest, seconds_each
from anysize.runtimes.tracing import weight_bytes
from anysize.scale.child import LAUNCHER, die_with_launcher
from anysize.tasks.protocols import Task, answering, step_of

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
    needed = resident() + LIBRARIES + 4 * weight_bytes(network) + TRIAL
    if needed > memory:
        return f"measuring the others beside it would take {format_size(needed)}"
    return None


def measure(
    network: Network,
    folder: Path | None,
    candidates: Sequence[Candidate],
    examples: Sequence[Example],
    *,
    memory: int,
    worth: float,
    step: Step = ONE_RUN,
) -> Measured | None:
    """Which candidate runs such windows fastest; None where the other process failed.

    Where the first candidate is fast enough for the others not to be worth a try, it is the answer
    and there are no rates.

    Args:
        network: what is run, with the caller's windows.
        folder: the bundle, where the other process finds the weights.
        candidates: in order of preference.
        examples: windows whose sizes are measured with.
        memory: budget of both processes together, in bytes.
        worth: seconds for a unit of cost from which the others are tried; 0 tries them always.
        step: what is done with the windows, which the other process has from the bundle's task.
    """
    settings = network.settings
    request = {
        "folder": str(folder),
        "settings": {
            item.name: value
            for item in dataclasses.fields(settings)
            if isinstance(value := getattr(settings, item.name), int | float | str)
        },
        "candidates": [f"{item.name} {item.precision}" for item in candidates],
        "many": any(item.streams > 1 for item in candidates),
        "step": repr(step),
        "wishes": wishes_of(step),
        "costs": [example.cost for example in examples],
        "memory": memory - resident(),
        "worth": worth,
        "threads": torch.get_num_threads(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "anysize.planning.apart"],
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


def wishes_of(step: Any) -> dict[str, Any]:
    """What a step's fields say in plain values, those of its parts below their names."""
    found: dict[str, Any] = {}
    for item in dataclasses.fields(step):
        value = getattr(step, item.name)
        if dataclasses.is_dataclass(value):
            found[item.name] = wishes_of(value)
        elif isinstance(value, bool | int | float | str):
            found[item.name] = value
    return found


def _wishing(step: Any, wishes: Mapping[str, Any]) -> Any:
    """A step of the same kind with these values, what else it has being its own."""
    changed = {
        name: _wishing(getattr(step, name), value) if isinstance(value, Mapping) else value
        for name, value in wishes.items()
        if hasattr(step, name)
    }
    return dataclasses.replace(step, **changed)


def same_step(task: Task, network: Network, request: Mapping[str, Any]) -> Step:
    """The step that was asked for: what the task does in prediction, or is measured by.

    Raises:
        RunError: it has no such step.
    """
    found: list[Step] = []
    for each in (answering(task), task):
        step: Step = _wishing(step_of(each, network), request["wishes"])
        if repr(step) == request["step"]:
            return step
        found.append(step)
    raise RunError(f"the bundle's task has another step: {found[0]!r}, not {request['step']}")


def _answer(request: Mapping[str, Any]) -> Measured:
    """What was asked for, measured in this process."""
    torch.set_num_threads(request["threads"])
    folder = Path(request["folder"])
    network, card = open_network(str(folder))
    network.settings = dataclasses.replace(network.settings, **request["settings"])
    names = request["candidates"]
    step = same_step(tasks.load(card.task), network, request)
    many, options = request["many"], generation_options(step)
    found = candidates_for(
        network, "auto", "auto", folder, needs=step.needs, many=many, options=options
    )
    candidates = [item for item in found if f"{item.name} {item.precision}" in names]
    examples = synthetic.windows_of(network, request["costs"])
    memory = int(request["memory"])

    def probe(runtime: Opened) -> None:
        most = most_windows(network, step)
        climb_or_recall(step, runtime, network, ceiling=memory, fixed=0, most=most, seconds=SECONDS)
        runtime.close()

    first = candidates[0]
    if request["worth"]:
        runtime = first.open()
        quick = seconds_each(step, runtime, examples[:4]) < request["worth"]
        probe(runtime)
        if quick:
            return Measured(name=first.name, precision=first.precision, rates={})

    def fits(candidate: Candidate) -> bool:
        return resident() + candidate.opening + TRIAL <= memory

    answer = fastest(candidates, examples, fits=fits, step=step)
    for candidate in candidates:
        if (candidate.name, candidate.precision) == (answer.name, answer.precision):
            probe(candidate.open())
    return answer


if __name__ == "__main__":
    die_with_launcher()
    # Whatever a library prints must not come before the answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)
        json.dump(dataclasses.asdict(_answer(json.load(sys.stdin))), channel)
