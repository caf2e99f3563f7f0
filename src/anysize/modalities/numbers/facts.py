"""What a model of numbers is made for: the columns of its data, or those that its teacher reads."""

from __future__ import annotations

import dataclasses

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import Source
from anysize.modalities.numbers.columns import learned
from anysize.modalities.numbers.settings import FeatureFacts, FeatureSettings
from anysize.models.bundle import Card, is_bundle, read_card
from anysize.models.columns import TableEncoding
from anysize.models.keras.heads import VECTORS
from anysize.models.network import Network, as_classification
from anysize.models.spec import open_network


def facts(source: Source, *, role: str, task: str, teacher: str | None) -> FeatureFacts:
    """What a model of numbers is given of the training data, or of what its teacher reads.

    Teacher and student see the same numbers, so the teacher's encoding of columns is not learned
    again, even where this data would give another one.

    Args:
        source: the training data.
        role: the field that is windowed.
        task: the task's name.
        teacher: spec of a trained model; None without one.
    """
    taught = None if teacher is None else _taught(teacher, task)
    if taught is not None:
        shape = (taught.steps, taught.width) if taught.steps else (taught.width,)
        encoding = taught.encoding
        # A network that scales its numbers itself is built without an encoding.
        given = None if encoding is None or encoding.raw else encoding
        return FeatureFacts(shape=shape, encoding=given, taught=taught)
    encoding = learned(source) if as_classification(task) == VECTORS else None
    return FeatureFacts(shape=_shape(source, role, encoding), encoding=encoding)


def _taught(teacher: str, task: str) -> FeatureSettings | None:
    """What a teacher reads; None where it does not read numbers, which is refused with the task."""
    settings = card_of(teacher, task).settings
    return settings if isinstance(settings, FeatureSettings) else None


def card_of(model: str, task: str) -> Card:
    """The card of a trained model.

    Raises:
        BundleError: there is none.
    """
    return read_card(model) if is_bundle(model) else open_network(model, task)[1]


def read_as_taught(student: Network, taught: FeatureSettings) -> None:
    """Makes a student read the numbers that its teacher reads.

    Args:
        student: its columns, where it has none, and the lengths of its windows are changed.
        taught: what the teacher reads.

    Raises:
        ConfigurationError: the student cannot read them.
    """
    own = student.settings
    if not isinstance(own, FeatureSettings):
        return  # refused with the task
    if (own.width, bool(own.steps)) != (taught.width, bool(taught.steps)):
        raise ConfigurationError(
            f"student and teacher must read the same numbers: {student.spec} reads {_said(own)}, "
            f"and its teacher {_said(taught)}"
        )
    fresh = own.encoding is None and not own.names
    columns = (own.encoding, own.names)
    if not fresh and columns not in ((taught.encoding, ()), (taught.encoding, taught.names)):
        raise ConfigurationError(
            f"student and teacher must read the same columns in the same way, and {student.spec} "
            "was trained with another encoding of columns; take a fresh student, such as dense"
        )
    least, steps = max(own.least, taught.least), min(own.steps, taught.steps)
    if own.steps and least > steps:
        raise ConfigurationError(
            f"student and teacher must take windows of the same length: {student.spec} takes "
            f"{own.least} to {own.steps} steps, its teacher {taught.least} to {taught.steps}"
        )
    if own.steps:
        own = dataclasses.replace(own, least=least, steps=steps)
    student.settings = dataclasses.replace(
        own, encoding=taught.encoding, names=taught.names, series=taught.series
    )


def _said(settings: FeatureSettings) -> str:
    kind = "sequences" if settings.steps else "vectors"
    return f"{kind} of {settings.width} numbers{' a step' if settings.steps else ''}"


def _shape(source: Source, role: str, encoding: TableEncoding | None) -> tuple[int, ...] | None:
    """Of a table's vectors, else the shape of the first record whose numbers can be read.

    Raises:
        DataError: none can be; the first fault.
    """
    if encoding is not None:
        return (encoding.width,)
    fault: DataError | None = None
    for index in range(len(source)):
        try:
            return source[index].features(role).shape
        except DataError as error:
            fault = fault or error
    if fault is not None:
        raise fault
    return None
