"""How a loaded model is measured: its own results, or what another model hears of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize.api.hearing import heard, language_of, recogniser_of, without_recogniser
from anysize.api.labelled import labelled
from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.progress import counted
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.choice import evaluator_of, measured
from anysize.planning.options import PredictOptions, task_asked
from anysize.sources.stream import single
from anysize.tasks.abilities import Audible
from anysize.tasks.protocols import Answering, Task, answering

if TYPE_CHECKING:
    from anysize.api.model import Model
    from anysize.evaluation.protocols import Measured
    from anysize.planning.prediction import PredictionPlan
    from anysize.planning.session import Session


def evaluated(
    model: Model,
    data: Any,
    out: str | Path | None,
    options: PredictOptions,
    split: str | None,
    on_windows: Callable[[int], None] | None,
) -> Measured:
    """See ``Model.evaluate``, which this is the work of."""
    evaluator = evaluator_of(task_asked(model.task, model.card, options))
    findings = Findings()
    spoken = answering(model.task)
    audible = isinstance(spoken, Audible)
    asked = without_recogniser(options) if audible else options
    source = labelled(model, data, asked, split, findings, spoken if audible else model.task)
    findings.checked(strict=options.strict)
    session = model.session(measuring=isinstance(model.task, Answering) and not audible)
    task: Task
    if audible:
        task = task_asked(spoken, model.card, options)
        results = _heard(model, task, source, options, on_windows)
        network = model.network
    else:
        results = session.results(source, options, keep_first=True, on_windows=on_windows)
        network, task = session.asked(options)
    results = counted(results, "evaluating", len(source))
    made: dict[str, Any] = {"card": model.card, "network": network, "task": task}
    evaluation = measured(evaluator, results, source=source, **made)
    if hasattr(evaluation, "findings"):
        evaluation = dataclasses.replace(cast(Any, evaluation), findings=tuple(findings))
    if out is not None:
        evaluator.write_report(evaluation, Path(out), card=model.card.to_json(), source=source)
    return evaluation


def _heard(
    model: Model,
    task: Task,
    source: Source,
    options: PredictOptions,
    on_windows: Callable[[int], None] | None,
) -> Iterator[Result | ErrorResult]:
    recogniser = recogniser_of(model, cast(Audible, task), options)
    session, asked = model.session(), without_recogniser(options)
    plan = session.plan(source, asked)
    _open_voice(session, source, asked, plan, task.role)
    results = session.results(source, asked, plan=plan, on_windows=on_windows)
    return heard(results, source, recogniser, language_of(model), options, task.role)


def _open_voice(
    session: Session, source: Source, options: PredictOptions, plan: PredictionPlan, role: str
) -> None:
    """Speaks the first text once, so that opening the voice is not timed with the others."""
    if not len(source):
        return
    with contextlib.suppress(DataError):  # it is named when its turn comes
        first = single(role, "first", source[0].fields[role])
        for _ in session.results(first, options, plan=plan):
            pass
