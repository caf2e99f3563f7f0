"""Options of heads: which one, the metric of validation, and what helps rare classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Options, option


def _names() -> tuple[str, ...]:
    from anysize import heads

    return heads.names()


def _short_names() -> tuple[str, ...]:
    from anysize import heads

    return heads.short_names()


@dataclass(frozen=True, kw_only=True)
class HeadOptions(Options):
    """What is learned of each record, and how it is judged."""

    table: ClassVar[str] = "head"

    head: str | None = option(
        None, choices=_names, also=_short_names, automatic="chosen by the task and the data",
        help="What is learned of a record: one label, several, a number, or ordered labels.",
    )  # fmt: skip
    metric: str | None = option(
        None, filled=True, metavar="NAME", automatic="the head's own",
        help="Metric that chooses the best checkpoint, such as macro_f1.",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClassOptions(Options):
    """How labels are read, and what helps rare ones."""

    table: ClassVar[str] = "classes"

    separator: str | None = option(
        None, filled=True, metavar="TEXT", automatic="found in the data",
        help="Separator of several labels in a cell.",
    )  # fmt: skip
    order: tuple[str, ...] = option(
        (), metavar="LOW,…,HIGH",
        help="Ordered labels from the lowest to the highest; numbers are ordered by value.",
    )  # fmt: skip
    class_weights: str = option(
        "none", choices=("none", "balanced"),
        help="Weights of the classes in the loss; 'balanced' makes all classes count alike.",
    )  # fmt: skip
    sampling: str = option(
        "natural", choices=("natural", "balanced"),
        help="How often records are visited; 'balanced' visits all classes equally often.",
    )  # fmt: skip
    focal: float = option(
        0.0, low=0, high=10,
        help="Exponent of the focal loss, which learns less from records that are easy; 0 turns it "
        "off, 2 is usual.",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NumberOptions(Options):
    """How sure a number is."""

    table: ClassVar[str] = "number"

    interval: float = option(
        0.9, above=0, below=1,
        help="Fraction of true values that the prediction interval is meant to contain.",
    )  # fmt: skip
