"""How much goes through a loaded runtime at once: measured, and inside the budget."""

from __future__ import annotations

from dataclasses import dataclass

from anysize.core.batches import BatchPlan
from anysize.core.errors import AnysizeError, BundleError
from anysize.core.memory import bound_heap, bound_kernels, format_size
from anysize.core.plurals import number_of
from anysize.core.protocols import Opened
from anysize.core.running import streams_of
from anysize.core.steps import ONE_RUN, Step
from anysize.modalities import modality_of
from anysize.modalities.parts import Costs
from anysize.modalities.settings import Settings
from anysize.models.network import Network
from anysize.models.opening.errors import sentence
from anysize.planning import budget, climbs, rows, synthetic
from anysize.planning.probe import Climb, Line
from anysize.planning.sequences import sequences_of

# What a stream of its own takes: more falls out of a processor's cache.
_ENOUGH_FOR_STREAM = 1024
# Sorting so many batches together leaves little to pad.
_LOOK_AHEAD = 16
SECONDS = 3.0
"""Of processor time that a probe may take, about."""
# What core.pipeline.examples lets reader threads hold: records under way and windows of each.
READ_AHEAD = 32 * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """What was chosen for a runtime.

    Attributes:
        batches: cost of a batch, look-ahead, most windows.
        loaders: reader threads.
        window: cost of one whole window; batches are never smaller.
        work: bytes that batches need while they run, one in each stream of the runtime.
        predicted_peak: largest resident size that is expected, in bytes.
        whole: whether a larger job would be given the same batches.
        longest: cost of the largest example that there is memory for by itself.
        why: one sentence for each choice.
    """

    batches: BatchPlan
    loaders: int
    window: int
    work: int
    predicted_peak: int
    whole: bool
    longest: int
    why: tuple[str, ...]


