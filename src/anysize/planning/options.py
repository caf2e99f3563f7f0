"""What a caller may ask of prediction, checked, and applied to a network."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from anysize import mergers
from anysize.core import memory as memory_sizes
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.near import unknown
from anysize.core.option_values import pairs
from anysize.core.options import Options, declared, option
from anysize.core.renamed import current, takes_earlier_names
from anysize.modalities import foreign, modality_of
from anysize.readers.pages import pages_problems
from anysize.tasks.options import misplaced
from anysize.tasks.prediction import asked, options_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.tasks.protocols import Task


def _size(value: int | str) -> str | None:
    try:
        memory_sizes.parse_size(value)
    except ConfigurationError as error:
        return error.problems[0].removeprefix("memory ")
    return None


def _columns(text: str) -> Mapping[str, str]:
    return pairs(text, "role=column")


def _pages(wish: str | int) -> str | None:
    found = pages_problems(str(wish))
    return found[0].removeprefix("pages ") if found else None


def _plugins(room: str, *others: str) -> Sequence[str]:
    return (*others, *plugins.keys(room))


@dataclass(frozen=True, kw_only=True)
class InputOptions(Options):
    """How inputs are read."""

    table: ClassVar[str] = "input"

    columns: Mapping[str, str] = option(
        {}, parse=_columns, metavar="ROLE=COLUMN,…",
        help="Columns of a table by role, such as text=review,label=stars.",
    )  # fmt: skip
    encoding: str = option("utf-8", help="Encoding of text files, such as gb18030.")
    pages: str | int | None = option(
        None, check=_pages, automatic="as in training", metavar="all|first|N",
        help="Pages or frames of a picture (TIFF, GIF, WebP, PNG, AVIF) that are read; a number: "
        "so many, evenly spread.",
    )  # fmt: skip
    tolerant: bool = option(
        False,
        help="Read damaged pictures and recordings as far as possible; the receipt says so.",
    )
    strict: bool = option(False, help="Stop at the first record that cannot be read.")


@dataclass(frozen=True, kw_only=True)
class WindowOptions(Options):
    """How inputs are cut into windows."""

    table: ClassVar[str] = "windows"

    window: int | None = option(
        None, low=4, automatic="the bundle's",
        help="Tokens of a text, steps of a sequence or samples of a recording that the model reads "
        "at once.",
    )  # fmt: skip
    overlap: int | None = option(
        None, low=0, automatic="the bundle's",
        help="Tokens, steps, samples or pixels that neighbouring windows share.",
    )  # fmt: skip
    tiles: str | None = option(
        None, choices=("auto", "always", "never"), automatic="the bundle's",
        help="When pictures are cut into tiles; auto cuts those more than 4 times larger than the "
        "model's input.",
    )  # fmt: skip
    tile: int | None = option(
        None, low=1, unit="pixels", automatic="the model's input",
        help="Side of a tile, in pixels of the picture; larger tiles are faster and lose what is "
        "small.",
    )  # fmt: skip
    crop: float | None = option(
        None, low=0, automatic="the bundle's", metavar="FRACTION",
        help="Read the centre of a picture that is not tiled: the part of its shorter side, such "
        "as 0.875; 0 reads all of it.",
    )  # fmt: skip
    merge: str | None = option(
        None, choices=mergers.rules, automatic="the bundle's",
        help="How the windows of a record become one result: attention needs a model that was "
        "trained with it, grid gives a result for each window, timeline joins them to events.",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunningOptions(Options):
    """How the model is run."""

    table: ClassVar[str] = "running"

    memory: int | str | None = option(
        None, check=_size, parse=str, metavar="SIZE", automatic="70 % of what the machine has free",
        help="Budget for the peak memory of all processes, in bytes or such as 2GiB.",
    )  # fmt: skip
    runtime: str = option(
        "auto", choices=lambda: _plugins("runtimes", "auto"),
        help="What runs the model; auto takes the fastest, measured.",
    )  # fmt: skip
    precision: str = option(
        "auto", metavar="auto|float32|bfloat16",
        help="Numbers that the model calculates with; auto takes the faster that the processor "
        "has. Compressed bundles have their own.",
    )  # fmt: skip
    loaders: int | None = option(
        None,
        low=0,
        automatic="chosen by measurement",
        formerly="threads",
        help="Reader threads.",
    )


@takes_earlier_names
@dataclass(frozen=True, kw_only=True)
class PredictOptions(RunningOptions, WindowOptions, InputOptions):
    """How to predict. ``None`` and ``auto`` leave the choice to the bundle or the planner.

    The fields are those of ``InputOptions``, ``WindowOptions`` and ``RunningOptions``.

    Attributes:
        of_task: options of the model's task, by name (``{"threshold": 0.5}``); they are declared
            where the task is, and docs/reference/options.md lists them.
    """

    of_task: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def wishes(self) -> dict[str, Any]:
        """What is asked of the windows, of whatever modality; None leaves an option as it is."""
        return {
            "window": self.window,
            "overlap": self.overlap,
            "tiles": self.tiles,
            "tile": self.tile,
            "crop": self.crop,
            "pages": None if self.pages is None else str(self.pages),
            "tolerant": self.tolerant or None,
        }

    @property
    def budget(self) -> int:
        """``memory`` in bytes."""
        if self.memory is None:
            return memory_sizes.default_budget()
        return memory_sizes.parse_size(self.memory)


def with_settings(
    options: PredictOptions | None, settings: Mapping[str, Any], task: Task
) -> PredictOptions:
    """The options with some set otherwise.

    Args:
        options: None takes the defaults.
        settings: by name; fields of ``PredictOptions``, and options of the task.
        task: of the model.

    Raises:
        ConfigurationError: no such option, or a wrong value.
    """
    options = options or usual()
    if not settings:
        return options
    settings = current(PredictOptions, settings)
    common = {item.name for item in dataclasses.fields(PredictOptions)}
    values = {name: value for name, value in settings.items() if name in common}
    foreign_names = settings.keys() - common
    if not foreign_names and "of_task" not in settings:
        return dataclasses.replace(options, **values)
    kind = options_of(task)
    own = {one.name for one in declared(kind)} if kind else set()
    known = sorted(common | own)
    faults = [
        unknown(name, known, f"is not an option of prediction with {task.name}")
        for name in settings
        if name not in known
    ]
    if faults:
        raise ConfigurationError(faults)
    values["of_task"] = {
        **options.of_task,
        **settings.get("of_task", {}),
        **{name: settings[name] for name in settings if name in foreign_names},
    }
    return dataclasses.replace(options, **values)


@functools.cache
def usual() -> PredictOptions:
    """The options where none are given."""
    return PredictOptions()


def task_asked(task: Task, card: Card, options: PredictOptions) -> Task:
    """The task with what the card keeps and the caller asks of it.

    Raises:
        ConfigurationError: an option that the task does not have, or a wrong value.
    """
    return asked(task, {**card.prediction, **options.of_task})


def adapted(network: Network, card: Card, options: PredictOptions) -> tuple[Network, str]:
    """The network with the caller's windows, and the merge rule.

    Raises:
        ConfigurationError: a merge rule that the model was not trained for, or an option of
            another kind of input.
    """
    if problems := foreign(network.settings, options.wishes()):
        raise ConfigurationError(problems)  # an option that would do nothing is a misunderstanding
    modality = modality_of(network.settings)
    wishes = modality.as_options(options.wishes())
    network = dataclasses.replace(network, settings=modality.changed(network, wishes))
    asked_for = {**options.wishes(), "merge": options.merge}
    found = misplaced(card.task, declared(PredictOptions), asked_for)
    if problems := [f"{one.name} {problem}" for one, problem in found]:
        raise ConfigurationError(problems)
    merge = options.merge or card.merge
    if merge == "attention" and network.pool is None:
        raise ConfigurationError(
            "merge 'attention' needs a model trained with it (--merge attention in training)"
        )
    return network, merge
