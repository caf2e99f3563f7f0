"""One call of training: start or resume, alone or with workers, and the bundle at the end."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from anysize.core import memory
from anysize.core.errors import ConfigurationError
from anysize.train import checkpoint, preparation
from anysize.train import recipe as recipes
from anysize.train.checkpoint import State
from anysize.train.job import Job, TrainReport
from anysize.train.recipe import Recipe

if TYPE_CHECKING:
    from anysize.train.progress import Display
    from anysize.train.team import Team

RECIPE = "recipe.toml"
REPORT = "report.json"
_MOST_SHOWN = 20


def run(recipe: Recipe, *, resume: bool = False, quiet: bool = False) -> TrainReport:
    """Trains what the recipe says.

    The run's folder gets the bundle, the resolved ``recipe.toml``, ``training.jsonl``,
    ``report.json`` and ``checkpoints/``.

    Args:
        recipe: what to do.
        resume: go on from the last checkpoint in ``recipe.out``; where there is none yet, begin.
            The data and all that determines what is learned must be the same; limits, workers,
            loaders and memory may differ.
        quiet: show no progress.

    Raises:
        ConfigurationError, DataError, BudgetError, MissingExtraError: before any work starts.
        Stopped: a signal ended the run; it can be resumed.
        RunError: the run failed; the last checkpoint stays.
    """
    started = time.monotonic()
    job, state = _resumed(recipe, started, quiet) if resume else (None, State())
    if job is None:
        job = _fresh(recipe, started, quiet)
    job.recipe.write(job.out / RECIPE)
    (job.out / REPORT).unlink(missing_ok=True)
    if job.recipe.workers > 1:
        return _with_workers(job, resume=state.cursor.step > 0)
    from anysize.train.team import alone

    report = work(job, alone(), state)
    assert report is not None
    return report


def work(job: Job, team: Team, state: State) -> TrainReport | None:
    """Trains as one worker; the leader writes the bundle and returns the report.

    Raises:
        Stopped, RunError, DataError: see ``Loop.run``.
    """
    from anysize.train.loop import Loop
    from anysize.train.progress import make_display
    from anysize.train.stopping import StopRequest

    display = make_display(job.quiet or not team.leads)
    with StopRequest().listening() as request:
        try:
            loop = Loop(job, team, dataclasses.replace(state, fingerprint=job.fingerprint),
                        display, request)  # fmt: skip
            ended = loop.run()
            peak = sum(team.gather(memory.peak()))
            report = _report(job, loop.state, ended, peak)
            _tell_failures(report, display)
        finally:
            display.close()
    if not team.leads:
        return None
    _save_bundle(job, loop.state)
    entries = json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
    (job.out / REPORT).write_text(entries, encoding="utf-8")
    return report


def _fresh(recipe: Recipe, started: float, quiet: bool) -> Job:
    out = Path(recipe.out)
    if out.exists() and not out.is_dir():
        raise ConfigurationError(f"out must be a folder, but {out} is a file")
    last = out / "checkpoints" / "last"
    if checkpoint.exists(last) and not (out / REPORT).is_file():
        step = checkpoint.read_state(last).cursor.step
        raise ConfigurationError(
            f"out={str(out)!r} holds a run that stopped after step {step}; go on with --resume, "
            "choose another --out, or delete the folder"
        )
    job = preparation.prepare(recipe, started=started, quiet=quiet)
    for stale in (last.parent, preparation.initial(recipe), out / "tensorboard"):
        shutil.rmtree(stale, ignore_errors=True)
    from anysize.models import bundle

    out.mkdir(parents=True, exist_ok=True)
    bundle.save(preparation.initial(recipe), job.network, job.card)
    return job


def _resumed(recipe: Recipe, started: float, quiet: bool) -> tuple[Job | None, State]:
    """The job and state to go on from; no job where nothing has been committed yet."""
    out = Path(recipe.out)
    last = out / "checkpoints" / "last"
    if not checkpoint.exists(last) or not (out / RECIPE).is_file():
        return None, State()
    before = recipes.load(out / RECIPE)
    after = recipes.completed(recipe, before)
    problems = after.differences(before)
    if problems:
        raise ConfigurationError([f"--resume: {problem}" for problem in problems])
    state = checkpoint.read_state(last)
    return preparation.reopen(after, started=started, quiet=quiet), state


def _with_workers(job: Job, *, resume: bool) -> TrainReport:
    from anysize.scale import local

    recipe, started, quiet = job.recipe, job.started, job.quiet
    del job  # the workers open their own; this process keeps no weights
    memory.trim()
    arguments = [str(Path(recipe.out).absolute()), "--started", repr(started)]
    arguments += ["--resume"] if resume else []
    arguments += ["--quiet"] if quiet else []
    local.launch("anysize.train.worker", arguments, workers=recipe.workers)
    entries = json.loads((Path(recipe.out) / REPORT).read_text(encoding="utf-8"))
    return TrainReport(**entries)


def _report(job: Job, state: State, ended: str, peak: int) -> TrainReport:
    records = len(job.training)
    return TrainReport(
        bundle=str(job.out),
        steps=state.cursor.step,
        records=state.used,
        epochs=state.cursor.epoch + state.cursor.place / records,
        seconds=state.elapsed,
        metric=job.task.main_metric,
        best=None if state.best is None else state.best.metric,
        ended=ended,
        failed=state.failed,
        failures=state.failures,
        peak_memory=peak,
    )


def _save_bundle(job: Job, state: State) -> None:
    from anysize.models import bundle

    metrics = {}
    if state.best is not None:
        metrics = {
            f"validation_{job.task.main_metric}": state.best.metric,
            "validation_loss": state.best.loss,
            "step": state.best.step,
        }
    provenance = {**job.card.provenance, "recipe": dataclasses.asdict(job.recipe)}
    card = dataclasses.replace(job.card, metrics=metrics, provenance=provenance)
    bundle.save(job.out, job.network, card)


def _tell_failures(report: TrainReport, display: Display) -> None:
    if not report.failed:
        return
    display.say(f"{report.failed} records could not be used:")
    for record, problem in list(report.failures.items())[:_MOST_SHOWN]:
        display.say(f"  {problem if problem.startswith(record) else f'{record}: {problem}'}")
    if report.failed > _MOST_SHOWN:
        display.say(f"  and {report.failed - _MOST_SHOWN} more, see {REPORT}")
