"""Options that do nothing in a run are refused, or said."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import anysize
from anysize.core.errors import ConfigurationError
from anysize.core.findings import Findings
from anysize.training import Recipe
from anysize.training.unused_options import tell_unused


def said(
    task: str = "tabular-regression",
    *,
    validated: bool = True,
    optimizer: str = "adamw",
    **options: Any,
) -> dict[str, str]:
    """What is said of a recipe, by the option."""
    findings = Findings()
    given = Recipe(task=task, data="a.csv", model="dense", out="run", **options)
    resolved = given.changed(optimizer=optimizer)
    tell_unused(given, resolved, validated=validated, findings=findings)
    return {one.message.partition(" ")[0]: one.message for one in findings}


def test_options_that_others_make_idle_are_said() -> None:
    assert said() == {}
    assert "the optimizer is adamw" in said(momentum=0.5)["--momentum"]
    assert said(momentum=0.5, optimizer="sgd") == {}
    of_a_teacher = {"temperature": 3.0, "distil_weight": 0.25, "hidden_weight": 0.5}
    assert set(said(**of_a_teacher)) == {"--temperature", "--distil-weight", "--hidden-weight"}
    assert said(teacher="runs/large", **of_a_teacher) == {}
    judged = {"patience": 3, "validate_every": 10}
    assert set(said(validated=False, **judged)) == {"--patience", "--validate-every"}
    assert said(**judged) == {}


@pytest.mark.parametrize(
    ("task", "option"),
    [
        ("object-detection", {"label_smoothing": 0.1}),
        ("object-detection", {"crop": 0.875}),
        ("face-recognition", {"tiles": "always"}),
        ("face-recognition", {"tile": 512}),
        ("text-regression", {"label_smoothing": 0.1}),
        ("image-regression", {"labels": ("a", "b")}),
        ("translation", {"labels": ("a", "b")}),
        ("text-generation", {"label_smoothing": 0.1}),
        ("tabular-classification", {"window": 16}),
        ("tabular-classification", {"merge": "max"}),
    ],
)
def test_options_that_a_task_has_no_use_for_are_refused(task: str, option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(ConfigurationError, match=f"{name} has no effect on {task}, which"):
        Recipe(task=task, data="a", model="m", out="run", **option)


def test_a_run_says_what_does_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "".join(
        f"{place},{place % 7},{'up' if place % 7 > 3 else 'down'}\n" for place in range(60)
    )
    (tmp_path / "a.csv").write_text(f"a,b,label\n{rows}")
    with caplog.at_level(logging.WARNING, "anysize"):
        anysize.train(
            "tabular-classification",
            tmp_path / "a.csv",
            steps=1,
            momentum=0.5,
            out=tmp_path / "run",
            quiet=True,
        )
    assert "--momentum has no effect: it is for sgd, and the optimizer is adamw" in caplog.text
    model = anysize.load(tmp_path / "run")
    with pytest.raises(ConfigurationError, match="merge has no effect on tabular-classification"):
        list(model.predict(tmp_path / "a.csv", merge="max"))
