"""``anysize train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anysize.cli import declared_command, options
from anysize.cli.output import check_out_folder, document, say

if TYPE_CHECKING:
    from anysize.training.recipe import Recipe


def command(
    context: typer.Context,
    task: Annotated[
        str, typer.Argument(help="The task (anysize list tasks), or a RECIPE.toml alone.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Tables or folders, or a pattern such as 'data/*.csv'."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out from its last checkpoint.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Train a model, inside a memory budget; Ctrl-C leaves a checkpoint that --resume takes up."""
    from anysize import api
    from anysize.sources.inputs import check_paths

    recipe = recipe_of(task, data, declared_command.given(context))
    check_paths([recipe.data] if isinstance(recipe.data, str) else recipe.data)
    check_out_folder(Path(recipe.out))
    report = api.train_report(recipe, resume=resume)
    if as_json:
        document(report.to_json())
        return
    say(f"bundle: {report.bundle}")


def recipe_of(task: str, data: list[str] | None, texts: dict[str, str]) -> Recipe:
    """What a command line asks for.

    Args:
        task: the task, or a recipe's file that the options change.
        data: the paths; None or empty where none are given.
        texts: of the options, by their names.

    Raises:
        ConfigurationError: every mistake at once.
    """
    from anysize.training.recipe_defaults import default_model
    from anysize.training.recipe_file import Draft, read

    if task.endswith(".toml"):
        draft = Draft()
        draft.take_file(read(task), task)
    else:
        draft = Draft(task)
        texts = {"out": f"runs/{task}", **texts}
        if "model" not in texts:
            if draft.knows_task():
                texts["model"] = default_model(task)
                say(f"model {texts['model']}, the default for {task}")
            else:
                draft.leave("model")
    if data:
        draft.take_values({"data": data})
    draft.take_texts(texts)
    return draft.recipe()
