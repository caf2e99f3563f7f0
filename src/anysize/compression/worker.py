"""The measuring process of one bundle: evaluates it, then runs timed rounds when asked.

Started as ``python -m anysize.compression.worker BUNDLE REQUEST ANSWERS``. It writes one JSON
object a line to standard output: first what the evaluation gave (and the answers, record by record,
to the file ``ANSWERS``), then, for every line that it reads, the times of a round. The judge keeps
several of them waiting and lets them run in turns, so that a change of the machine's speed meets
all alike.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from anysize import tasks
from anysize.compression import calibration
from anysize.compression.request import Judging
from anysize.core import memory
from anysize.core.batches import BatchPlan, cut
from anysize.core.errors import AnysizeError, DataError
from anysize.core.examples import Example
from anysize.core.protocols import Opened
from anysize.core.records import Record, Source
from anysize.core.results import ErrorResult, Result
from anysize.core.running import run_through
from anysize.core.steps import Step
from anysize.evaluation.choice import evaluator_of, main_metrics
from anysize.evaluation.hearing import judged_task, round_trip
from anysize.evaluation.paired_sums import Observing, Summing
from anysize.evaluation.protocols import Evaluator
from anysize.models.network import Network
from anysize.models.spec import open_network
from anysize.planning import synthetic
from anysize.planning.options import PredictOptions, task_asked
from anysize.planning.prediction import PredictionPlan, plan_prediction
from anysize.planning.sampling import Sample
from anysize.planning.session import Session
from anysize.scale.child import die_with_launcher
from anysize.tasks.abilities import Audible
from anysize.tasks.protocols import Task, head_of, step_of, target_of
from anysize.tasks.timing import timing_of

_WINDOWS = 256
_SINGLE = 32
_FEWEST = 3
# Short rounds in turns: what disturbs one of a pair disturbs the other.
_ROUND_SECONDS = 0.2


class Answers:
    """Keeps what was answered for each record while the results go by.

    Attributes:
        predictions: place of the predicted label; -1 where it is none of the labels.
        correct: whether it is the record's target.
        values: the predicted number; not-a-number where it is none.
        targets: the true one.
        sums: what each record adds to the metric, where it is one of sums; None where the record
            has no part in it.
    """

    def __init__(
        self, labels: Sequence[str], source: Source, adds: Callable[[Result, Record], Any] | None
    ) -> None:
        self._adds = adds
        self._places = {label: place for place, label in enumerate(labels)}
        self._source = source
        self.predictions: list[int] = []
        self.correct: list[bool] = []
        self.values: list[float] = []
        self.targets: list[float] = []
        self.sums: list[NDArray[np.float64] | None] = []

    def kept(self, results: Iterator[Result | ErrorResult]) -> Iterator[Result | ErrorResult]:
        for ordinal, result in enumerate(results):
            place, right = -1, False
            if isinstance(result, Result) and isinstance(result.prediction, str | list):
                place, right = self._judged(result.prediction, self._source[ordinal].target)
            self.predictions.append(place)
            self.correct.append(right)
            self._note_number(ordinal, result)
            if self._adds is not None:
                self.sums.append(self._added(ordinal, result))
            yield result

    def _added(self, ordinal: int, result: Result | ErrorResult) -> NDArray[np.float64] | None:
        assert self._adds is not None
        if isinstance(result, ErrorResult):
            return None
        with contextlib.suppress(DataError):  # it has no target
            added = self._adds(result, self._source[ordinal])
            return None if added is None else np.asarray(added, np.float64)
        return None

    def _note_number(self, ordinal: int, result: Result | ErrorResult) -> None:
        value = target = math.nan
        if isinstance(result, Result) and isinstance(result.prediction, float):
            value = result.prediction
            with contextlib.suppress(TypeError, ValueError):  # it has no number
                target = float(self._source[ordinal].target)
        self.values.append(value)
        self.targets.append(target)

    def _judged(self, prediction: str | list[Any], target: Any) -> tuple[int, bool]:
        """The place of an answer, and whether it is right; a set of labels is one answer."""
        if isinstance(prediction, str):
            return self._places.get(prediction, -1), prediction == target
        # Without labels a list is of something else, such as objects with their boxes.
        if not isinstance(target, tuple) or not self._places:
            return -1, False
        answer = frozenset(prediction)
        # The same number in every measuring process.
        place = zlib.crc32("\0".join(sorted(answer)).encode()) >> 1
        return place, answer == frozenset(target) & self._places.keys()

    def save(self, path: Path) -> None:
        size = next((len(each) for each in self.sums if each is not None), 0)
        none = np.full(size, np.nan)
        np.savez(
            path,
            predictions=np.array(self.predictions, np.int32),
            correct=np.array(self.correct, np.bool_),
            values=np.array(self.values),
            targets=np.array(self.targets),
            sums=np.array([none if each is None else each for each in self.sums]),
        )


def evaluate(
    session: Session, source: Source, options: PredictOptions, plan: PredictionPlan, answers: Path
) -> dict[str, Any]:
    """The task's metrics on a source; the answers go to a file.

    Returns:
        ``metric`` (the task's main one), ``metrics`` (all that are one number), ``records``, and
        where the metric is a mean over smaller things, ``observed``, how many, and ``unit``.
    """
    evaluator = evaluator_of(session.task)
    # Without a head an answer is no label, also where it is spelled like one.
    labels = session.card.labels if head_of(session.task) else ()
    kept = Answers(labels, source, _adding(evaluator, session.task))
    task = task_asked(session.task, session.card, options)
    if isinstance(task, Audible):
        results = kept.kept(round_trip(session, task, source, options, plan))
    else:
        results = kept.kept(session.results(source, options, plan=plan))
    metrics = main_metrics(
        evaluator, results, card=session.card, source=source, network=session.network,
        task=session.task,
    )  # fmt: skip
    kept.save(answers)
    found: dict[str, Any] = {
        "metric": metrics.get(session.task.main_metric),
        "metrics": metrics,
        "records": len(kept.predictions),
    }
    added = [each for each in kept.sums if each is not None]
    if isinstance(evaluator, Observing) and added:
        found |= {"observed": evaluator.observed(np.sum(added, 0)), "unit": evaluator.OBSERVED}
    return found


def _adding(evaluator: Evaluator, task: Task) -> Callable[[Result, Record], Any] | None:
    """What gives a record's part in the metric; None where the metric is not one of sums."""
    if not isinstance(evaluator, Summing):
        return None

    def added(result: Result, record: Record) -> Any:
        # Where it is said with the result, it is of another model.
        target = target_of(task, record) if result.target is None else result.target
        return None if target is None else evaluator.record_sums(result, target)

    return added


def windows(session: Session, source: Source | None, seed: int) -> list[Example]:
    """What the timed rounds run: windows of the data, or made-up ones."""
    if source is None:
        return synthetic.windows(session.network, _SINGLE)
    return calibration.windows(source, session.task, session.network, count=_WINDOWS, seed=seed)


def timed(
    step: Step, runtime: Opened, examples: Sequence[Example], plan: BatchPlan
) -> dict[str, Any]:
    """One round of the task's step: windows alone, then in the planner's batches.

    Returns:
        ``latencies`` in seconds of single windows, ``throughput`` in windows a second, and
        ``processor`` in windows for each second of processor time.
    """
    latencies: list[float] = []
    for example in examples[:_SINGLE]:
        if len(latencies) > _FEWEST and sum(latencies) > _ROUND_SECONDS:
            break
        started = time.perf_counter()
        for _ in step.answers(runtime, [example]):
            pass
        latencies.append(time.perf_counter() - started)
    batches = cut(examples, plan, step.cost)
    done, started, worked = 0, time.perf_counter(), time.process_time()
    while True:
        for batch in run_through(step, runtime, batches):
            done += len(batch.examples)
        seconds = time.perf_counter() - started
        if seconds >= _ROUND_SECONDS:
            worked = max(time.process_time() - worked, 1e-6)
            return {
                "latencies": latencies,
                "throughput": done / seconds,
                "processor": done / worked,
            }


class Bench:
    """A bundle that has been evaluated and waits for timed rounds.

    Args:
        bundle: its folder.
        judging: the data and the budget.
        answers: the file that takes what was answered, record by record.

    Attributes:
        entries: what the evaluation gave, and what it was run with.
    """

    def __init__(self, bundle: str, judging: Judging, answers: Path) -> None:
        network, card = open_network(bundle)
        own = tasks.of(card)
        session = Session(network, card, Path(bundle), measuring=judged_task(own) is own)
        heard = {"recogniser": judging.recogniser} if judging.recogniser else {}
        options = PredictOptions(memory=judging.memory, of_task=heard)
        source = judging.deciding()
        self.entries: dict[str, Any] = {}
        timing = timing_of(session.task, network)
        measured: PredictionPlan | None = None
        if source is not None or timing is None:
            alike = judging.timed if timing is None else judging.scored
            measured = _planned(session, source, options, alike)
            self.entries["scored"] = [measured.runtime, measured.precision]
        if source is not None and measured is not None:
            self.entries |= evaluate(session, source, options, measured, answers)
        self._examples = windows(session, source, judging.seed)
        self._step = step_of(session.task, network)
        if timing is not None:
            if measured is not None:
                measured.close()
            self._examples = [timing.example(each) for each in self._examples[: timing.most]]
            self._step = timing.step
            self.entries["timed"] = timing.described
            measured = _timed_plan(session, timing.step, self._examples, options, judging.timed)
        assert measured is not None
        self._plan = plan = measured
        self.entries |= {"runtime": plan.runtime, "precision": plan.precision}
        self.entries["runs_in"] = getattr(network.module, "runs_in", plan.runtime)
        self.entries["arithmetic"] = arithmetic(network, plan)
        self._runtime = plan.open_runtime()
        self.round()  # kernels are compiled for each new shape
        self.entries["peak_memory"] = memory.peak()

    def round(self) -> dict[str, Any]:
        """Runs once; see `timed`."""
        return timed(self._step, self._runtime, self._examples, self._plan.batches)


def main(told: TextIO, bundle: str, request: str, answers: str) -> None:
    """See the module."""
    bench = Bench(bundle, Judging.read(Path(request)), Path(answers))
    _tell(told, bench.entries)
    for _ in sys.stdin:
        _tell(told, bench.round())


def _planned(
    session: Session, source: Source | None, options: PredictOptions, alike: tuple[str, str]
) -> PredictionPlan:
    """As the original is run, where that is known and possible; else as it will be used."""
    runtime, precision = alike
    if runtime and session.network.form is None:
        same = dataclasses.replace(options, runtime=runtime, precision=precision)
        with contextlib.suppress(AnysizeError):
            return session.plan(source, same)
    # The longest look pays: this is what the bundle will be run with.
    return session.plan(source, options, thorough=True)


def _timed_plan(
    session: Session,
    step: Step,
    examples: Sequence[Example],
    options: PredictOptions,
    alike: tuple[str, str],
) -> PredictionPlan:
    """The same for work on examples that are at hand, and not what the task is measured by."""
    cost = sum(example.cost for example in examples)
    seen = Sample(
        examples=tuple(examples), record_cost=cost / len(examples), total_cost=cost, reading=0
    )

    def planned(runtime: str, precision: str, *, thorough: bool) -> PredictionPlan:
        return plan_prediction(
            session.network, seen, step=step, memory=options.budget, runtime=runtime,
            precision=precision, folder=session.folder, thorough=thorough,
        )  # fmt: skip

    runtime, precision = alike
    if runtime and session.network.form is None:
        with contextlib.suppress(AnysizeError):
            return planned(runtime, precision, thorough=False)
    return planned("auto", "auto", thorough=True)


def arithmetic(network: Network, plan: PredictionPlan) -> str:
    """Tells what is computed, whatever the numbers are: layers, shapes, and what runs them."""
    if network.form is not None:
        return ""
    shapes = [(name, tuple(item.shape)) for name, item in network.module.state_dict().items()]
    parts = (repr(network.module), shapes, repr(network.settings), plan.runtime, plan.precision)
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _tell(told: TextIO, entries: dict[str, Any]) -> None:
    told.write(json.dumps(entries) + "\n")
    told.flush()


if __name__ == "__main__":
    die_with_launcher()
    # Whatever a library prints must not come between the answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        main(channel, *sys.argv[1:4])
    except AnysizeError as error:
        smallest = getattr(error, "smallest", None)
        _tell(channel, {"error": str(error), "usage": error.exit_code == 2, "smallest": smallest})
