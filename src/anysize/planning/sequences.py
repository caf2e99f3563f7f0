"""How many sequences of a job are generated at once, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

from anysize.core.protocols import Opened
from anysize.core.running import is_ragged
from anysize.core.steps import Step, generation_options
from anysize.models.network import Network
from anysize.planning import rows
from anysize.planning.probe import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """What a step that generates makes of a job.

    Attributes:
        each: cost of a typical sequence, or where lengths are mixed of the longest.
        total: of all of them.
        most: sequences that are worth generating at once.
        ragged: the same where they are of any length; None where padding takes time.
        line: what so many take; None where it was not measured.
    """

    each: int
    total: int
    most: int
    ragged: int | None
    line: Line | None

    def wished(self, windows: int, window: int, streams: int) -> int:
        """Cost of a batch of each stream, where memory allows it.

        Args:
            windows: what is best by the measurement of whole windows, which says nothing where
                the number of sequences was measured.
            window: cost of one.
            streams: batches side by side.
        """
        least = windows if self.line is None else window
        return max(least, min(self.most * self.each, -(-self.total // streams)))

    def shown(self, cost: int) -> str:
        """How many are in a batch of this cost, in words."""
        return f"about {max(cost // self.each, 1)} sequences of the job's size"


def sequences_of(
    step: Step,
    runtime: Opened,
    network: Network,
    own: rows.Sizes | None,
    total: int | None,
    *,
    memory: int,
    extra: int,
    seconds: float,
) -> Sequences | None:
    """How a job's sequences go together; None where the step does not generate.

    Args:
        step: what is done with them.
        runtime: with its weights loaded.
        network: whose sequences they are.
        own: their own costs, where they are known.
        total: cost of the whole job by the step, where it is known.
        memory: budget of this process in bytes.
        extra: bytes that readers need on top.
        seconds: how long the measurement may take, about.
    """
    if own is None or total is None:
        return None
    options = generation_options(step)
    beams = 1 if options is None else options.beams
    most = -(-total // step.cost(own.typical))
    found = rows.worth(
        step, runtime, network, own.typical, most=most, ceiling=memory, fixed=extra, seconds=seconds
    )
    count = rows.LEAST if found is None else max(found.count, rows.LEAST)
    # Rows of all lengths go together where padding takes no time.
    ragged, count = is_ragged(runtime), -(-count // beams)
    each = step.cost(own.longest if ragged else own.typical)
    return Sequences(
        each=each, total=most * each, most=count, ragged=count if ragged else None,
        line=None if found is None else found.line,
    )  # fmt: skip
