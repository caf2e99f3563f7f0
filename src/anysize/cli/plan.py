"""``anysize plan``."""

from __future__ import annotations

from typing import Annotated

import typer

from anysize.cli import declared_command, options
from anysize.cli.output import document, out
from anysize.cli.train import recipe_of


def command(
    context: typer.Context,
    task: Annotated[
        str, typer.Argument(help="The task (anysize list tasks), or a RECIPE.toml alone.")
    ],
    data: Annotated[
        list[str] | None, typer.Argument(help="Training data: tables or folders.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say what training would do with a memory budget, and why, without training."""
    from anysize import api
    from anysize.sources.inputs import check_paths

    recipe = recipe_of(task, data, declared_command.given(context))
    check_paths([recipe.data] if isinstance(recipe.data, str) else recipe.data)
    plan = api.plan(recipe)
    if as_json:
        document(plan.to_json())
        return
    for line in plan.why:
        out(line)
