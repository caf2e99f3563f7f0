"""``anysize train``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anysize.cli import options
from anysize.cli.output import document, say
from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from anysize.training.recipe import Recipe


def command(
    task: Annotated[
        str, typer.Argument(help="The task (anysize list tasks), or a RECIPE.toml alone.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Tables or folders, or a pattern such as 'data/*.csv'."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A built-in name (anysize list models), a folder or a hub id. Default: a small "
            "one for the task."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run. Default: runs/TASK")] = None,
    epochs: Annotated[float | None, typer.Option(help="Limit: passes over the data.")] = None,
    steps: Annotated[int | None, typer.Option(help="Limit: optimizer steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Limit: minutes of training.")] = None,
    memory: options.Memory = None,
    augment: Annotated[
        str | None, typer.Option(help="Augmentation (anysize list augmentations).")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the work.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="What starts the workers. Default: local, on this machine.")
    ] = None,
    loaders: Annotated[int | None, typer.Option(help="Reader threads a worker.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    batch: Annotated[int | None, typer.Option(help="Records an optimizer step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or sgd.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="constant, linear, cosine or one-cycle.")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Not for biases and norms.")] = None,
    warmup: Annotated[float | None, typer.Option(help="Part of the run with rising rate.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="0 switches it off.")] = None,
    freeze: Annotated[
        str | None,
        typer.Option(help="Parameters that stay as they are, such as '*,!classifier'."),
    ] = None,
    layer_decay: Annotated[
        float | None, typer.Option(help="Learning rate of a layer, as a part of the one above.")
    ] = None,
    ema: Annotated[float | None, typer.Option(help="Decay of averaged weights; 0: off.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Validations without improvement before stopping; 0: never.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, bfloat16 or float32.")] = None,
    compile_model: Annotated[
        bool, typer.Option("--compile", help="Compile the model with torch.compile.")
    ] = False,
    merge: options.Merge = None,
    window: options.Window = None,
    overlap: options.Overlap = None,
    image_size: Annotated[
        str | None, typer.Option(help="The model's input in pixels, such as 224 or 320x240.")
    ] = None,
    tiles: options.Tiles = None,
    tile: options.Tile = None,
    crop: options.Crop = None,
    pages: options.Pages = None,
    tolerant: options.Tolerant = False,
    threshold: options.Score = None,
    nms_iou: options.NmsIou = None,
    progressive: Annotated[
        float | None,
        typer.Option(help="Side of pictures at the start, as a part of the input; 1: off."),
    ] = None,
    columns: options.Columns = None,
    encoding: Annotated[str | None, typer.Option(help="Of text files.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Part kept for validation where the data has no split.")
    ] = None,
    test: Annotated[
        float | None, typer.Option(help="Part kept for testing where the data has no split.")
    ] = None,
    model_options: Annotated[
        str | None, typer.Option(help="Options of the model family, such as hidden=128.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Class names in the order of the outputs, such as no,yes.")
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum of sgd.")] = None,
    clip: Annotated[
        float | None, typer.Option(help="Largest norm of the gradient; 0: not clipped.")
    ] = None,
    micro_cost: Annotated[
        int | None, typer.Option(help="Tokens or pixels through the model at once; 0: planned.")
    ] = None,
    validate_every: Annotated[
        int | None, typer.Option(help="Steps between validations. Default: once an epoch.")
    ] = None,
    checkpoint_steps: Annotated[
        int | None, typer.Option(help="Steps between checkpoints; 0: by time alone.")
    ] = None,
    checkpoint_seconds: Annotated[
        float | None, typer.Option(help="Seconds between checkpoints; 0: by steps alone.")
    ] = None,
    log_every: Annotated[
        int | None, typer.Option(help="Steps between lines of training.jsonl.")
    ] = None,
    tensorboard: Annotated[
        bool | None, typer.Option("--tensorboard/--no-tensorboard", help="TensorBoard scalars.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A trained bundle to learn from besides the targets.")
    ] = None,
    distil_weight: Annotated[
        float | None, typer.Option(help="Share of the teacher's outputs in the loss.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Temperature of the softmax in distillation.")
    ] = None,
    hidden_weight: Annotated[
        float | None, typer.Option(help="Weight of the difference of hidden states; 0: none.")
    ] = None,
    quantization: Annotated[
        Path | None, typer.Option(help="File of ranges for training in int8 arithmetic.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="Part of the weights that become zero while training.")
    ] = None,
    sparsity_pattern: Annotated[
        str | None, typer.Option(help="global, or 2:4 (with a sparsity of 0.5).")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="File that notes which records each step used.")
    ] = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Train a model, inside a memory budget; Ctrl-C leaves a checkpoint that --resume takes up."""
    # First of all, while the options are the only names there are.
    given, problems = _given(locals())

    from anysize import api
    from anysize.sources.inputs import check_paths

    recipe = _recipe(task, given, problems)
    check_paths([recipe.data] if isinstance(recipe.data, str) else recipe.data)
    report = api.train_report(recipe, resume=resume)
    if as_json:
        document(report.to_json())
        return
    say(f"bundle: {report.bundle}")


