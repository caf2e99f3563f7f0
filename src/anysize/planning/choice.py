"""Which runtime a job is run in: the first, or the fastest where that is worth a measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions
from anysize.core.memory import resident, trim
from anysize.core.protocols import Opened
from anysize.core.steps import ONE_RUN, Step, generation_options
from anysize.modalities import modality_of
from anysize.models.network import Network
from anysize.planning import apart
from anysize.planning.climbs import known_rate
from anysize.planning.rows import LEAST
from anysize.planning.sampling import Sample
from anysize.planning.selection import TRIAL, Candidate, keep, known, seconds_each
from anysize.planning.synthetic import shortened

WORTH_SECONDS = 20.0
"""A job that takes less time than trying other runtimes would is not worth the try."""
LONGEST_TRIED = 1024
"""Cost of a sequence that is tried, at most: prompts may be of any length."""
_TRIED_COST = 8192
# Jobs of so many of the largest batches are estimated in the measuring process as well: trying a
# runtime leaves some 100 MiB of its kernels behind.
_LARGE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The runtime for a job.

    Attributes:
        candidate: what was chosen.
        settled: whether a larger job would be given the same.
        opened: the runtime, where it is open already.
        why: sentences.
    """

    candidate: Candidate
    settled: bool = False
    opened: Opened | None = None
    why: tuple[str, ...] = ()


def choose(
    candidates: Sequence[Candidate],
    network: Network,
    seen: Sample | None,
    memory: int,
    *,
    folder: Path | None,
    thorough: bool,
    step: Step = ONE_RUN,
) -> Choice:
    """The runtime for a job: the fastest where that is known or worth a measurement.

    Args:
        candidates: the surest first.
        network: what they run.
        seen: of the job; None chooses the first.
        memory: budget of this process and of those that it starts, in bytes.
        folder: the bundle, where compiled forms are kept.
        thorough: measure even where this job is not worth it.
        step: what is done with the job's windows.
    """
    first = candidates[0]
    if len(candidates) == 1:
        return Choice(candidate=first, settled=True)
    if seen is None or not seen.examples:
        return Choice(candidate=first)

    def fits(candidate: Candidate) -> bool:
        return resident() + candidate.opening + TRIAL <= memory

    if not fits(first):
        why = f"{first.name}, because trying other runtimes takes memory"
        return Choice(candidate=first, settled=True, why=(why,))
    answer = known(candidates, network, step)
    if answer is not None:
        why = f"{' '.join(answer)} was the fastest here when it was measured"
        return _named(candidates, answer, why, fits=fits)
    if not thorough:
        quick = _small_job(first, network, seen, step)
        if quick is not None:
            return quick
    obstacle = apart.obstacle(network, folder, memory)
    if obstacle is not None:
        why = f"{first.name}, because {obstacle}"
        return Choice(candidate=first, settled=True, why=(why,))
    worth = 0.0 if thorough else WORTH_SECONDS / seen.total_cost
    measured = apart.measure(
        network,
        folder,
        candidates,
        _calibration(network, seen, step),
        memory=memory,
        worth=worth,
        step=step,
    )
    if measured is None:
        why = f"{first.name}, because measuring the other runtimes failed"
        return Choice(candidate=first, settled=True, why=(why,))
    if not measured.rates:
        return Choice(candidate=first)
    keep(candidates, network, measured, step)
    unit = network.settings.unit
    rates = ", ".join(f"{key} {rate:,.0f}" for key, rate in measured.rates.items())
    why = f"{measured.name} {measured.precision} is the fastest ({unit} a second: {rates})"
    return _named(candidates, (measured.name, measured.precision), why, fits=fits)


def _small_job(first: Candidate, network: Network, seen: Sample, step: Step) -> Choice | None:
    """The first candidate where a job is too small for a measurement; None where it is not."""
    rate = known_rate(step, network, first.name, first.precision)
    if rate is not None:
        small = seen.total_cost / rate < WORTH_SECONDS
        return Choice(candidate=first) if small else None
    if seen.total_cost >= _LARGE * modality_of(network.settings).costs.most:
        return None
    runtime = first.open()
    try:
        seconds = _estimated_seconds(step, runtime, network, seen)
    except BaseException:
        runtime.close()
        raise
    if seconds < WORTH_SECONDS:
        return Choice(candidate=first, opened=runtime)
    runtime.close()
    trim()
    return None


def _named(
    candidates: Sequence[Candidate],
    answer: tuple[str, str],
    why: str,
    *,
    fits: Callable[[Candidate], bool],
) -> Choice:
    """The candidate of that name and precision, or the first where it does not fit."""
    for candidate in candidates:
        if (candidate.name, candidate.precision) == answer and fits(candidate):
            return Choice(candidate=candidate, settled=True, why=(why,))
    return Choice(candidate=candidates[0], settled=True)


def _estimated_seconds(step: Step, runtime: Opened, network: Network, seen: Sample) -> float:
    """How long the whole job takes with a runtime, from a few windows."""
    few = seen.examples[:4]
    if generation_options(step) is not None:
        few = tuple(shortened(network, few, LONGEST_TRIED))
    return seen.total_cost * seconds_each(step, runtime, few)


def _calibration(network: Network, seen: Sample, step: Step) -> list[Example]:
    """Windows of the job's own sizes, enough for a fair measurement and no more."""
    options = generation_options(step)
    if options is not None:
        return shortened(network, side_by_side(seen, options), LONGEST_TRIED)
    found: list[Example] = []
    total = 0
    most = _TRIED_COST * (16 if "pixels" in seen.examples[0].arrays else 1)
    stride = max(len(seen.examples) // 64, 1)
    for example in seen.examples[::stride]:
        found.append(example)
        total += example.cost
        if total >= most:
            break
    return found


def side_by_side(seen: Sample, options: GenerationOptions) -> list[Example]:
    """As many sequences as the job has, up to two batches, since more at once are faster.

    Args:
        seen: of the job, with at least one example.
        options: how they are generated.
    """
    own = sum(example.cost for example in seen.examples) / len(seen.examples)
    most = max(2 * LEAST // options.beams, 1)
    count = max(min(round(seen.total_cost / max(own, 1)), most), 1)
    return [seen.examples[place % len(seen.examples)] for place in range(count)]
