"""A handful of short inputs: there is nothing to plan."""

from __future__ import annotations

from pathlib import Path

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.core.memory import bound_heap, bound_kernels, format_size, resident
from anysize.core.records import Source
from anysize.core.running import is_packed, is_ragged
from anysize.core.steps import ONE_RUN, Step, generation_options
from anysize.modalities import modality_of
from anysize.models.network import Network
from anysize.planning.candidates import candidates_for
from anysize.planning.prediction import PredictionPlan
from anysize.planning.sampling import estimated_cost
from anysize.sources import ColumnSpec

_RECORDS = 64
_WINDOWS = 8
# Some windows of any model that reads so little at once stay far below this.
_ROOM = 1 << 30
# What a generator's cache may take of it.
_CACHE = _ROOM // 4


def handful(source: Source, network: Network, windowed: ColumnSpec) -> int | None:
    """The cost of all records, about, where they are few and short; else None.

    Args:
        source: what will be predicted.
        network: whose windows they are counted in.
        windowed: the column of the field that is windowed.
    """
    if len(source) > _RECORDS:
        return None
    most = _WINDOWS * network.settings.whole
    slow = modality_of(network.settings).reads_slowly
    if slow and len(source) > _WINDOWS:
        return None
    cost = 0
    for index in range(len(source)):
        try:
            cost += int(estimated_cost(source, index, windowed))
        except DataError:
            continue
        if cost > most and not slow:
            return None
    return max(cost, 1)


def straight_plan(
    network: Network,
    cost: int,
    *,
    memory: int,
    runtime: str = "auto",
    precision: str = "auto",
    folder: Path | None = None,
    loaders: int | None = None,
    step: Step = ONE_RUN,
) -> PredictionPlan | None:
    """A plan without a probe; None where the budget leaves no room to spare, so that one is needed.

    Args:
        network: loaded.
        cost: of all records together; see `handful`.
        memory: budget of this process in bytes.
        runtime: see ``plan_prediction``.
        precision: the same.
        folder: the bundle, where compiled forms are kept.
        loaders: reader threads.
        step: what is done with a batch.
    """
    settings = network.settings
    window = step.cost(settings.whole)
    costs = modality_of(settings).costs
    if window > costs.straight:
        return None
    options = generation_options(step)
    candidate = candidates_for(
        network, runtime, precision, folder, needs=step.needs, options=options
    )[0]
    if resident() + candidate.opening + _ROOM > memory:
        return None
    bound_heap()
    if settings.varying:
        bound_kernels()
    opened = candidate.open()
    # What is generated comes on top of what was read, for each record.
    wanted = cost if window == settings.whole else costs.enough
    budget = max(min(wanted, costs.enough), window)
    cached = getattr(opened, "token_bytes", 0)
    if cached:
        # Every row more that is generated beside others is nearly free.
        budget = max(min(costs.most, _CACHE // cached), budget)
    if cached * budget > _CACHE:
        opened.close()
        return None
    return PredictionPlan(
        batches=BatchPlan(
            budget=budget,
            packed=is_packed(opened),
            ragged=is_ragged(opened),
            most=max(budget // 4, 1),
        ),
        loaders=loaders or 0,
        runtime=opened.name,
        precision=opened.precision,
        memory=memory,
        predicted_peak=resident() + _ROOM,
        window=window,
        work=_ROOM // 2,
        reading=0,
        scope=0,
        why=(
            f"{opened.name} {opened.precision}, a few inputs at once: with "
            f"{format_size(memory)} there is nothing to plan for so few",
        ),
        candidate=candidate,
        opened=[opened],
    )
