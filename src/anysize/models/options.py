"""Options of the model that is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import REQUIRED, Options, option


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Which model is trained, and how the windows of a record become one result."""

    table: ClassVar[str] = "model"

    model: str = option(
        REQUIRED,
        key="spec",
        filled=True,
        metavar="SPEC",
        automatic="a small one for the task",
        help="Model: a built-in name (anysize list models), a folder, a file or a hub id.",
    )
    options: Mapping[str, str] = option(
        {},
        flag="--model-options",
        metavar="NAME=VALUE,…",
        automatic="none",
        help="Options of the model family, such as hidden=128.",
    )
    merge: str = option(
        "mean",
        choices=("mean", "max", "attention"),
        help="How the windows of a record are pooled; attention learns their weights.",
    )
