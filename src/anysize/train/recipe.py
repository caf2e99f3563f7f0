"""A recipe: everything that determines a training run, in one validated object and one file."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from anysize.core.errors import ConfigurationError
from anysize.train.toml import dumps, read

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["constant", "linear", "cosine", "one-cycle"]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "sgd"),
    "schedule": ("constant", "linear", "cosine", "one-cycle"),
    "merge": ("mean", "max", "attention"),
    "tiles": ("auto", "always", "never"),
    "precision": ("auto", "bfloat16", "float32"),
}
# (field, smallest, whether the smallest itself is allowed, largest)
_RANGES: tuple[tuple[str, float, bool, float], ...] = (
    ("epochs", 0, False, 1e6),
    ("steps", 1, True, 2**53),
    ("minutes", 0, False, 1e7),
    ("batch", 1, True, 1 << 24),
    ("learning_rate", 0, False, 1e3),
    ("weight_decay", 0, True, 1e3),
    ("momentum", 0, True, 0.9999),
    ("warmup", 0, True, 0.9999),
    ("clip", 0, True, 1e9),
    ("label_smoothing", 0, True, 0.9999),
    ("ema", 0, True, 0.999999),
    ("window", 4, True, 1 << 24),
    ("overlap", 0, True, 1 << 24),
    ("tile", 1, True, 1 << 20),
    ("workers", 1, True, 4096),
    ("loaders", 0, True, 1024),
    ("memory", 1 << 20, True, 1 << 60),
    ("micro_cost", 0, True, 1 << 50),
    ("seed", 0, True, 2**63 - 1),
    ("validate_every", 1, True, 2**53),
    ("patience", 0, True, 1e9),
    ("checkpoint_steps", 0, True, 2**53),
    ("checkpoint_seconds", 0, True, 1e9),
    ("log_every", 1, True, 2**53),
    ("validation", 0, True, 0.9999),
    ("test", 0, True, 0.9999),
)
_LIMITS = ("epochs", "steps", "minutes")
# What may change between a run and its resumption without changing what is learned.
_FREE = frozenset(
    {
        "out", "epochs", "steps", "minutes", "workers", "loaders", "memory", "micro_cost",
        "patience", "validate_every", "checkpoint_steps", "checkpoint_seconds", "log_every",
        "strict", "trace", "compile", "precision", "tensorboard",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that determines a run. ``None`` means: chosen by the kind of model.

    Attributes:
        task: the task's name.
        data: file or folder of the training data.
        model: model spec.
        out: folder of the run.
        columns: column of the data for each role (``{"text": "review"}``).
        labels: class names in the order of the logits; None takes them from the data.
        encoding: of text files and tables.
        options: options of the model family.
        epochs, steps, minutes: the limit of the run; at most one. An epoch may be a fraction.
        batch: records an optimizer step, over all workers.
        learning_rate: the highest of the schedule.
        optimizer: ``adamw`` or ``sgd`` (with ``momentum``, Nesterov).
        weight_decay: decoupled for ``adamw``; never applied to biases and norms.
        schedule: ``constant``, ``linear`` or ``cosine`` to zero, or ``one-cycle``.
        warmup: part of the run over which the learning rate rises.
        clip: largest norm of the gradient; 0 does not clip.
        label_smoothing: probability mass spread over all classes.
        ema: decay of the averaged weights that are validated and saved; 0 switches it off.
        merge: how a record's windows are pooled.
        window, overlap: tokens of a text window and tokens that neighbours share.
        image_size: ``(width, height)`` of the model's input.
        tiles, tile: when pictures are cut into tiles, and a tile's side in pixels.
        augment: augmentation spec; ``none`` switches it off, ``auto`` is the modality's default.
        precision: ``auto`` computes in bfloat16 where the processor has it.
        workers: processes that share the work on this machine.
        loaders: reader threads a worker; None chooses by the cores.
        memory: budget in bytes of all processes together; None leaves it to the machine.
        micro_cost: tokens or pixels that go through the model at once; 0 leaves it to the planner.
        seed: of everything random.
        validate_every: steps between validations; None is once an epoch.
        patience: validations without improvement after which the run stops; 0 never does.
        checkpoint_steps, checkpoint_seconds: when the last checkpoint is renewed; 0 is not by
            steps (by time).
        log_every: steps between lines of ``training.jsonl``.
        compile: whether ``torch.compile`` is used.
        validation, test: parts of the records kept out of training where the data has no
            splits of its own.
        strict: stop at the first record that cannot be read.
        trace: file that gets one line per step with the records that it used.
        tensorboard: write TensorBoard scalars to the run's folder.
    """

    task: str
    data: str
    model: str
    out: str
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    options: Mapping[str, str] = field(default_factory=dict)
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch: int | None = None
    learning_rate: float | None = None
    optimizer: str | None = None
    weight_decay: float | None = None
    momentum: float = 0.9
    schedule: str | None = None
    warmup: float | None = None
    clip: float | None = None
    label_smoothing: float | None = None
    ema: float = 0.0
    merge: str = "mean"
    window: int | None = None
    overlap: int | None = None
    image_size: tuple[int, int] | None = None
    tiles: str = "auto"
    tile: int | None = None
    augment: str = "auto"
    precision: str = "auto"
    workers: int = 1
    loaders: int | None = None
    memory: int | None = None
    micro_cost: int = 0
    seed: int = 0
    validate_every: int | None = None
    patience: int = 0
    checkpoint_steps: int = 0
    checkpoint_seconds: float = 60.0
    log_every: int = 10
    compile: bool = False
    validation: float = 0.1
    test: float = 0.1
    strict: bool = False
    trace: str | None = None
    tensorboard: bool = True

    def __post_init__(self) -> None:
        problems = [*_type_problems(self), *_value_problems(self)]
        if problems:
            raise ConfigurationError(problems)

    def to_toml(self) -> str:
        """The recipe as a TOML document; fields that are None are left out."""
        entries = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return dumps({name: value for name, value in entries.items() if value is not None})

    def write(self, path: str | Path) -> None:
        """Writes the recipe as TOML."""
        Path(path).write_text(self.to_toml(), encoding="utf-8")

    def differences(self, other: Recipe) -> list[str]:
        """What stands against resuming ``other`` with this recipe, one sentence each."""
        return [
            f"{item.name} is {getattr(self, item.name)!r}, but the run was started with "
            f"{getattr(other, item.name)!r}"
            for item in dataclasses.fields(self)
            if item.name not in _FREE and getattr(self, item.name) != getattr(other, item.name)
        ]


