"""Merge rules: how a record's window outputs become one result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from anysize.core import plugins
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit

if TYPE_CHECKING:
    from anysize.mergers.pool import Decide


def maker(
    labels: Sequence[str],
    rule: str,
    unit: Unit,
    *,
    keep_first: bool = False,
    decide: Decide | None = None,
    **own: Any,
) -> Callable[[str], Merger]:
    """What makes the merger of a record from its id.

    Args:
        labels: class names in the order of the logits.
        rule: the merge rule's name.
        unit: what the record's extent counts.
        keep_first: also report what the first window alone would have answered, where the rule
            pools.
        decide: what pooled logits mean; only for rules that pool. None takes one label.
        **own: what this rule's ``make`` takes besides.

    Raises:
        ConfigurationError: no such rule.
    """
    make_one = plugins.load("mergers", rule).make

    given = {**own} if decide is None else {**own, "decide": decide}

    def new(record: str) -> Merger:
        return cast(Merger, make_one(record, labels, rule, unit, keep_first=keep_first, **given))

    return new


def rules() -> tuple[str, ...]:
    """The merge rules among which a user may choose: those that take what pooled logits mean.

    The others are each for one task, which needs none of them named.
    """
    found = plugins.keys("mergers")
    return tuple(
        key
        for key in found
        if "decide" in inspect.signature(plugins.load("mergers", key).make).parameters
    )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record; see `maker`."""
    return maker(labels, rule, unit, keep_first=keep_first)(record)
