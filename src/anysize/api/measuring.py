"""How a loaded model is measured: its own results, or what another model hears of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize.api.labelled import labelled
from anysize.core.findings import Findings
from anysize.core.progress import counted
from anysize.evaluation.choice import checked, evaluator_of, measured
from anysize.evaluation.hearing import judged_task, round_trip, without_recogniser
from anysize.planning.options import PredictOptions, task_asked
from anysize.tasks.abilities import Audible
from anysize.tasks.protocols import Answering, Task

if TYPE_CHECKING:
    from anysize.api.model import Model
    from anysize.evaluation.protocols import Measured


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
    judged = judged_task(model.task)
    audible = isinstance(judged, Audible)
    asked = without_recogniser(options) if audible else options
    source = labelled(model, data, asked, split, findings, judged)
    findings.checked(strict=options.strict)
    checked(evaluator, source)
    session = model.session(measuring=isinstance(model.task, Answering) and not audible)
    task: Task
    if audible:
        task = task_asked(judged, model.card, options)
        network, hears = model.network, cast(Audible, task)
        results = round_trip(session, hears, source, options, on_windows=on_windows)
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