def load(path: str | Path) -> Recipe:
    """Reads a recipe from a TOML file.

    Raises:
        DataError: the file cannot be read or is not TOML.
        ConfigurationError: unknown, missing or wrong fields, all reported at once.
    """
    entries = read(path)
    return from_mapping(entries, origin=str(path))


def from_mapping(entries: Mapping[str, Any], origin: str) -> Recipe:
    """Makes a recipe of plain values (as from TOML or JSON)."""
    known = {item.name: item for item in dataclasses.fields(Recipe)}
    problems = [
        f"{origin}: {name!r} is not a recipe field; known: {', '.join(known)}"
        for name in entries
        if name not in known
    ]
    problems += [
        f"{origin}: {name} is missing and has no default"
        for name, item in known.items()
        if name not in entries
        and item.default is dataclasses.MISSING
        and item.default_factory is dataclasses.MISSING
    ]
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in entries.items()
        if name in known
    }
    # With a required field missing, the given ones are still checked: all faults in one go.
    required = ("task", "data", "model", "out")
    stand_ins: dict[str, Any] = {name: "-" for name in required if name not in values}
    try:
        recipe = Recipe(**{**values, **stand_ins})
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    if problems:
        raise ConfigurationError(problems)
    return recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Defaults:
    """What a kind of model is trained with unless the recipe says otherwise."""

    epochs: float
    batch: int
    learning_rate: float
    optimizer: Optimizer
    weight_decay: float
    schedule: Schedule
    warmup: float
    clip: float
    label_smoothing: float


_DEFAULTS: Mapping[tuple[str, bool], _Defaults] = {
    # By role, and whether the weights are pretrained.
    ("text", True): _Defaults(
        epochs=3, batch=32, learning_rate=5e-5, optimizer="adamw", weight_decay=0.01,
        schedule="linear", warmup=0.08, clip=1.0, label_smoothing=0.0,
    ),
    ("text", False): _Defaults(
        epochs=8, batch=32, learning_rate=1e-3, optimizer="adamw", weight_decay=0.05,
        schedule="cosine", warmup=0.05, clip=1.0, label_smoothing=0.0,
    ),
    ("image", True): _Defaults(
        epochs=5, batch=32, learning_rate=1e-4, optimizer="adamw", weight_decay=0.05,
        schedule="cosine", warmup=0.08, clip=1.0, label_smoothing=0.1,
    ),
    ("image", False): _Defaults(
        epochs=20, batch=128, learning_rate=2e-3, optimizer="adamw", weight_decay=0.05,
        schedule="one-cycle", warmup=0.25, clip=1.0, label_smoothing=0.1,
    ),
}  # fmt: skip
_SGD_RATES: Mapping[tuple[str, bool], float] = {
    ("text", True): 1e-2, ("text", False): 0.1, ("image", True): 1e-2, ("image", False): 0.1,
}  # fmt: skip


