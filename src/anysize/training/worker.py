"""The work of one member of a team that trains; an engine starts it (``scale.protocols``)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.scale.protocols import Member
from anysize.training import recipe_file, session


def train(member: Member, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Trains as a member of a team.

    The leader prepares the run's folder and joins last; the others load what takes long to load,
    wait for it, and open what it has prepared.

    Args:
        member: this worker.
        request: ``recipe`` (as TOML), ``elapsed`` (seconds that the run took before the team was
            launched), ``resume`` and ``quiet``.

    Returns:
        The report, of the leader.
    """
    started = time.monotonic() - request["elapsed"] - member.waited
    recipe, quiet = recipe_file.loads(request["recipe"]), request["quiet"]
    if member.rank == 0:
        resume = request["resume"] or member.attempt > 0
        prepared = session.begin(recipe, started=started, resume=resume, quiet=quiet)
        team = member.join()
    else:
        from anysize.training.loop import warm_up

        warm_up()
        team = member.join()
        prepared = session.join_in(Path(recipe.out), started=started, quiet=quiet)
    report = session.work(*prepared, team)
    return None if report is None else report.to_json()
