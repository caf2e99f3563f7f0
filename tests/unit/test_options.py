"""Options declared as dataclasses: rules, conversion of texts and files, and what messages say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import pytest

from anysize.core import option_making, options
from anysize.core.errors import ConfigurationError
from anysize.core.options import REQUIRED, Declared, Options, Together, option


def _below_window(overlap: int, window: int | None) -> str | None:
    if window is None or overlap < window - 2:
        return None
    return f"must be below window - 2 ({window - 2}), not {overlap}"


def _bytes(text: str) -> int:
    number, unit = int(text[:-3]), text[-3:]
    if unit != "GiB":
        raise ValueError(text)
    return number << 30


@dataclass(frozen=True, kw_only=True)
class Reading(Options):
    table: ClassVar[str] = "reading"
    together: ClassVar[tuple[Together, ...]] = (Together(("overlap", "window"), _below_window),)

    window: int | None = option(None, low=4, automatic="the model's", help="Tokens of a window.")
    overlap: int = option(0, low=0, unit="tokens", help="Tokens that windows share.")
    share: float = option(0.1, above=0, below=1, help="Part of the records.")
    tiles: Literal["auto", "never"] = option("auto", help="When pictures are cut.")
    rule: str = option("mean", choices=lambda: ("mean", "max"), key="merge", help="How.")
    code: str = option("a1", pattern="[a-z][0-9]", expected="a letter and a digit", help="A code.")


@dataclass(frozen=True, kw_only=True)
class Running(Options):
    table: ClassVar[str] = "run"

    out: str = option(REQUIRED, filled=True, help="Folder of the run.")
    names: tuple[str, ...] = option((), filled=True, help="Names.", free=True)
    size: tuple[int, int] | None = option(None, low=1, help="Width and height.")
    columns: Mapping[str, str] = option({}, help="Columns by role.")
    compile: bool = option(False, flag="--compile-it", help="Compile.")
    memory: int | None = option(
        None, low=1 << 20, unit="bytes", parse=_bytes, expected="a size such as 2GiB", help="B."
    )


@dataclass(frozen=True, kw_only=True)
class Both(Reading, Running):
    """Composed of two tables."""


def of(kind: type[Options]) -> dict[str, Declared]:
    return {one.name: one for one in options.declared(kind)}


def refused(call: Any, *arguments: Any, **values: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        call(*arguments, **values)
    return caught.value.problems


def test_an_instance_reports_all_its_mistakes_with_value_and_rule() -> None:
    assert refused(
        Reading, window=3, overlap=-1, share=1.0, tiles="always", rule="min", code="11"
    ) == [
        "window must be a whole number of at least 4, not 3",
        "overlap must be a whole number of at least 0, not -1",
        "share must be a number above 0 and below 1, not 1.0",
        "tiles must be one of auto, never, not 'always'",
        "rule must be one of mean, max, not 'min'",
        "code must be a letter and a digit, not '11'",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 4.0), ("window", True), ("window", "8"), ("share", float("nan")),
        ("share", None), ("overlap", float("inf")), ("tiles", None), ("code", ""),
    ],
)  # fmt: skip
def test_values_of_other_types_are_refused(name: str, value: object) -> None:
    (problem,) = refused(Reading, **{name: value})
    assert problem.startswith(f"{name} must be ")
    assert problem.endswith(f"not {value!r}")


def test_rules_over_several_options_are_checked_where_each_is_right() -> None:
    assert refused(Reading, window=10, overlap=8) == ["overlap must be below window - 2 (8), not 8"]
    assert refused(Reading, window="10", overlap=8) == [
        "window must be a whole number of at least 4, not '10'"
    ]
    assert Reading(window=10, overlap=7).overlap == 7


def test_texts_become_values() -> None:
    texts = {
        "out": "a", "names": "x, y", "columns": "text=review , label=stars", "compile": "yes",
        "memory": "3GiB", "size": "3,4",
    }  # fmt: skip
    assert option_making.from_text(Running, texts) == Running(
        out="a",
        names=("x", "y"),
        columns={"text": "review", "label": "stars"},
        compile=True,
        memory=3 << 30,
        size=(3, 4),
    )
    assert option_making.from_text(Reading, {"share": "0.5", "window": "9"}).window == 9


def test_texts_that_are_no_values_are_named_with_what_is_allowed() -> None:
    texts = {
        "names": "x,,y", "columns": "text", "compile": "perhaps", "memory": "3", "size": "a",
        "colums": "a=b",
    }  # fmt: skip
    found = refused(option_making.from_text, Running, texts, options.by_flag)
    assert found == [
        "--columns must look like name=value, found 'text'",
        "--compile-it must be true or false, not 'perhaps'",
        "--memory must be a size such as 2GiB, not '3'",
        "--size must be 2 whole numbers of at least 1, not 'a'",
        "'colums' is not an option of [run]; did you mean 'columns'?",
        "--out is missing and has no default",
        "--names must not be empty",
    ]


def test_values_of_a_file_become_values() -> None:
    entries = {
        "out": "a", "names": ["x"], "size": [3, 4], "columns": {"a": "b"}, "memory": "1GiB",
    }  # fmt: skip
    assert option_making.from_values(Running, entries) == Running(
        out="a", names=("x",), size=(3, 4), columns={"a": "b"}, memory=1 << 30
    )
    assert option_making.from_values(Running, {"out": "a", "memory": 1 << 30}).memory == 1 << 30
    assert option_making.from_values(Reading, {"merge": "max"}).rule == "max"
    assert type(option_making.from_values(Reading, {"share": 0.5}).share) is float
    assert option_making.from_values(Running, {"out": "a", "columns": {"a": 3}}).columns == {
        "a": "3"
    }


def test_mistakes_in_a_file_name_the_table() -> None:
    entries = {"merge": "min", "rule": "max", "windw": 3, "window": 2}
    assert refused(option_making.from_values, Reading, entries) == [
        "'rule' is not an option of [reading]; known: window, overlap, share, tiles, merge, code",
        "'windw' is not an option of [reading]; did you mean 'window'?",
        "[reading] window must be a whole number of at least 4, not 2",
        "[reading] merge must be one of mean, max, not 'min'",
    ]


def test_sizes_are_shown_as_sizes() -> None:
    assert refused(Running, out="a", memory=4096) == [
        "memory must be a size such as 2GiB, not 4.0 KiB"
    ]


def test_classes_of_options_can_be_joined_and_each_keeps_its_table() -> None:
    tables = {one.name: one.table for one in options.declared(Both)}
    assert tables["window"] == tables["rule"] == "reading"
    assert tables["out"] == tables["memory"] == "run"
    assert refused(Both, out="", window=10, overlap=8) == [
        "out must not be empty",
        "overlap must be below window - 2 (8), not 8",
    ]
    made = replace(Both(out="a"), window=12)
    assert (made.out, made.window) == ("a", 12)


def test_what_is_declared_is_listed_for_help_and_documentation() -> None:
    found = of(Both)
    assert found["window"].expected() == "a whole number of at least 4"
    assert found["window"].shown(found["window"].default) == "the model's"
    assert found["rule"].key == "merge"
    assert found["compile"].flag == "--compile-it"
    assert found["names"].rules.free and not found["out"].rules.free
    assert found["out"].required and not found["window"].required
    assert found["memory"].shown(1 << 30) == "1.00 GiB"


def test_tables_of_defaults_are_not_shared() -> None:
    first, second = Running(out="a"), Running(out="a")
    assert first.columns == {} and first.columns is not second.columns
