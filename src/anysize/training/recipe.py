"""A recipe: everything that determines a training run, in one checked object."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.files import write_text
from anysize.core.near import unknown
from anysize.core.options import (
    REQUIRED,
    Declared,
    Naming,
    Options,
    by_field,
    declared,
    option,
    problems,
)
from anysize.models.options import ModelOptions
from anysize.sources.options import DataOptions
from anysize.training.lora_options import LoraOptions
from anysize.training.options import (
    LIMITS,
    CompressionOptions,
    DistillationOptions,
    LimitOptions,
    OptimizationOptions,
    RunOptions,
)

_Own = TypeVar("_Own", bound=Options)


@dataclass(frozen=True, init=False, kw_only=True)
class Recipe(
    CompressionOptions,
    DistillationOptions,
    RunOptions,
    LimitOptions,
    LoraOptions,
    OptimizationOptions,
    ModelOptions,
    DataOptions,
):
    """Everything that determines a run: the task, and options in tables.

    All options are given by their names, whichever table they are of, and those of every task are
    attributes; those of the task's modality and of the task itself are in ``own``. ``None`` means:
    chosen by the kind of model. The reference of recipes lists the tables with their options.

    Attributes:
        own: tables of the task and its modality, by their names.

    Raises:
        ConfigurationError: every mistake at once.
    """

    table: ClassVar[str] = ""

    task: str = option(REQUIRED, flag=None, filled=True, help="The task (anysize list tasks).")
    own: Mapping[str, Options] = dataclasses.field(default_factory=dict)

    def __init__(self, **entries: Any) -> None:
        parts = Parts(entries)
        if found := parts.problems(by_field):
            raise ConfigurationError(found)
        for one in declared(type(self)):
            value = parts.common.get(one.name, one.default)
            value = dict(value) if isinstance(value, Mapping) else value
            object.__setattr__(self, one.name, value)
        own = {kind.table: kind(**values) for kind, values in parts.own.items()}
        object.__setattr__(self, "own", own)

    def changed(self, **options: Any) -> Recipe:
        """The recipe with other options, by their names, those of the task's own tables too."""
        return dataclasses.replace(self, **options)

    def part(self, kind: type[_Own]) -> _Own | None:
        """The table of a class of options; None where the task does not have it."""
        found = self.own.get(kind.table)
        return found if isinstance(found, kind) else None

    def asked(self, kind: type[_Own]) -> _Own:
        """What is asked of one of the task's own tables: values that do nothing are left out."""
        part = self.part(kind)
        values = {} if part is None else {one.name: vars(part)[one.name] for one in declared(kind)}
        off = {one.name: one.rules.off for one in declared(kind)}
        return kind(**{name: value for name, value in values.items() if value != off[name]})

    def value(self, name: str, default: Any = None) -> Any:
        """An option by its name; ``default`` where the task does not have it, or it is None."""
        found = next((vars(part)[name] for part in self._with(name)), None)
        found = vars(self).get(name) if found is None else found
        return default if found is None else found

    @property
    def freezes(self) -> bool:
        """Whether a part of the weights stays as it is."""
        return bool(self.freeze) or self.lora or self.last_blocks is not None

    def has(self, name: str) -> bool:
        """Whether there is such an option for the recipe's task."""
        return name in vars(self) or bool(self._with(name))

    def _with(self, name: str) -> list[Options]:
        """The task's own tables that have an option."""
        return [part for part in self.own.values() if name in vars(part)]

    def flat(self) -> dict[str, Any]:
        """Every option's value by its name, in the order of the tables."""
        return {one.name: value for one, value in self._values()}

    def tables(self) -> dict[str, dict[str, Any]]:
        """The values that are not None, by table and key; ``""`` is for those outside tables.

        A table of which all options have their defaults is left out.
        """
        found: dict[str, dict[str, Any]] = {}
        changed = set()
        for one, value in self._values():
            if value not in (None, {}):
                found.setdefault(one.table, {})[one.key] = value
            if value != one.default:
                changed.add(one.table)
        return {name: values for name, values in found.items() if name in changed}

    def to_toml(self) -> str:
        """The recipe as a TOML document; options that are None are left out."""
        import tomli_w

        tables = self.tables()
        return tomli_w.dumps({**tables.pop("", {}), **tables})

    def write(self, path: str | Path) -> None:
        """Writes the recipe as TOML."""
        write_text(Path(path), self.to_toml())

    def identity(self) -> str:
        """A digest of all that must stay as it is while a run is resumed."""
        values = {
            one.name: value
            for one, value in self._values()
            if not one.rules.free and value != one.default
        }
        # TOML and the command line do not agree on what is an integer.
        plain = json.loads(json.dumps(values, default=list), parse_int=float)
        text = json.dumps(plain, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def differences(self, other: Recipe) -> list[str]:
        """Why ``other`` cannot be resumed with this recipe, one sentence each."""
        theirs = other.flat()
        return [
            f"{one.name} is {value!r}, but the run was started with {theirs.get(one.name)!r}"
            for one, value in self._values()
            if not one.rules.free and value != theirs.get(one.name)
        ]

    def _values(self) -> Iterator[tuple[Declared, Any]]:
        """Every option with its value: task, data, model, the task's own tables, the others."""
        common = sorted(declared(type(self)), key=lambda one: one.table != "")
        first = ("", DataOptions.table, ModelOptions.table)
        yield from ((one, getattr(self, one.name)) for one in common if one.table in first)
        for part in self.own.values():
            yield from ((one, getattr(part, one.name)) for one in declared(type(part)))
        yield from ((one, getattr(self, one.name)) for one in common if one.table not in first)

    def __getattr__(self, name: str) -> Any:
        """An option of the task's own tables."""
        if name.startswith("__") or name == "own":
            raise AttributeError(name)
        for part in self._with(name):
            return getattr(part, name)
        raise AttributeError(f"a recipe of {self.task} has no option {name!r}")


class Parts:
    """Values of a recipe, by the tables that they belong to.

    Attributes:
        common: of options that every task has, by name.
        own: of the tables of the task and its modality.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.task = entries.get("task")
        kinds = own_tables(self.task)
        shared = {one.name for one in declared(Recipe)}
        self.common = {name: value for name, value in entries.items() if name in shared}
        given = {**_flat_own(entries.get("own")), **entries}
        self.own: dict[type[Options], dict[str, Any]] = {}
        left = {name: value for name, value in entries.items() if name not in shared | {"own"}}
        for kind in kinds:
            names = [one.name for one in declared(kind)]
            self.own[kind] = {name: given[name] for name in names if name in given}
            left = {name: value for name, value in left.items() if name not in names}
        self._left = left

    def problems(self, named: Naming, broken: frozenset[str] = frozenset()) -> list[str]:
        """Every mistake, one sentence each.

        Args:
            named: how a message calls an option.
            broken: names whose values are known to be wrong.
        """
        found = list(self._strange(named))
        if isinstance(self.task, str) and self.task and self.task not in plugins.keys("tasks"):
            found.append(unknown(self.task, plugins.keys("tasks"), "is not a task"))
        found += problems(Recipe, self.common, named, broken=broken)
        found += self._misplaced(named)
        for kind, values in self.own.items():
            found += [
                each for each in problems(kind, values, named, broken=broken) if each not in found
            ]
        return found

    def _misplaced(self, named: Naming) -> Iterator[str]:
        """Values that mean something for other tasks alone."""
        from anysize.tasks.options import misplaced

        if isinstance(self.task, str) and self.task in plugins.keys("tasks"):
            parts: dict[type[Options], dict[str, Any]] = {Recipe: self.common, **self.own}
            for kind, values in parts.items():
                for one, problem in misplaced(self.task, declared(kind), values):
                    yield f"{named(one)} {problem}"

    def _strange(self, named: Naming) -> Iterator[str]:
        """Names that are not options, and options that do nothing for this task."""
        if not self._left:
            return
        from anysize.tasks.options import every_table

        foreign = {one.name: one for kind in every_table().values() for one in declared(kind)}
        known = [one.name for one in declared(Recipe)]
        for name, value in self._left.items():
            if name not in foreign:
                yield unknown(name, [*known, *foreign], "is not an option of a recipe")
            elif value not in (None, foreign[name].default, foreign[name].rules.off):
                yield no_effect(named(foreign[name]), foreign[name].table, str(self.task))


def no_effect(name: str, table: str, task: str) -> str:
    """A sentence about an option, or a whole table, of other tasks."""
    from anysize.tasks.options import readers_of

    return f"{name} has no effect on {task}: it is for {', '.join(readers_of(table))}"


def own_tables(task: Any) -> tuple[type[Options], ...]:
    """The tables of a task and its modality; of no known task, all that there are."""
    from anysize.tasks.options import every_table, tables

    if isinstance(task, str) and task in plugins.keys("tasks"):
        return tables(task)
    return tuple(every_table().values())


def completed(recipe: Recipe, before: Recipe) -> Recipe:
    """Fills in what ``recipe`` leaves open from the resolved recipe of the run it resumes.

    The limit is taken over only where the recipe sets none itself.
    """
    limited = any(getattr(recipe, name) is not None for name in LIMITS)
    earlier = before.flat()
    chosen = {
        name: earlier.get(name)
        for name, value in recipe.flat().items()
        if value is None and not (limited and name in LIMITS)
    }
    if recipe.micro_cost == 0:
        chosen["micro_cost"] = before.micro_cost
    return recipe.changed(**chosen)


def _flat_own(own: Mapping[str, Options] | None) -> dict[str, Any]:
    return {
        one.name: getattr(part, one.name)
        for part in (own or {}).values()
        for one in declared(type(part))
    }
