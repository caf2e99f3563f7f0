"""One call of training: start or resume, alone or with workers, and the bundle at the end."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, cast

from anysize import heads
from anysize.core import locks, memory, plugins
from anysize.core.errors import ConfigurationError
from anysize.core.files import is_same_file, write_json
from anysize.core.locks import only_writer
from anysize.core.plurals import number_of
from anysize.core.problems import Problems
from anysize.core.progress import note, silenced
from anysize.core.progress_display import shown
from anysize.sources.opening import all_matching
from anysize.tasks.fields import reading
from anysize.tasks.protocols import Predicting, head_of
from anysize.training import checkpoint, preparation
from anysize.training.checkpoint import State
from anysize.training.job import Job, TrainReport
from anysize.training.recipe import Recipe, completed
from anysize.training.recipe_file import load
from anysize.training.unwritable import refuse_unwritable

if TYPE_CHECKING:
    from anysize.scale.protocols import Engine, Team
    from anysize.training.loop import Loop
    from anysize.training.planning import TrainingPlan

RECIPE = "recipe.toml"
REPORT = "report.json"
PLAN = "plan.json"
_FOLDERS = ("checkpoints", "initial", "tensorboard")
_MOST_SHOWN = 20
_WORK = "anysize.training.worker:train"

_log = logging.getLogger("anysize")


def run(recipe: Recipe, *, resume: bool = False, quiet: bool = False) -> TrainReport:
    """Trains what the recipe says.

    The run's folder gets the bundle, the resolved ``recipe.toml``, ``training.jsonl``,
    ``report.json`` and ``checkpoints/``.

    Args:
        recipe: what to do.
        resume: go on from the last checkpoint in ``recipe.out``, or begin again a run that was
            stopped before its first. The data and all that determines what is learned must be the
            same; limits, workers, loaders and memory may differ.
        quiet: show no progress.

    Raises:
        ConfigurationError, DataError, BudgetError, MissingExtraError: before any work starts.
        Stopped: a signal ended the run; it can be resumed.
        RunError: the run failed; the last checkpoint stays.
    """
    started = time.monotonic()
    out = Path(recipe.out)
    refuse_unwritable(recipe, RECIPE)
    _check_out(out, resume=resume)
    _check_inputs(recipe, resume=resume)
    with only_writer(out):
        _check_stopped(out, resume=resume)
        _check_weights(recipe)
        engine = cast("Engine", plugins.load("scale", recipe.engine))
        request = {
            "recipe": recipe.to_toml(),
            "elapsed": time.monotonic() - started,
            "resume": resume,
            "quiet": quiet,
        }
        entries = engine.launch(_WORK, request, workers=recipe.workers)
    return TrainReport(**entries)


def begin(recipe: Recipe, *, started: float, resume: bool, quiet: bool) -> tuple[Job, State]:
    """Prepares the run's folder; the leader calls it, before the others `join_in`.

    Args:
        recipe: as the user gave it.
        started: when the run's clock started, by ``time.monotonic()``.
        resume: see `run`.
        quiet: show no progress.

    Returns:
        The job, and the state to go on from.
    """
    out = Path(recipe.out)
    last = out / "checkpoints" / "last"
    if resume and checkpoint.exists(last):
        before = load(out / RECIPE)
        after = completed(recipe, before)
        problems = after.differences(before)
        if problems:
            raise ConfigurationError([f"--resume: {problem}" for problem in problems])
        state = checkpoint.read_state(last)
        job = preparation.reopen(after, started=started, quiet=quiet)
        _check_state(state, before, job)
    else:
        if resume:
            _log.warning("%s was stopped before its first checkpoint: it begins again", out)
        job = preparation.prepare(recipe, started=started, quiet=quiet)
        state = State(run=job.recipe.identity())
        _clear(out)
        from anysize.models import bundle

        bundle.save(preparation.initial(recipe), job.network, job.card)
    job.recipe.write(out / RECIPE)
    (out / REPORT).unlink(missing_ok=True)
    return job, state


def join_in(out: Path, *, started: float, quiet: bool) -> tuple[Job, State]:
    """What `begin` has prepared in the run's folder ``out``, for the other workers."""
    recipe = dataclasses.replace(load(out / RECIPE), out=str(out))
    job = preparation.reopen(recipe, started=started, quiet=quiet)
    return job, checkpoint.read_state(job.last) if checkpoint.exists(job.last) else State()


def work(job: Job, state: State, team: Team) -> TrainReport | None:
    """Trains as one worker; the leader writes the bundle and returns the report.

    Raises:
        Stopped, RunError, DataError: see ``Loop.run``.
    """
    from anysize.training.loop import Loop
    from anysize.training.stopping import StopRequest

    state = dataclasses.replace(state, fingerprint=job.fingerprint)
    quiet = job.quiet or not team.leads
    with StopRequest().listening() as request, silenced(quiet), nullcontext() if quiet else shown():
        for line in job.summary:
            note(line)
        loop = Loop(job, team, state, request)
        ended = loop.run()
        peak = sum(team.gather(memory.peak()))
        report = _report(job, loop, ended, peak)
        _note_failures(report)
    if not team.leads:
        return None
    _save_bundle(job, loop.state)
    write_json(job.out / REPORT, report.to_json())
    _drop_copies(job)
    return report


