"""Labelled data as a model is measured on it: the right part, its targets the model's classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.planning.options import PredictOptions
from anysize.tasks.inputs import as_paths, columns_of, is_source
from anysize.tasks.memory_tables import rows_of

if TYPE_CHECKING:
    from anysize.api.model import Model
    from anysize.sources.columns import ColumnSpec
    from anysize.sources.inputs import Chosen
    from anysize.sources.opening import Paths
    from anysize.tasks.protocols import Task


def labelled(
    model: Model,
    data: Any,
    options: PredictOptions,
    split: str | None,
    findings: Findings,
    task: Task,
) -> Source:
    """The records to measure a model on.

    Args:
        model: what is measured.
        data: as for ``Model.evaluate``.
        options: the same.
        split: the same.
        findings: takes what opening the data guesses, repairs or leaves out.
        task: whose columns they have.

    Raises:
        ConfigurationError, DataError: the data cannot be used, or has no such split.
    """
    from anysize.evaluation.learned import note_learned
    from anysize.sources.inputs import Chosen
    from anysize.tasks.understanding import comparable

    if rows_of(data) is not None:
        chosen = Chosen(source=model.open(data, options, findings))
    elif is_source(data):
        chosen = Chosen(source=cast(Source, data))
    else:
        chosen = _opened(model, as_paths(data), options, split, findings, task)
    note_learned(model.card, chosen.source, findings)
    return comparable(chosen, task, model.card.labels, findings)


def _opened(
    model: Model,
    data: Paths,
    options: PredictOptions,
    split: str | None,
    findings: Findings,
    task: Task,
) -> Chosen:
    from anysize.sources.inputs import check_split, open_split

    validation, test = model.card.shares()
    roles = columns_of(task, model.card)
    chosen = open_split(
        data,
        check_split(data, split),
        roles=roles,
        columns=options.columns,
        encoding=options.encoding,
        by_target=task.by_target,
        validation=validation,
        test=test,
        findings=findings,
    )
    _check_targets(chosen.source, roles)
    return chosen


def _check_targets(source: Source, roles: Sequence[ColumnSpec]) -> None:
    """Raises a ``DataError`` before hours of work that there is nothing to compare with."""
    from anysize.sources.labels.targets import targets
    from anysize.sources.several_tables import has_labels

    spec = next((spec for spec in roles if spec.kind == "target"), None)
    # Files beside the records', and columns such as is_impossible, may say it as well.
    values = {each.role for each in roles if each.kind == "value"}
    elsewhere = any(each.beside for each in roles) or values & set(getattr(source, "roles", ()))
    if spec is None or elsewhere:
        return
    there = has_labels(source)
    if there is not False and any(target is not None for target in targets(source)):
        return
    if there and len(source):
        raise DataError(
            source.name,
            f"none of its records has what results are compared with: the {spec.role} of each is "
            f"empty or unreadable; name another column (--columns {spec.role}=NAME), or use "
            "predict",
        )
    folders = "put files into folders by it, or " if spec.folders else ""
    raise DataError(
        source.name,
        f"none of its records has what results are compared with ({spec.role}): {folders}give a "
        f"table with a column for it (--columns {spec.role}=NAME), or use predict",
    )
