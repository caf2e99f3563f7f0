"""How many sequences are worth generating at once.

A step of generation reads one token of each row, and takes the time of reading all weights and of
what is done around them whatever there are of rows: more rows are faster until arithmetic takes
most of the time. A few whole windows do not show where that is, because their long caches take the
time, and how a batch's memory grows with its rows neither. So the step is rehearsed on short
sequences, ever more of them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anysize.core.examples import Example
from anysize.core.files import write_json
from anysize.core.protocols import Opened
from anysize.core.steps import Step, generation_options
from anysize.models.network import Network
from anysize.planning import synthetic
from anysize.planning.climbs import place, rehearsal
from anysize.planning.probe import Line, Measurement, Work, climb

LEAST = 256
"""Rows that are worth it without a measurement."""
MOST = 2048
"""Rows beyond which nothing is measured."""
_FIRST = 8
# Longer prompts take long to read, and what a step reads of the cache grows with each row alike.
_LONGEST = 32
# Rates that differ by less are the same.
_TOLERANCE = 0.04
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a rehearsal of many short sequences found.

    Attributes:
        count: rows beyond which more are not faster, those of all beams.
        line: resident peak by cost, above what was taken before.
    """

    count: int
    line: Line


class Sizes(NamedTuple):
    """Own costs of a job's sequences.

    Attributes:
        typical: their mean.
        longest: the largest that was seen.
    """

    typical: int
    longest: int


def sizes(step: Step, examples: Sequence[Example]) -> Sizes | None:
    """The own costs of a job's sequences, of a step that generates; None of others."""
    if generation_options(step) is None or not examples:
        return None
    costs = [example.cost for example in examples]
    return Sizes(max(int(np.mean(costs)), 1), max(*costs, 1))


def worth(
    step: Step,
    runtime: Opened,
    network: Network,
    own: int,
    *,
    most: int,
    ceiling: int,
    fixed: int,
    seconds: float,
) -> Rows | None:
    """How many rows of a job are worth generating at once; None where nothing could be measured.

    Args:
        step: that generates.
        runtime: with its weights loaded.
        network: whose sequences they are.
        own: cost of a typical one.
        most: sequences of the whole job.
        ceiling: resident bytes that the probe must not pass.
        fixed: bytes that the run will need on top of what the probe sees.
        seconds: of processor time that the probe may take, about.
    """
    options = generation_options(step)
    assert options is not None
    beams = options.beams
    # What has no rehearsal would generate all of their tokens.
    if most * beams <= LEAST or not hasattr(runtime, "rehearse"):
        return None
    # A power of two, so that what was found holds for other jobs.
    size = 1 << (min(own, _LONGEST, network.settings.whole) - 1).bit_length()
    size = min(size, network.settings.whole)
    path = place(step, network, runtime.name, runtime.precision, 1, kind=f"rows-{size}")
    found = _recalled(path, most * beams, ceiling - fixed)
    if found is not None:
        return found
    first = max(_FIRST // beams, 1)

    def of(count: int) -> tuple[Work, int]:
        examples = synthetic.windows_of(network, [size] * count)
        return rehearsal(step, runtime, examples), sum(step.cost(one.cost) for one in examples)

    climbed = climb(
        lambda share: of(first),
        lambda count: of(first * count),
        whole=first * step.cost(size),
        ceiling=ceiling,
        fixed=fixed,
        parts=(1.0,),
        most=max(min(MOST // beams, most) // first, 1),
        enough=_no_longer_faster,
        seconds=seconds,
    )
    if not climbed.measurements:
        return None
    rows = climbed.efficient_cost(_TOLERANCE) // step.cost(size) * beams
    line = Line(climbed.line.base - climbed.floor, climbed.line.slope)
    found = Rows(count=rows, line=line)
    room = ceiling - fixed
    limited = climbed.line.peak(2 * climbed.largest) > room
    _keep(path, found, most * beams, room if limited else None)
    return found


def _no_longer_faster(found: Sequence[Measurement]) -> bool:
    """Whether two doublings brought next to nothing: one of few rows may have been disturbed."""
    if len(found) < 4:
        return False
    rates = [item.cost / item.seconds for item in found]
    return max(rates[-2:]) < (1 + _TOLERANCE) * max(rates[:-2])


def _keep(path: Path, found: Rows, most: int, room: int | None) -> None:
    entries = {
        "format": _FORMAT,
        "most": most,
        "room": room,
        "count": found.count,
        "line": [found.line.base, found.line.slope],
    }
    with contextlib.suppress(OSError):  # then it is measured again
        write_json(path, entries, durable=False)


def _recalled(path: Path, most: int, room: int) -> Rows | None:
    """What was found for a job of as many rows, or more, and no less memory; None if nothing."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] != _FORMAT or min(int(kept["most"]), MOST) < min(most, MOST):
            return None
        if kept["room"] is not None and int(kept["room"]) < room:
            return None
        base, slope = map(float, kept["line"])
        return Rows(count=int(kept["count"]), line=Line(base, slope))
    except (OSError, ValueError, KeyError, TypeError):
        return None
