"""``anysize plan``."""

from __future__ import annotations

from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import document, out


def command(
    task: Annotated[str, typer.Argument(help="The task, as in: anysize list tasks.")],
    data: Annotated[str, typer.Argument(help="Training data: a table or a folder.")],
    model: Annotated[
        str | None, typer.Option(help="Model spec. Default: a small one for the task.")
    ] = None,
    memory: options.Memory = None,
    workers: Annotated[int, typer.Option(help="Processes that share the work.")] = 1,
    batch: Annotated[int | None, typer.Option(help="Records an optimizer step.")] = None,
    columns: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.Json = False,
) -> None:
    """Say what training would do with a memory budget, and why, without training."""
    from anysize import api
    from anysize.core.memory import parse_size
    from anysize.sources.inputs import check_paths
    from anysize.train.recipe import Recipe
    from anysize.train.recipe_defaults import default_model

    check_paths([data])
    recipe = Recipe(
        task=task,
        data=data,
        model=model or default_model(task),
        out="plan",
        memory=None if memory is None else parse_size(memory),
        workers=workers,
        batch=batch,
        columns=options.pairs(columns, "--columns"),
        encoding=encoding,
    )
    plan = api.plan(recipe)
    if as_json:
        document(plan.to_json())
        return
    if model is None:
        out(f"model {recipe.model}, the default for {task}")
    for line in plan.why:
        out(line)
