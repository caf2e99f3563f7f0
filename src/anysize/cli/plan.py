"""``anysize plan``."""

from __future__ import annotations

from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import document, out


def command(
    task: Annotated[str, typer.Argument(help="The task, as in: anysize list tasks.")],
    data: Annotated[list[str], typer.Argument(help="Training data: tables or folders.")],
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
    from anysize.sources.inputs import check_paths
    from anysize.training.recipe_defaults import default_model

    check_paths(data)
    chosen = model or default_model(task)
    plan = api.plan(
        task,
        data,
        model=chosen,
        memory=memory,
        workers=workers,
        batch=batch,
        columns=options.pairs(columns, "--columns"),
        encoding=encoding,
    )
    if as_json:
        document(plan.to_json())
        return
    if model is None:
        out(f"model {chosen}, the default for {task}")
    for line in plan.why:
        out(line)