def _given(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options that the user gave, named and typed as a recipe's fields, and what is wrong."""
    given: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in arguments.items():
        unset = value in (None, []) or (value is False and name not in _SWITCHES)
        if name in _ABOUT_THE_COMMAND or unset:
            continue
        field = _FIELDS.get(name, name)
        try:
            given[field] = _READERS[field](value) if field in _READERS else value
        except ConfigurationError as error:
            problems += error.problems
    return given, problems


def _recipe(task: str, given: dict[str, Any], problems: list[str]) -> Recipe:
    """What the options say, all mistakes reported at once.

    Args:
        task: the task, or a file that the options change.
        given: the options.
        problems: of options that could not be read.
    """
    try:
        recipe = _made(task, given)
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    if problems:
        raise ConfigurationError(problems)
    return recipe


def _made(task: str, given: dict[str, Any]) -> Recipe:
    """From a file and what the options change in it, or from the options alone."""
    from anysize.training.recipe import from_mapping
    from anysize.training.recipe_defaults import default_model
    from anysize.training.toml import read

    if task.endswith(".toml"):
        entries = read(task)
        limits = {"epochs", "steps", "minutes"}
        if limits & given.keys():
            entries = {name: value for name, value in entries.items() if name not in limits}
        return from_mapping(entries | given, origin=task)
    entries = {"task": task, "out": f"runs/{task}"} | given
    if "model" not in given:
        entries["model"] = default_model(task)
        say(f"model {entries['model']}, the default for {task}")
    return from_mapping(entries, origin="command line")


def _bytes(text: str) -> int:
    from anysize.core.memory import parse_size

    return parse_size(text, "--memory")


def _size(text: str) -> tuple[int, int]:
    """``(width, height)`` of ``224`` or ``320x240``."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigurationError(
            f"--image-size must be a side or WIDTHxHEIGHT in pixels, not {text!r}"
        )
    return int(parts[0]), int(parts[-1])


# Arguments that say how the command runs, not what is trained.
_ABOUT_THE_COMMAND = frozenset({"task", "resume", "as_json"})
# Recipe fields whose names are taken in Python, by argument.
_FIELDS: Mapping[str, str] = {"compile_model": "compile", "model_options": "options"}
# Switches that may be turned off as well.
_SWITCHES = frozenset({"tensorboard"})
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "labels": lambda text: [part.strip() for part in text.split(",")],
    "quantization": str,
    "out": str,
    "memory": _bytes,
    "freeze": lambda text: [part.strip() for part in text.split(",")],
    "image_size": _size,
    "columns": lambda text: options.pairs(text, "--columns"),
    "options": lambda text: options.pairs(text, "--model-options"),
    "trace": str,
}
