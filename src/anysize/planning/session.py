"""A loaded model that predicts under its caller's options: plan, run, merge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from anysize import tasks
from anysize.core.errors import ConfigurationError
from anysize.core.pipeline import Position
from anysize.core.predict import predict_stream
from anysize.core.protocols import Settling, Showing
from anysize.core.records import Source
from anysize.core.results import ErrorResult, PartialResult, Result, SettledResult
from anysize.planning.kept import KeptPlans, plan_key
from anysize.planning.options import PredictOptions, adapted, task_asked
from anysize.planning.prediction import PredictionPlan, plan_prediction
from anysize.planning.sampling import Sample, sample
from anysize.planning.straight import handful, straight_plan
from anysize.sources.stream import StreamSource
from anysize.tasks.fields import windowed
from anysize.tasks.protocols import MergeOptions, Task, answering, step_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network


class Session:
    """A network with its card, ready to predict; plans are kept from one prediction to the next.

    Args:
        network: loaded.
        card: task, labels, windows, merge rule.
        folder: the bundle, where compiled forms are kept; None keeps none.
        measuring: whether results are to be measured, and not given to the caller.
    """

    def __init__(
        self,
        network: Network,
        card: Card,
        folder: Path | None = None,
        *,
        measuring: bool = False,
    ) -> None:
        network.ask()
        self.network, self.card, self.folder = network, card, folder
        self.task = tasks.of(card) if measuring else answering(tasks.of(card))
        self._kept = KeptPlans(network)

    @property
    def made_of(self) -> tuple[Network, Card, Path | None]:
        """Network, card and folder."""
        return self.network, self.card, self.folder

    def asked(self, options: PredictOptions) -> tuple[Network, Task]:
        """Network and task with what the caller asks of them."""
        network = adapted(self.network, self.card, options)[0]
        return network, task_asked(self.task, self.card, options)

    def plan(
        self, source: Source | None, options: PredictOptions, *, thorough: bool = False
    ) -> PredictionPlan:
        """Runtime, precision, batch and readers for a source, and why.

        Args:
            source: what will be predicted; None plans for any input.
            options: see ``PredictOptions``.
            thorough: measure the runtimes even where this source is not worth it.
        """
        network, task = self.asked(options)
        seen = _look(network, task, source)
        return self._new_plan(network, task, seen, options, thorough=thorough)

    def _new_plan(
        self,
        network: Network,
        task: Task,
        seen: Sample | None,
        options: PredictOptions,
        *,
        thorough: bool,
    ) -> PredictionPlan:
        return plan_prediction(
            network,
            seen,
            step=step_of(task, network),
            memory=options.budget,
            runtime=options.runtime,
            precision=options.precision,
            folder=self.folder,
            loaders=options.loaders,
            thorough=thorough,
        )

    def _kept_plan(
        self, network: Network, task: Task, source: Source, options: PredictOptions
    ) -> PredictionPlan:
        """The plan that was kept, where it holds for this source, else a new one that is kept."""
        step = step_of(task, network)
        key = plan_key(network, options, step)
        cost = (
            None if isinstance(source, StreamSource) else handful(source, network, windowed(task))
        )
        plan: PredictionPlan | None = None
        if cost is not None:
            plan = self._kept.get(key) or straight_plan(
                network,
                cost,
                step=step,
                memory=options.budget,
                runtime=options.runtime,
                precision=options.precision,
                folder=self.folder,
                loaders=options.loaders,
            )
        if plan is None:
            seen = _look(network, task, source)
            reading = 0 if seen is None else seen.reading
            plan = self._kept.get(key, _cost(seen), reading)
            plan = plan or self._new_plan(network, task, seen, options, thorough=False)
        self._kept.put(key, plan)
        return plan

    def results(
        self,
        source: Source,
        options: PredictOptions,
        *,
        plan: PredictionPlan | None = None,
        keep_first: bool = False,
        on_windows: Callable[[int], None] | None = None,
    ) -> Iterator[Result | ErrorResult]:
        """One result per record, in the order of the source.

        Args:
            source: the records.
            options: see ``PredictOptions``.
            plan: made by ``plan`` for the same source and options; None makes it now.
            keep_first: keep what the first window alone would have answered.
            on_windows: called with how many windows went through the model.

        Raises:
            BudgetError: before work starts, when the budget is too small.
        """
        results = self._results(source, options, plan, keep_first, on_windows, partial=False)
        # Without partial results there are none among the results.
        return cast(Iterator[Result | ErrorResult], results)

    def stream(
        self,
        source: Source,
        options: PredictOptions,
        *,
        plan: PredictionPlan | None = None,
        on_windows: Callable[[int], None] | None = None,
    ) -> Iterator[Result | ErrorResult | PartialResult]:
        """Results in the order of the source, and between them partial ones, as they come.

        Args:
            source: the records.
            options: see ``PredictOptions``.
            plan: made by ``plan`` for the same source and options; None makes it now.
            on_windows: called with how many windows went through the model.

        Raises:
            ConfigurationError: the task has no partial results.
            BudgetError: before work starts, when the budget is too small.
        """
        found = self._results(source, options, plan, False, on_windows, partial=True)
        return cast(Iterator[Result | ErrorResult | PartialResult], found)

    def live(
        self,
        source: StreamSource,
        options: PredictOptions,
        *,
        plan: PredictionPlan | None = None,
        on_windows: Callable[[int], None] | None = None,
    ) -> Iterator[Result | ErrorResult | SettledResult]:
        """What is settled of records without an end, as it comes, and at their ends the rest.

        Args:
            source: the records.
            options: see ``PredictOptions``.
            plan: made by ``plan``; None makes it now.
            on_windows: called with how many windows went through the model.

        Raises:
            ConfigurationError: the task and its merge rule settle nothing before the end.
            BudgetError: before work starts, when the budget is too small.
        """
        found = self._results(source, options, plan, False, on_windows, partial=False, live=True)
        return cast(Iterator[Result | ErrorResult | SettledResult], found)

    def _results(
        self,
        source: Source,
        options: PredictOptions,
        plan: PredictionPlan | None,
        keep_first: bool,
        on_windows: Callable[[int], None] | None,
        *,
        partial: bool,
        live: bool = False,
    ) -> Iterator[Result | ErrorResult | PartialResult | SettledResult]:
        network, merge = adapted(self.network, self.card, options)
        task = task_asked(self.task, self.card, options)
        merging = MergeOptions(rule=merge, keep_first=keep_first)
        new_merger = task.new_merger(self.card.labels, merging)
        if partial and not isinstance(new_merger(""), Showing):
            raise ConfigurationError(
                f"{task.name} has no partial results to stream: a record's prediction is known "
                "when all of it has been read"
            )
        if live and not isinstance(new_merger(""), Settling):
            raise ConfigurationError(
                f"{task.name} with the merge rule {merge} knows its result when all has been read, "
                "and live input has no end: give a file, or --merge timeline where the task has it"
            )
        plan = plan or self._kept_plan(network, task, source, options)
        step = plan.guarded(step_of(task, network))
        stream = source if isinstance(source, StreamSource) else None
        runtime = plan.open_runtime()
        sound = False
        try:
            yield from predict_stream(
                source,
                _in_order(source) if stream is None else stream.positions(),
                task.preprocess(network),
                runtime,
                new_merger,
                plan.batches,
                step=step,
                partial=partial,
                live=live,
                strict=options.strict,
                # Of a stream, nothing is read ahead of what is asked for but a batch.
                loaders=plan.loaders if stream is None else 0,
                on_windows=on_windows,
                at_once=_never if stream is None else stream.slow,
            )
            sound = True
        except GeneratorExit:
            sound = True  # the caller has seen enough
            raise
        finally:
            if sound:
                plan.give_back(runtime)
            else:
                runtime.close()


def _look(network: Network, task: Task, source: Source | None) -> Sample | None:
    """Some records; None of a stream, which can be read only once."""
    if source is None or isinstance(source, StreamSource):
        return None
    return sample(source, task.preprocess(network), windowed(task))


def _in_order(source: Source) -> Iterator[Position]:
    return (Position(index, index) for index in range(len(source)))


def _cost(seen: Sample | None) -> float:
    """Of a whole job; what nobody knows may be any."""
    return math.inf if seen is None else max(seen.total_cost, 1)


def _never() -> bool:
    return False
