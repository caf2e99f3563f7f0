"""What probing found, kept between runs: the next plan takes one quick look instead of a climb."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from anysize.core import memory
from anysize.core.examples import Example
from anysize.core.files import write_json
from anysize.core.protocols import Opened
from anysize.core.running import streams_of
from anysize.core.steps import Step
from anysize.models.network import Network
from anysize.planning import synthetic
from anysize.planning.probe import (
    Climb,
    Estimated,
    Line,
    Measurement,
    Work,
    fit,
    measure,
    no_longer_faster,
)
from anysize.planning.selection import machine_key, step_key
from anysize.sources.cache import cache_folder

_FORMAT = 2
# What one window may take more than was found before, and the climb still holds.
MORE = 1.25
NOISE = 16 << 20


def climb_or_recall(
    step: Step,
    runtime: Opened,
    network: Network,
    *,
    ceiling: int,
    fixed: int,
    most: int,
    seconds: float,
) -> Climb:
    """Probes a step on made-up windows, or takes what an earlier probe of it found.

    That is looked for by machine, versions, architecture, windows, step and runtime, and holds
    where one window takes about what it took then.

    Args:
        step: what is done with the windows.
        runtime: with its weights loaded.
        network: whose windows it reads.
        ceiling: resident bytes that the probe must not pass.
        fixed: bytes that the run will need on top of what the probe sees.
        most: windows at once that are worth knowing.
        seconds: of processor time that a probe may take, about.
    """
    path = place(step, network, runtime.name, runtime.precision, streams_of(runtime))
    recalled = _recalled(path, step, runtime, network, ceiling=ceiling, fixed=fixed, most=most)
    if recalled is not None:
        return recalled
    found = synthetic.climb_windows(
        network,
        lambda examples: rehearsal(step, runtime, examples),
        ceiling=ceiling,
        fixed=fixed,
        most=most,
        enough=no_longer_faster,
        seconds=seconds,
        whole_only=bool(getattr(runtime, "whole_only", False)),
        cost_of=step.cost,
    )
    if found.measurements:
        _keep(path, found, ceiling=ceiling - fixed, most=most)
    return found


def known_rate(step: Step, network: Network, name: str, precision: str) -> float | None:
    """Units of windows' own cost a second, where an earlier probe of the step was kept."""
    whole = network.settings.whole
    own = whole / step.cost(whole)
    try:
        kept = json.loads(place(step, network, name, precision, 1).read_text(encoding="utf-8"))
        return own * max(float(cost) / float(seconds) for cost, _, seconds in kept["measurements"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def rehearsal(step: Step, runtime: Opened, examples: Sequence[Example]) -> Work:
    """The step on made-up examples, as work that can be measured."""

    def work() -> Estimated | None:
        seconds = step.rehearse(runtime, examples)
        return None if seconds is None else Estimated(seconds)

    return work


def place(
    step: Step, network: Network, name: str, precision: str, streams: int, *, kind: str = "climb"
) -> Path:
    """The file of the cache folder that a probe's findings are kept in.

    Args:
        step: that was probed.
        network: whose windows it reads.
        name: of the runtime.
        precision: of its arithmetic.
        streams: batches that it ran at once.
        kind: of the findings.
    """
    weights = sum(item.numel() for item in network.module.parameters())
    form = 0 if network.form is None else Path(network.form.file).stat().st_size
    numbers = (streams, torch.get_num_threads(), weights, form)
    key = machine_key(network, name, precision, *map(str, numbers), *step_key(step))
    return cache_folder() / f"{kind}-{key}.json"


def _keep(path: Path, found: Climb, *, ceiling: int, most: int) -> None:
    floor = found.floor
    entries = {
        "format": _FORMAT,
        "ceiling": ceiling,
        "most": most,
        "late": found.late,
        "line": [found.line.base - floor, found.line.slope],
        "measurements": [[one.cost, one.peak - floor, one.seconds] for one in found.measurements],
    }
    with contextlib.suppress(OSError):  # then it is probed again
        write_json(path, entries, durable=False)


def _recalled(
    path: Path,
    step: Step,
    runtime: Opened,
    network: Network,
    *,
    ceiling: int,
    fixed: int,
    most: int,
) -> Climb | None:
    """A climb that was kept, with today's floor; None where there is none or it no longer holds."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] != _FORMAT or kept["most"] < most:
            return None
        base, slope = map(float, kept["line"])
        rungs = [(int(cost), int(peak), float(time)) for cost, peak, time in kept["measurements"]]
        before, late = int(kept["ceiling"]), bool(kept["late"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    cost = step.cost(network.settings.whole)
    if memory.resident() + max(base + slope * cost, 0) + fixed > ceiling:
        return None  # the careful way up says by how much it does not fit
    work = rehearsal(step, runtime, synthetic.windows(network, 1))
    work()  # the first run also pays for kernels, threads and their stacks
    memory.trim()
    floor = memory.resident()
    look = measure(work, cost)
    if look.peak - floor > MORE * (base + slope * cost) + NOISE:
        return None
    measurements = tuple(
        Measurement(cost=cost, peak=floor + peak, seconds=time) for cost, peak, time in rungs
    )
    single = len(measurements) == 1 and int(kept["most"]) > 1
    limited = single or fit(measurements).peak(2 * measurements[-1].cost) > before
    if limited and ceiling - fixed > before:
        return None  # there is room for more than was tried then
    asked = tuple(one for one in measurements if one.cost <= most * cost) or measurements[:1]
    return Climb(line=Line(floor + base, slope), measurements=asked, floor=floor, late=late)
