"""Recipes in files, and recipes put together of a file, of a command line and of keywords.

A file has one table for each group of options::

    task = "text-classification"

    [data]
    paths = "reviews.csv"

    [limits]
    epochs = 3

Files without tables, where all options are at the top by their names, are read as well.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anysize.core import plugins
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.near import unknown
from anysize.core.option_values import WrongValueError
from anysize.core.options import Declared, Naming, by_field, by_flag, by_table, declared
from anysize.training.options import LIMITS
from anysize.training.recipe import Parts, Recipe, no_effect, own_tables


def load(path: str | Path) -> Recipe:
    """Reads a recipe from a TOML file.

    Raises:
        DataError: the file cannot be read or is not TOML.
        ConfigurationError: unknown, missing or wrong options, all reported at once.
    """
    return from_mapping(read(path), origin=str(path))


def loads(text: str) -> Recipe:
    """Reads what ``Recipe.to_toml`` gave."""
    return from_mapping(tomllib.loads(text), origin="recipe")


def read(path: str | Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        DataError: it cannot be read, is not UTF-8 or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"TOML must be UTF-8: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(str(path), f"not valid TOML: {error}") from error


def from_mapping(entries: Mapping[str, Any], origin: str) -> Recipe:
    """Makes a recipe of plain values (as from TOML or JSON), in tables or by their names.

    Args:
        entries: the values.
        origin: what the messages name as the place of a mistake.

    Raises:
        ConfigurationError: every mistake at once.
    """
    draft = Draft()
    draft.take_file(entries, origin)
    return draft.recipe()


class Draft:
    """A recipe that is put together; what is taken later replaces what was taken before."""

    def __init__(self, task: str | None = None) -> None:
        self._values: dict[str, Any] = {} if task is None else {"task": task}
        self._called: dict[str, str] = {}
        self._faults: list[str] = []
        self._broken: set[str] = set()
        self._style: Naming = by_field

    def take_file(self, entries: Mapping[str, Any], origin: str) -> None:
        """Takes the content of a file.

        Args:
            entries: tables, or options by their names.
            origin: the file.
        """
        task = entries.get("task")
        common = declared(Recipe)
        own = [one for kind in own_tables(task) for one in declared(kind)]
        by_name = {one.name: one for one in (*own, *common)}
        names = {one.table for one in by_name.values()}
        if any(key in names for key in entries):
            self._style = by_table
        for key, value in entries.items():
            if not isinstance(value, Mapping) or (key in by_name and key not in names):
                self._take(key, value, by_name.get(key), f"{origin}: {key}", Declared.from_file)
            elif key in names:
                keys = {one.key: one for one in (*own, *common) if one.table == key}
                self._take_table(key, value, keys, origin)
            else:
                self._foreign_table(key, value, sorted(names - {""}), str(task), origin)

    def take_texts(self, texts: Mapping[str, str]) -> None:
        """Takes options of the command line, by their names.

        A limit replaces those that were taken before, as a run has one.
        """
        if any(name in texts for name in LIMITS):
            self._values = {
                name: value for name, value in self._values.items() if name not in LIMITS
            }
        self._style = by_flag if self._style is by_field else self._style
        own = [one for kind in own_tables(self._values.get("task")) for one in declared(kind)]
        known = {one.name: one for one in (*own, *declared(Recipe))}
        for name, text in texts.items():
            one = known.get(name)
            called = name if one is None else by_flag(one)
            self._take(name, text, one, called, Declared.from_text)

    def take_values(self, values: Mapping[str, Any]) -> None:
        """Takes values of Python, by their names."""
        own = [one for kind in own_tables(self._values.get("task")) for one in declared(kind)]
        known = {one.name: one for one in (*own, *declared(Recipe))}
        for name, value in values.items():
            self._take(name, value, known.get(name), name, Declared.from_file)

    def knows_task(self) -> bool:
        """Whether the task is one that there is."""
        return plugins.has("tasks", self._values.get("task"))

    def leave(self, name: str) -> None:
        """Does not ask for an option that another mistake leaves open."""
        self._broken.add(name)

    def fault(self, sentence: str) -> None:
        """Notes a mistake, to be reported with the others."""
        self._faults.append(sentence)

    def recipe(self) -> Recipe:
        """What was put together.

        Raises:
            ConfigurationError: every mistake at once.
        """
        values = self._values
        if isinstance(values.get("data"), tuple) and len(values["data"]) == 1:
            values = {**values, "data": values["data"][0]}
        found = Parts(values).problems(self._name, frozenset(self._broken))
        if self._faults or found:
            raise ConfigurationError([*self._faults, *found])
        return Recipe(**values)

    def _name(self, one: Declared) -> str:
        return self._called.get(one.name, self._style(one))

    def _take_table(
        self, table: str, values: Mapping[str, Any], keys: Mapping[str, Declared], origin: str
    ) -> None:
        for key, value in values.items():
            one = keys.get(key)
            if one is None:
                what = f"is not an option of [{table}]"
                self.fault(f"{origin}: {unknown(key, keys, what)}")
            else:
                called = f"{origin}: {by_table(one)}"
                self._take(one.name, value, one, called, Declared.from_file)

    def _foreign_table(
        self, table: str, values: Mapping[str, Any], known: list[str], task: str, origin: str
    ) -> None:
        from anysize.tasks.options import every_table

        if table in every_table():
            if values:
                self.fault(f"{origin}: {no_effect(f'[{table}]', table, task)}")
        else:
            self.fault(f"{origin}: {unknown(table, known, 'is not a table of a recipe')}")

    def _take(
        self,
        name: str,
        value: Any,
        one: Declared | None,
        called: str,
        convert: Callable[[Declared, Any], Any],
    ) -> None:
        if one is not None:
            self._called[name] = called
        self._broken.discard(name)
        try:
            self._values[name] = value if one is None else convert(one, value)
        except WrongValueError as error:
            self._values.pop(name, None)
            self._broken.add(name)
            self.fault(f"{called} {error}")