def plan_batches(
    runtime: Opened,
    network: Network,
    *,
    step: Step = ONE_RUN,
    memory: int,
    packed: bool,
    total_cost: int | None = None,
    own: rows.Sizes | None = None,
    loaders: int = 0,
    extra: int = 0,
    seconds: float = SECONDS,
) -> Batching:
    """Probes a loaded runtime and chooses the cost of a batch.

    Args:
        runtime: with its weights loaded, in this process.
        network: whose windows it reads.
        step: what is done with a batch.
        memory: budget of this process in bytes.
        packed: whether padding is free for this runtime.
        total_cost: of the whole job by the step, where known; a small job is probed less.
        own: the costs of sequences, where the step generates and the job is known.
        loaders: reader threads that are wished for.
        extra: bytes that readers need on top (decoders, rows of tiles).
        seconds: how long the probe may take, about.

    Raises:
        BudgetError: not even one window fits.
    """
    bound_heap()
    settings = network.settings
    if settings.varying:
        bound_kernels()
    streams = streams_of(runtime)
    window = step.cost(settings.whole)
    most = _most(network, step, total_cost)
    found = _probed(step, runtime, network, memory=memory, extra=extra, most=most, seconds=seconds)
    sequences = sequences_of(
        step, runtime, network, own, total_cost, memory=memory, extra=extra, seconds=seconds
    )
    needs = _Needs(
        found=found,
        rows=None if sequences is None else sequences.line,
        held=synthetic.window_bytes(network) / window,
        # Windows of one size, as pictures are, need no sorting.
        look_ahead=_LOOK_AHEAD if settings.varying else 0,
        streams=streams,
        compiling=settings.varying and (runtime.name, runtime.precision) != ("torch", "float32"),
    )
    loaders, reading, why = _readers(needs, window, memory=memory, loaders=loaders, extra=extra)
    _check(network, needs.peak(window, reading, single=True), memory)
    costs = modality_of(settings).costs
    share = -(-most // streams) if step.needs == "transcribe" else None
    wished = _wished(found, costs, window, most=most, streams=streams, share=share)
    if sequences is not None:
        wished = sequences.wished(wished, window, streams)
    cost = needs.largest(window, wished, memory, reading, exact=sequences is not None)
    windows = _windows(settings, window, cost // window)
    at_once = windows if sequences is None else sequences.shown(cost)
    peak, work = needs.peak(cost, reading), needs.work(cost)
    total = total_cost if sequences is None else sequences.total
    limit = _limit(found, cost, wished, None if total is None else -(-total // streams))
    name = getattr(network.module, "runs_in", runtime.name)
    why.append(f"{name} {runtime.precision}, {at_once} at once{_beside(streams)} ({limit})")
    why.append(
        f"{format_size(found.floor)} are taken already, a batch needs {format_size(work)}: "
        f"{format_size(peak)} of {format_size(memory)}"
    )
    return Batching(
        batches=needs.batches(
            cost, packed=packed, most=None if sequences is None else sequences.ragged
        ),
        loaders=loaders,
        window=window,
        work=work,
        predicted_peak=peak,
        whole=total_cost is None or total_cost >= max(costs.most, wished),
        longest=needs.longest(memory, reading),
        why=tuple(why),
    )


def _most(network: Network, step: Step, total_cost: int | None) -> int:
    """Windows at once that are worth knowing: no more than there are."""
    most = most_windows(network, step)
    if total_cost is None:
        return most
    return max(min(most, -(-total_cost // step.cost(network.settings.whole))), 1)


def _beside(streams: int) -> str:
    """Where there are several batches, how many."""
    return f" in each of {streams} streams" if streams > 1 else ""


def _limit(found: Climb, cost: int, wished: int, share: int | None) -> str:
    """Why a batch is not larger; ``share`` is what each stream has to do, where that is known."""
    if share is not None and cost >= share:
        return "all that there are"
    if cost * 2 <= wished:
        return "all that fits"
    if found.late and cost >= found.largest:
        return "more was not tried, for want of time"
    return "more would not be faster"


def _check(network: Network, least: int, memory: int) -> None:
    """Refuses a budget that one window does not fit into.

    Raises:
        BudgetError: so it is.
    """
    if least > memory:
        what = f"predicting with {network.spec}"
        raise budget.refuse(what, memory, least, 1, ["one window at a time"])


def _readers(
    needs: _Needs, window: int, *, memory: int, loaders: int, extra: int
) -> tuple[int, int, list[str]]:
    """How many reader threads there is room for, the bytes that reading takes, and why."""
    ahead = int(READ_AHEAD * needs.held * window)
    if not loaders:
        return 0, extra, []
    if needs.peak(window, extra + ahead, single=True) > memory:
        return 0, extra, ["no reader threads, to save what they would read ahead"]
    return loaders, extra + ahead, []


def _windows(settings: Settings, cost: int, count: int) -> str:
    """So many windows that cost so much each, in words."""
    size = f"{number_of(count, 'window', 'windows')} of {settings.whole} {settings.unit}"
    if cost > settings.whole:
        size += f" and what is generated from them ({cost} in all)"
    return size


def most_windows(network: Network, step: Step) -> int:
    """Whole windows at once, beyond which nothing is measured."""
    most = modality_of(network.settings).costs.most
    return max(most // step.cost(network.settings.whole), 1)


def _probed(
    step: Step,
    runtime: Opened,
    network: Network,
    *,
    memory: int,
    extra: int,
    most: int,
    seconds: float,
) -> Climb:
    """What batches of rising cost take; see ``planning.probe``.

    Raises:
        BundleError: the runtime cannot run the model at all.
    """
    try:
        return climbs.climb_or_recall(
            step, runtime, network, ceiling=memory, fixed=extra, most=most, seconds=seconds
        )
    except (AnysizeError, MemoryError):
        raise
    except Exception as error:
        # Each library has errors of its own for a model that does not fit its inputs.
        raise BundleError(
            network.spec, f"cannot be run by {runtime.name}: {sentence(error)}"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needs:
    """What prediction takes in memory, by the cost of a batch.

    Attributes:
        found: the probe.
        rows: the same of many short sequences, above its floor, where they are generated.
        held: bytes of inputs for each token or pixel.
        look_ahead: batches that are sorted together.
        streams: batches that run at once.
        compiling: whether shapes vary and each new one may compile kernels.
    """

    found: Climb
    rows: Line | None
    held: float
    look_ahead: int
    streams: int
    compiling: bool

    def work(self, cost: int, *, single: bool = False) -> int:
        """What batches of that cost take while they run, of one example each or of many."""
        floor = self.found.floor
        most = max(self.found.line.peak(self.streams * cost) - floor, 0)
        if self.rows is None or single:
            return most
        return max(most, self.rows.peak(self.streams * cost))

    def peak(self, cost: int, reading: int, *, single: bool = False) -> int:
        """The largest resident size in bytes with batches of that cost, margin included.

        Args:
            cost: of a batch.
            reading: bytes that the readers take.
            single: whether it is one example.
        """
        network = self.found.floor + self.work(cost, single=single)
        spare = budget.margin(
            network - self.found.floor, compiling=self.compiling, compiled=self.found.grown
        )
        # Of a runtime with streams, one batch more than it has is under way.
        waiting = (self.look_ahead + 1) * self.streams * cost * self.held
        return int(network + spare + reading + waiting)

    def largest(self, window: int, wished: int, memory: int, reading: int, *, exact: bool) -> int:
        """The cost of a batch: as many windows as there is memory for, up to what is wished for.

        Args:
            window: cost of one.
            wished: the cost beyond which more is of no use.
            memory: budget in bytes.
            reading: bytes that the readers take.
            exact: whether it may be another number than a power of two of windows.
        """
        cost = window
        while cost * 2 <= wished and self.peak(cost * 2, reading) <= memory:
            cost *= 2
        near = exact and cost < wished < 2 * cost
        return wished if near and self.peak(wished, reading) <= memory else cost

    def batches(self, cost: int, *, packed: bool, most: int | None = None) -> BatchPlan:
        """How examples become batches of that cost; of up to ``most`` of any length, if given."""
        return BatchPlan(
            budget=cost,
            packed=packed,
            ragged=most is not None,
            look_ahead=self.look_ahead * self.streams * cost,
            most=most or max(cost // 4, 1),
        )

    def longest(self, memory: int, reading: int) -> int:
        """The cost of the largest example that fits the budget by itself."""
        low, high = 0, 1 << 40
        if self.peak(high, reading, single=True) <= memory:
            return high
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.peak(middle, reading, single=True) <= memory
            low, high = (middle, high) if fits else (low, middle)
        return low


def _wished(
    found: Climb, costs: Costs, window: int, *, most: int, streams: int, share: int | None
) -> int:
    """The cost of a batch beyond which more is of no use; at least that of a window.

    Args:
        found: the probe.
        costs: of the modality.
        window: cost of one.
        most: windows at once that are worth knowing.
        streams: batches side by side.
        share: windows of each stream, where batches of streams gain by being larger: each step of
            a decoder reads all weights.
    """
    if streams > 1 and share is None:
        return max(min(_ENOUGH_FOR_STREAM, most * window), window)
    efficient = found.efficient_cost() if found.measurements else 0
    wished = max(efficient, min(costs.enough, most * window), window)
    return wished if share is None else min(wished, share * window)
