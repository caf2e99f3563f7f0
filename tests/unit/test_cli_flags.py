"""Flags that a command does not have are named together, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from anysize.cli.main import app
from anysize.core.errors import BundleError, ConfigurationError


def problems(line: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        app(line.split(), standalone_mode=False)
    return tuple(caught.value.problems)


def test_all_unknown_flags_are_named_with_the_nearest() -> None:
    assert problems("predict model data --memry 1GiB --runtime --jsn --window 3 --zzz=4") == (
        "anysize predict has no option --memry; did you mean --memory?",
        # What follows --runtime is its value, whatever it looks like.
        "anysize predict has no option --zzz",
    )


def test_the_flags_of_a_task_are_known_where_it_is_named() -> None:
    assert problems("train text-classification x.csv --focl 2 --epoch 3 --separator ;") == (
        "anysize train has no option --focl; did you mean --focal?",
        "anysize train has no option --epoch; did you mean --epochs?",
    )


def test_what_looks_like_a_flag_behind_two_dashes_is_an_argument() -> None:
    assert problems("inspect --colums x -- --y") == (
        "anysize inspect has no option --colums; did you mean --columns?",
    )


def test_a_card_whose_task_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "anysize.json").write_text('{"task": []}')
    (tmp_path / "text.txt").write_text("A text.")
    with pytest.raises(BundleError, match=r"anysize\.json"):
        app(["predict", str(tmp_path), str(tmp_path / "text.txt")], standalone_mode=False)


def test_a_recipe_whose_task_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('task = {a = 1}\n[data]\npaths = "x.csv"\n')
    assert any("task must be text" in each for each in problems(f"train {recipe}"))
