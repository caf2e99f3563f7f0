"""The memory budget of a run: one plan that all workers agree on, kept for resuming."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anysize.core.errors import BudgetError
from anysize.core.files import write_json
from anysize.core.memory import default_budget, format_size
from anysize.modalities import modality_of
from anysize.runtimes.torch import doubtful_bfloat16
from anysize.training.planning import TrainingPlan, plan_training
from anysize.training.probing import faster_in_bfloat16, set_checkpointing

if TYPE_CHECKING:
    from anysize.scale.protocols import Team
    from anysize.training.job import Job
    from anysize.training.pooled import Objective
    from anysize.training.recipe import Recipe

PLAN = "plan.json"
_KEPT_SHARE = 16
_log = logging.getLogger("anysize")


def agree(
    job: Job, objective: Objective, team: Team, loaders: int, *, writable: bool = True
) -> TrainingPlan:
    """The plan of this run.

    A run that is resumed with the same budget and workers takes the plan that it had, so that its
    micro-batches, and with them its weights, are the same to the bit.

    Args:
        job: what is trained.
        objective: as the loop will run it; not run yet.
        team: the workers, who all get the most frugal of their plans.
        loaders: reader threads that are wished for.
        writable: whether the plan may be kept in the run's folder.

    Raises:
        BudgetError: not even one window fits.
    """
    recipe = job.recipe
    path = job.out / PLAN
    key = {
        "memory": recipe.memory, "workers": recipe.workers, "micro_cost": recipe.micro_cost,
        "checkpointing": recipe.checkpointing,
    }  # fmt: skip
    kept = _read(path, key)
    if kept is None:
        objective = _fastest(recipe, objective, team)
        kept = _shared(_own(job, objective, loaders, team), team)
        if team.leads and writable:
            write_json(path, {"for": key, "plan": asdict(kept)})
    if writable:
        leave_recipe(job, team, bfloat16=kept.bfloat16)
    set_checkpointing(objective.network.module, kept.checkpointing)
    return kept


def leave_recipe(job: Job, team: Team, *, bfloat16: bool) -> None:
    """Writes the recipe that a run leaves: it repeats the run, whatever a measurement says then.

    Args:
        job: what is trained.
        team: the workers, of whom one writes.
        bfloat16: the precision that was chosen.
    """
    if team.leads:
        precision = "bfloat16" if bfloat16 else "float32"
        replace(job.recipe, precision=precision).write(job.out / "recipe.toml")


def _fastest(recipe: Recipe, objective: Objective, team: Team) -> Objective:
    """The objective in the faster precision, where only a measurement can show it."""
    doubtful = doubtful_bfloat16(objective.device, objective.network.module)
    if recipe.precision != "auto" or not doubtful:
        return objective
    (chosen, *_) = team.gather(faster_in_bfloat16(objective))
    return replace(objective, bfloat16=chosen)


def _own(job: Job, objective: Objective, loaders: int, team: Team) -> TrainingPlan | BudgetError:
    recipe = job.recipe
    memory = recipe.memory or default_budget()
    states = (2 if recipe.optimizer == "adamw" else 1) + (1 if recipe.ema else 0)
    records = math.ceil((recipe.batch or 1) / recipe.workers)
    settings = objective.network.settings
    most = memory // recipe.workers // _KEPT_SHARE
    keep = modality_of(settings).worth_keeping(job.training, job.task.role, most)
    try:
        plan = plan_training(
            objective,
            memory=memory,
            workers=recipe.workers,
            beside=team.beside,
            states=states,
            step_cost=None if settings.varying else records * settings.whole,
            loaders=loaders,
            may_use_bfloat16=recipe.precision == "auto",
            checkpointing=recipe.checkpointing,
        )
    except BudgetError as error:
        return error
    # What is kept decoded is a comfort: it gets what is left.
    keep = max(min(keep, plan.memory - plan.predicted_peak), 0)
    if not keep:
        return plan
    return replace(
        plan,
        kept=keep,
        predicted_peak=plan.predicted_peak + keep,
        why=(*plan.why, f"{format_size(keep)} more keep decoded {settings.content}"),
    )


def _shared(own: TrainingPlan | BudgetError, team: Team) -> TrainingPlan:
    """What all workers can do; refused where one of them cannot."""
    found: Sequence[TrainingPlan | BudgetError] = team.gather(own)
    refused = [item for item in found if isinstance(item, BudgetError)]
    if refused:
        raise max(refused, key=lambda error: error.smallest)
    return TrainingPlan.agreed([item for item in found if isinstance(item, TrainingPlan)])


def _read(path: Path, key: dict[str, int | str | None]) -> TrainingPlan | None:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if entries["for"] != key:
            return None
        plan = entries["plan"]
        return TrainingPlan(**{**plan, "why": tuple(plan["why"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s cannot be used (%s): planning anew", path, error)
        return None
