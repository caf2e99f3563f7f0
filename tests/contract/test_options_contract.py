"""What every table of options must keep: values made from the rules are refused or accepted."""

from __future__ import annotations

import importlib.util
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.options import Declared, Options, declared, problems
from anysize.tasks.options import every_table, narrowed
from anysize.training.recipe import Recipe, own_tables

TABLES = (
    *(kind for kind in Recipe.__mro__ if issubclass(kind, Options) and kind.table),
    *every_table().values(),
)
OPTIONS = [
    pytest.param(kind, one, id=f"{kind.table}-{one.name}")
    for kind in TABLES
    for one in declared(kind)
]
ROOT = Path(__file__).resolve().parents[2]


def invalid(one: Declared) -> Iterator[Any]:
    """Values that break one rule each, made from the rules."""
    yield object()
    yield from of_other_types(one)
    rules = one.rules
    for bound in (rules.above, rules.below):
        if bound is not None:
            yield like(one.arms, bound)
    if rules.low is not None:
        yield like(one.arms, rules.low - 1)
    if rules.high is not None:
        yield like(one.arms, rules.high * 2 + 1)
    if rules.allowed():
        yield "none of these"
    if rules.filled:
        yield ""


def of_other_types(one: Declared) -> Iterator[Any]:
    """Values that are not of the option's type, though near to it."""
    kinds = one.arms
    yield from [] if bool in kinds else [True]
    yield from [] if str in kinds or one.rules.parse is not None else ["text"]
    yield from [] if {int, float} & set(kinds) else [3]
    yield from [math.nan] if float in kinds else []
    yield from [1.5] if int in kinds else []
    yield from [] if type(None) in get_args(one.type) else [None]
    for kind in map(get_origin, kinds):
        yield from [(object(),), ["a list"]] if kind is tuple else []
        yield from [{"a": 3}] if kind is not None and issubclass(kind, Mapping) else []


def like(kinds: tuple[Any, ...], number: float) -> Any:
    """A number as the option has them: whole, or a pair."""
    pairs = [kind for kind in kinds if get_origin(kind) is tuple]
    value = number if float in kinds else int(number)
    return (value,) * len(get_args(pairs[0])) if pairs else value


def valid(one: Declared) -> Iterator[Any]:
    """Values at the edge of the rules."""
    rules = one.rules
    if not one.required:
        yield one.default
    for bound in (rules.low, rules.high):
        if bound is not None:
            yield like(one.arms, bound)
    for bound, way in ((rules.above, math.inf), (rules.below, -math.inf)):
        if bound is not None:
            yield math.nextafter(bound, way)
    yield from rules.allowed()


@pytest.mark.parametrize(("kind", "one"), OPTIONS)
def test_values_that_break_a_rule_are_refused_by_name(kind: type[Options], one: Declared) -> None:
    required = {other.name: "-" for other in declared(kind) if other.required}
    for value in invalid(one):
        found = problems(kind, {**required, one.name: value})
        assert len(found) == 1, (value, found)
        assert re.match(rf"{one.name} must ", found[0]), value
        with pytest.raises(ConfigurationError, match=f"{one.name} must "):
            kind(**{**required, one.name: value})


@pytest.mark.parametrize(("kind", "one"), OPTIONS)
def test_values_at_the_edge_of_a_rule_are_accepted(kind: type[Options], one: Declared) -> None:
    for value in valid(one):
        assert one.problem(value) is None, value


@pytest.mark.parametrize(("kind", "one"), OPTIONS)
def test_every_option_has_help_and_can_be_written_as_text(
    kind: type[Options], one: Declared
) -> None:
    assert re.fullmatch(r"[A-Z][^\n]*\.", one.rules.help), one.rules.help
    assert one.default is not None or one.rules.automatic, "say what None means"
    for value in valid(one):
        plain = isinstance(value, bool | int | float | str)
        if plain and one.rules.parse is None and get_origin(one.arms[0]) is None:
            assert one.from_text(str(value)) == value


@pytest.mark.parametrize("task", plugins.keys("tasks"))
def test_the_names_of_a_tasks_options_differ(task: str) -> None:
    kinds = (Recipe, *own_tables(task))
    options = [one for kind in kinds for one in declared(kind)]
    for names in (
        [one.name for one in options],
        [one.flag for one in options if one.flag is not None],
        [(one.table, one.key) for one in options],
    ):
        assert len(set(names)) == len(names)
    switches = {f"--no-{one.name}".replace("_", "-") for one in options if one.switch}
    taken = {one.flag for one in options}
    assert taken.isdisjoint({*switches, "--json", "--resume", "--help"})


@pytest.mark.parametrize("task", plugins.keys("tasks"))
def test_a_recipe_of_each_task_reads_back(task: str, tmp_path: Path) -> None:
    from anysize.training.recipe_file import load

    needed = {"task": task, "data": "d", "model": "m", "out": "o"}
    changed: dict[str, Any] = {}
    every = itertools.chain.from_iterable(map(declared, (Recipe, *own_tables(task))))
    for one in filter(None, (narrowed(task, one) for one in every)):
        values = [value for value in valid(one) if value != one.default]
        together = ("steps", "minutes", "validation", "test", "sparsity_pattern", "overlap")
        # Those of LoRA need it, and these do not go with it.
        not_with_lora = ("lora", "sparsity", "quantization", "last_blocks")
        if values and one.name not in (*together, *not_with_lora):
            changed[one.name] = values[0]
    changed["lora"] = True
    recipe = Recipe(**needed, **changed)
    recipe.write(tmp_path / "recipe.toml")
    assert load(tmp_path / "recipe.toml") == recipe


def test_the_reference_of_options_is_up_to_date() -> None:
    path = ROOT / "tools" / "options_reference.py"
    spec = importlib.util.spec_from_file_location("options_reference", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = script.PAGE.read_text(encoding="utf-8")
    assert page == script.page(), "run: python tools/options_reference.py"
