"""Training as functions: ``train``, and ``plan``, which takes the same and does not train."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.api.loading import load
from anysize.api.model import Model
from anysize.core.errors import ConfigurationError
from anysize.core.files import scratch
from anysize.core.progress import silenced
from anysize.tasks.inputs import as_paths
from anysize.tasks.memory_tables import rows_of
from anysize.tasks.spooling import spool, spooled

if TYPE_CHECKING:
    from anysize.training import TrainReport
    from anysize.training.planning import TrainingPlan
    from anysize.training.recipe import Recipe


def train(
    task: str,
    data: Any,
    *,
    model: str | None = None,
    out: str | Path | None = None,
    memory: int | str | None = None,
    resume: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> Model:
    """Trains a model and opens the bundle that it leaves.

    Args:
        task: the task's name.
        data: a table or a folder, a pattern (``data/*.csv``) or a list of these, which are one
            dataset; or a table in memory (a data frame, a dictionary of columns, a list of
            dictionaries, a ``datasets.Dataset``), which is written into ``out/data`` first,
            because workers and a resumed run need it on the disk.
        model: model spec; None takes the task's default.
        out: folder of the run; None is ``runs/TASK``.
        memory: budget of all processes together, in bytes or as ``2GiB``; None is 70 % of
            what the machine has free.
        resume: go on from the last checkpoint of ``out``.
        quiet: show no progress.
        settings: any other field of ``anysize.Recipe``.

    Raises:
        ConfigurationError, DataError, BudgetError: before any work starts.
        RunError: the run failed; the last checkpoint stays.
    """
    folder = Path(out) if out is not None else Path("runs") / task
    rows = rows_of(data)
    place = spooled(folder) if rows is not None else data
    recipe = _recipe(task, place, model, folder, memory, settings)
    if rows is not None:
        spool(rows, folder)
    report = train_report(recipe, resume=resume, quiet=quiet)
    return load(report.bundle)


def train_report(recipe: Recipe, *, resume: bool = False, quiet: bool = False) -> TrainReport:
    """Trains what a recipe says.

    Args:
        recipe: everything that determines the run.
        resume: go on from the last checkpoint of the recipe's ``out``.
        quiet: show no progress.

    Returns:
        Where the bundle is, and what it took.

    Raises:
        ConfigurationError, DataError, BudgetError: before any work starts.
        RunError: the run failed; the last checkpoint stays.
    """
    from anysize.training import run

    with silenced(quiet):
        return run(recipe, resume=resume, quiet=quiet)


def plan(
    task: str | Recipe,
    data: Any = None,
    *,
    model: str | None = None,
    out: str | Path | None = None,
    memory: int | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> TrainingPlan:
    """What training would do with a memory budget, and why, without training.

    Args:
        task: the task's name; or a recipe, alone.
        data: as for ``train``.
        model: the same.
        out: the same; nothing is written to it.
        memory: the same.
        quiet: show no progress.
        settings: any other field of ``anysize.Recipe``.

    Raises:
        ConfigurationError, DataError: they do not fit the task, model or data.
        BudgetError: not even one window at a time fits.
    """
    from anysize.training import make_plan

    with ExitStack() as stack:
        stack.enter_context(silenced(quiet))
        if not isinstance(task, str):
            if settings or not data is model is out is memory is None:
                raise ConfigurationError(
                    "plan takes a recipe alone; change its fields with dataclasses.replace"
                )
            return make_plan(task)
        if data is None:
            raise ConfigurationError("data is missing: give plan the data that train would get")
        rows = rows_of(data)
        if rows is not None:
            folder = stack.enter_context(scratch(None, "plan"))
            spool(rows, folder)
            data = spooled(folder)
        return make_plan(_recipe(task, data, model, out or Path("runs") / task, memory, settings))


def _recipe(
    task: str,
    data: Any,
    model: str | None,
    out: str | Path,
    memory: int | str | None,
    settings: Mapping[str, Any],
) -> Recipe:
    from anysize.training.recipe_defaults import default_model
    from anysize.training.recipe_file import Draft

    paths = as_paths(data)
    draft = Draft(task)
    draft.take_values(
        {
            "data": str(paths) if isinstance(paths, str | Path) else list(map(str, paths)),
            "model": model or default_model(task),
            "out": str(out),
            "memory": memory,
            **settings,
        }
    )
    return draft.recipe()
