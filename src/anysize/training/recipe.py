"""A recipe: everything that determines a training run, in one validated object and one file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anysize.core.errors import ConfigurationError
from anysize.core.files import write_text
from anysize.training.recipe_rules import LIMITS, problems
from anysize.training.toml import dumps, read

# What may change between a run and its resumption without changing what is learned.
_FREE = frozenset(
    {
        "out", "epochs", "steps", "minutes", "workers", "engine", "loaders", "memory", "micro_cost",
        "patience", "validate_every", "checkpoint_steps", "checkpoint_seconds", "log_every",
        "strict", "trace", "compile", "precision", "tensorboard",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that determines a run. ``None`` means: chosen by the kind of model.

    Attributes:
        task: the task's name.
        data: file, folder or pattern (``data/*.csv``) of the training data, or several of these.
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
        freeze: names of the parameters that stay as they are, as patterns (``vit.embeddings``,
            ``*.norm*``); a pattern behind ``!`` is trained after all, and the last one that fits
            decides (``["*", "!classifier"]``).
        layer_decay: factor of the learning rate from each layer to the one below it; 1 trains all
            layers alike.
        ema: decay of the averaged weights that are validated and saved; 0 switches it off.
        merge: how a record's windows are pooled.
        window, overlap: tokens of a text window and tokens that neighbours share.
        image_size: ``(width, height)`` of the model's input.
        tiles, tile: when pictures are cut into tiles, and a tile's side in pixels.
        crop: how much of a picture that is not tiled is read in validation and afterwards, as a
            part of its shorter side; 0 reads all of it, None is what the weights are used to.
        pages: which pages or frames of a picture are read: ``all``, ``first``, or a number: so
            many, evenly spread.
        tolerant: read damaged pictures as far as possible.
        threshold: of object-detection, the lowest score of an object in a prediction; kept with the
            model. None is 0.25.
        nms_iou: of object-detection, the overlap (intersection over union) above which the weaker
            of two objects of a class is suppressed; kept with the model. None is 0.6.
        progressive: side of training pictures at the start, as a part of the model's input; it
            grows to the whole over the first 60 % of the run; 1 switches it off.
        augment: augmentation spec; ``none`` switches it off, ``auto`` is the modality's default.
        precision: ``auto`` computes in bfloat16 where the processor has it.
        workers: processes that share the work.
        engine: what starts the workers and connects them: ``local`` on this machine, or one that a
            plug-in brings.
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
        teacher: a trained bundle that the model learns from besides the targets (distillation, see
            ``training.distillation``); None has none.
        distil_weight: share of the loss that goes by the teacher's outputs, the rest by the
            targets.
        temperature: of the softmax of both, in classification.
        hidden_weight: weight of the difference between hidden states; 0 compares none.
        quantization: file of ranges that the network computes in int8 with while it is trained (see
            ``models.fake_quantization``); None computes as usual.
        sparsity: part of the weights of linear layers and convolutions that become zero while
            training, the smallest first; 0 prunes none. See ``training.sparsity``.
        sparsity_pattern: ``global`` prunes the smallest of all layers together, gradually; ``2:4``
            two of every four neighbours along the inputs, with a sparsity of 0.5.
        strict: stop at the first record that cannot be read.
        trace: file that gets one line per step with the records that it used.
        tensorboard: write TensorBoard scalars to the run's folder.
    """

    task: str
    data: str | tuple[str, ...]
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
    freeze: tuple[str, ...] = ()
    layer_decay: float = 1.0
    ema: float | None = None
    merge: str = "mean"
    window: int | None = None
    overlap: int | None = None
    image_size: tuple[int, int] | None = None
    tiles: str = "auto"
    tile: int | None = None
    crop: float | None = None
    pages: str | None = None
    tolerant: bool = False
    threshold: float | None = None
    nms_iou: float | None = None
    progressive: float | None = None
    augment: str = "auto"
    precision: str = "auto"
    workers: int = 1
    engine: str = "local"
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
    teacher: str | None = None
    distil_weight: float = 0.5
    temperature: float = 2.0
    hidden_weight: float = 1.0
    quantization: str | None = None
    sparsity: float = 0.0
    sparsity_pattern: str = "global"
    strict: bool = False
    trace: str | None = None
    tensorboard: bool = True

    def __post_init__(self) -> None:
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        found = problems(values, typing.get_type_hints(type(self)))
        if found:
            raise ConfigurationError(found)

    def to_toml(self) -> str:
        """The recipe as a TOML document; fields that are None are left out."""
        entries = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return dumps({name: value for name, value in entries.items() if value is not None})

    def write(self, path: str | Path) -> None:
        """Writes the recipe as TOML."""
        write_text(Path(path), self.to_toml())

    def identity(self) -> str:
        """A digest of all that must stay as it is while a run is resumed."""
        values = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.name not in _FREE
        }
        # TOML and the command line do not agree on what is an integer.
        plain = json.loads(json.dumps(values, default=list), parse_int=float)
        text = json.dumps(plain, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

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


def loads(text: str) -> Recipe:
    """Reads what ``Recipe.to_toml`` gave."""
    return from_mapping(tomllib.loads(text), origin="recipe")


def from_mapping(entries: Mapping[str, Any], origin: str) -> Recipe:
    """Makes a recipe of plain values (as from TOML or JSON)."""
    known = {item.name: item for item in dataclasses.fields(Recipe)}
    faults = [
        f"{origin}: {name!r} is not a recipe field; known: {', '.join(known)}"
        for name in entries
        if name not in known
    ]
    faults += [
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
    match values.get("data"):
        case (only,):
            values["data"] = only
    # With a required field missing, the given ones are still checked: all faults in one go.
    required = ("task", "data", "model", "out")
    stand_ins: dict[str, Any] = {name: "-" for name in required if name not in values}
    try:
        recipe = Recipe(**{**values, **stand_ins})
    except ConfigurationError as error:
        raise ConfigurationError([*faults, *error.problems]) from None
    if faults:
        raise ConfigurationError(faults)
    return recipe


def completed(recipe: Recipe, before: Recipe) -> Recipe:
    """Fills in what ``recipe`` leaves open from the resolved recipe of the run it resumes.

    The limit is taken over only where the recipe sets none itself.
    """
    limited = any(getattr(recipe, name) is not None for name in LIMITS)
    chosen = {
        item.name: getattr(before, item.name)
        for item in dataclasses.fields(recipe)
        if getattr(recipe, item.name) is None and not (limited and item.name in LIMITS)
    }
    if recipe.micro_cost == 0:
        chosen["micro_cost"] = before.micro_cost
    return dataclasses.replace(recipe, **chosen)