def make_plan(recipe: Recipe) -> TrainingPlan:
    """What a run would do with its memory budget, and why; writes nothing.

    Raises:
        ConfigurationError, DataError, BudgetError: as `run`.
    """
    from anysize.scale.alone import alone
    from anysize.training.budget import agree
    from anysize.training.machinery import make_objective, readers

    # As far as the launcher of a run gets: it prepares nothing itself.
    measure = getattr(plugins.load("scale", recipe.engine), "beside", None)
    beside = measure(recipe.workers) if measure is not None else 0
    job = preparation.prepare(recipe, started=time.monotonic(), quiet=True)
    team = alone(beside)
    plan = agree(job, make_objective(job, team), team, readers(job.recipe), writable=False)
    fields = ", ".join(f"{name} is {how}" for name, how in reading(job.task).items())
    why = (*plan.why, fields) if fields else plan.why
    return dataclasses.replace(plan, why=why, findings=job.findings.to_json())


def _check_out(out: Path, *, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ConfigurationError(f"out must be a folder, but {out} is a file")
    if resume and not any((out / name).exists() for name in (RECIPE, locks.FILE)):
        raise ConfigurationError(
            f"--resume finds nothing to go on with: {out} holds no run; check --out, or begin a "
            "run without --resume"
        )


def _check_inputs(recipe: Recipe, *, resume: bool) -> None:
    """Refuses a folder for the run in which it would replace what it is made from."""
    out = Path(recipe.out)
    data = all_matching(recipe.data, once=True)
    inputs = [("data", path) for path in data] + [("model", Path(recipe.model))]
    if recipe.teacher:
        inputs.append(("teacher", Path(recipe.teacher)))
    problems = []
    for name, path in inputs:
        if not path.exists() or (resume and name == "model"):
            continue
        parts = [out / folder for folder in _FOLDERS]
        if is_same_file(path, out) or any(_is_inside(path, part) for part in parts):
            problems.append(
                f"out {out} would replace the {name} {path}; an output never replaces an input: "
                "choose another --out"
            )
    if problems:
        raise ConfigurationError(problems)


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _check_stopped(out: Path, *, resume: bool) -> None:
    """What is in the folder already; nobody else writes into it any more."""
    if not resume and (out / REPORT).is_file():
        _log.warning("%s holds a finished run, which this run replaces", out)
    last = out / "checkpoints" / "last"
    if not resume and checkpoint.exists(last) and not (out / REPORT).is_file():
        step = checkpoint.read_state(last).cursor.step
        raise ConfigurationError(
            f"out={str(out)!r} holds a run that stopped after step {step}; go on with --resume, "
            "choose another --out, or delete the folder"
        )


def _check_state(state: State, recipe: Recipe, job: Job) -> None:
    """Refuses a checkpoint of another run or of other data."""
    theirs = (state.run, state.fingerprint)
    for found, own in zip(theirs, (recipe.identity(), job.fingerprint), strict=True):
        if found and found != own:
            raise ConfigurationError(
                f"--resume: the checkpoint in {job.last} belongs to another run (another seed, "
                f"model or data than {job.out / RECIPE} names); choose another --out"
            )


def _check_weights(recipe: Recipe) -> None:
    """Refuses weights that are over the budget by themselves, before they are read."""
    from anysize.planning.budget import refuse_early, weights_size

    refuse_early(
        f"training {recipe.model}",
        memory.default_budget() if recipe.memory is None else recipe.memory,
        weights_size(recipe.model),
        training=not (
            recipe.freeze or recipe.lora or recipe.last_blocks is not None
        ),  # what is frozen has no gradients
        workers=recipe.workers,
        states=1,  # the fewest that an optimizer keeps
    )


def _clear(out: Path) -> None:
    """Removes what an earlier run left that the new one does not write over."""
    for folder in _FOLDERS:
        shutil.rmtree(out / folder, ignore_errors=True)
    (out / PLAN).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def _report(job: Job, loop: Loop, ended: str, peak: int) -> TrainReport:
    state, records = loop.state, len(job.training)
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
        checkpointing=loop.checkpointing,
        findings=job.findings.to_json(),
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
    provenance = {**job.card.provenance, "recipe": job.recipe.flat()}
    card = dataclasses.replace(job.card, metrics=metrics, provenance=provenance)
    if state.best is not None and (own := head_of(job.task)) is not None:
        head = heads.described(own.calibrated(state.best.calibration), job.task.main_metric)
        card = dataclasses.replace(card, head=head)
    elif state.best is not None and isinstance(job.task, Predicting):
        # What the user asked for comes before what was found.
        found = {**state.best.calibration, **card.prediction}
        card = dataclasses.replace(card, prediction=found)
    if job.lora is None:
        bundle.save(job.out, job.network, card)
        return
    from anysize.models import lora

    adapter = lora.Adapter.taken(job.network.module, job.lora, job.card.model)
    lora.merge(job.network.module)
    bundle.save(job.out, job.network, card, add=adapter.write)


def _drop_copies(job: Job) -> None:
    """A finished run keeps what resuming needs, once."""
    if job.lora is None:  # those have gone into the bundle's weights
        shutil.rmtree(preparation.initial(job.recipe), ignore_errors=True)
    checkpoint.share(job.best, job.last)


def _note_failures(report: TrainReport) -> None:
    if not report.failed:
        return
    note(f"{number_of(report.failed, 'record', 'records')} could not be used:")
    for line in Problems(report.failures.items()).lines(_MOST_SHOWN):
        note(f"  {line}")
    if report.failed > len(report.failures):
        note(f"  {REPORT} names the first {len(report.failures)} of them")
