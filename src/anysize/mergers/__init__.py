"""Merge rules: how a record's window outputs become one result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from anysize.core import plugins
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit


def maker(
    labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Callable[[str], Merger]:
    """What makes the merger of a record from its id.

    Args:
        labels: class names in the order of the logits.
        rule: the merge rule's name.
        unit: what the record's extent counts.
        keep_first: also report the first window's own probabilities, where the rule pools.

    Raises:
        ConfigurationError: no such rule.
    """
    make_one = plugins.load("mergers", rule).make

    def new(record: str) -> Merger:
        return cast(Merger, make_one(record, labels, rule, unit, keep_first=keep_first))

    return new


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record; see `maker`."""
    return maker(labels, rule, unit, keep_first=keep_first)(record)
