"""What the regression tasks share: the target's column and the head of one number."""

from __future__ import annotations

from anysize.heads.protocols import Family, Head
from anysize.heads.regression import Number
from anysize.sources import ColumnSpec
from anysize.tasks.classification import Classification

_HEAD = Number()

TARGET = _HEAD.column(
    ColumnSpec(
        role="target",
        kind="target",
        names=(
            "target", "y", "value", "label", "score", "stars", "rating", "price", "amount", "count",
            "age", "quantity",
        ),
        required=False,
    )
)  # fmt: skip


class Regression(Classification):
    """What differs from the classification that reads the same inputs."""

    family: Family = "regression"
    head: Head = _HEAD
    main_metric = _HEAD.main_metric