def resolve(recipe: Recipe, *, role: str, pretrained: bool) -> Recipe:
    """Fills in what the recipe leaves to the kind of model.

    Args:
        recipe: what the user asked for.
        role: ``text`` or ``image``.
        pretrained: whether the weights are fine-tuned rather than drawn.
    """
    defaults = _DEFAULTS[role, pretrained]
    chosen: dict[str, Any] = {
        item.name: getattr(defaults, item.name)
        for item in dataclasses.fields(defaults)
        if item.name != "epochs" and getattr(recipe, item.name) is None
    }
    if recipe.optimizer == "sgd" and recipe.learning_rate is None:
        chosen["learning_rate"] = _SGD_RATES[role, pretrained]
    if recipe.epochs is None and recipe.steps is None and recipe.minutes is None:
        chosen["epochs"] = float(defaults.epochs)
    return dataclasses.replace(recipe, **chosen)


def _value_problems(recipe: Recipe) -> list[str]:
    problems: list[str] = []
    problems += [
        f"{name} must not be empty"
        for name in ("task", "data", "model", "out")
        if getattr(recipe, name) == ""
    ]
    for name, choices in _CHOICES.items():
        value = getattr(recipe, name)
        if isinstance(value, str) and value not in choices:
            problems.append(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    for name, smallest, included, largest in _RANGES:
        value = getattr(recipe, name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        # A comparison with not-a-number is false, so it is refused as well.
        enough = value >= smallest if included else value > smallest
        if not (enough and value <= largest):
            bound = "at least" if included else "above"
            problems.append(
                f"{name} must be {bound} {smallest:g} and at most {largest:g}, not {value!r}"
            )
    limits = [name for name in _LIMITS if getattr(recipe, name) is not None]
    if len(limits) > 1:
        problems.append(f"only one of epochs, steps and minutes can limit a run, not {limits}")
    if isinstance(recipe.image_size, tuple) and (
        len(recipe.image_size) != 2 or min(recipe.image_size) < 1
    ):
        problems.append(
            f"image_size must be width and height of at least 1 pixel, not {recipe.image_size!r}"
        )
    both = isinstance(recipe.window, int) and isinstance(recipe.overlap, int)
    if both and recipe.overlap >= recipe.window - 2:  # type: ignore[operator]
        problems.append(
            f"overlap must be below window - 2 ({recipe.window - 2}), "  # type: ignore[operator]
            f"not {recipe.overlap}"
        )
    if recipe.labels is not None and len(set(recipe.labels)) != len(recipe.labels):
        problems.append(f"labels must differ from each other, not {recipe.labels!r}")
    shares = (recipe.validation, recipe.test)
    if all(isinstance(share, int | float) for share in shares) and sum(shares) >= 1:
        problems.append(
            "validation and test together must leave records for training, not "
            f"{recipe.validation:g} + {recipe.test:g}"
        )
    return problems


def _type_problems(recipe: Recipe) -> list[str]:
    hints = typing.get_type_hints(Recipe)
    return [
        f"{name} must be {_described(hint)}, not {value!r}"
        for name, hint in hints.items()
        if not _fits(value := getattr(recipe, name), hint)
    ]


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, item) for item in arguments)
    if origin is tuple:
        inner = arguments[0]
        return isinstance(value, tuple) and all(_fits(item, inner) for item in value)
    if origin is not None:
        return isinstance(value, Mapping) and all(
            isinstance(item, str) for pair in value.items() for item in pair
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _described(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return _described(next(item for item in arguments if item is not types.NoneType))
    if origin is tuple:
        return "a list of numbers" if arguments[0] is int else "a list of texts"
    if origin is not None:
        return "a table of texts"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint]


def completed(recipe: Recipe, before: Recipe) -> Recipe:
    """Fills in what ``recipe`` leaves open from the resolved recipe of the run it resumes.

    The limit is taken over only where the recipe sets none itself.
    """
    limited = any(getattr(recipe, name) is not None for name in _LIMITS)
    chosen = {
        item.name: getattr(before, item.name)
        for item in dataclasses.fields(recipe)
        if getattr(recipe, item.name) is None and not (limited and item.name in _LIMITS)
    }
    if recipe.micro_cost == 0:
        chosen["micro_cost"] = before.micro_cost
    return dataclasses.replace(recipe, **chosen)
