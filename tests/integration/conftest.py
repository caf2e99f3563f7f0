"""What the tests of whole commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.forks import Started

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def train(start: Callable[..., Started]) -> Callable[..., Started]:
    """Starts the training of a recipe; see ``train_program``."""

    def train(recipe: dict[str, Any], *, resume: bool = False, cold: bool = False) -> Started:
        program = HERE / "train_program.py"
        given = json.dumps(recipe), "resume" if resume else "start"
        return start(program, *given, cold=cold)

    return train
