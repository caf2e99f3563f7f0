"""Excerpts of records for the report, as their modality shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from anysize import modalities
from anysize.core.errors import DataError
from anysize.core.excerpts import Excerpt
from anysize.core.records import Record
from anysize.evaluation.mistakes import ExcerptReader, Mistake


def excerpt_reader(record_at: Callable[[int], Record], role: str | None = None) -> ExcerptReader:
    """Shows the records of a source.

    Args:
        record_at: the record at an ordinal of the evaluated stream.
        role: which field to show (``text``, ``image``); None is the first.

    A record that cannot be read any more is shown by the reason why.
    """

    def read(mistake: Mistake) -> Excerpt:
        return excerpt_at(record_at, mistake.ordinal, role, mistake.region)

    return read


def excerpt_at(
    record_at: Callable[[int], Record],
    ordinal: int,
    role: str | None = None,
    region: Mapping[str, int] | None = None,
) -> Excerpt:
    """What a report shows of a record; where it cannot be read any more, the reason why.

    Args:
        record_at: see `excerpt_reader`.
        ordinal: of the record.
        role: see `excerpt_reader`.
        region: see ``Modality.excerpt``.
    """
    try:
        fields = record_at(ordinal).fields
        if not fields:
            return Excerpt()
        field = fields[role or next(iter(fields))]
        modality = modalities.of_field(field)
        if modality is None:
            return Excerpt(where=field.origin)
        return modality.excerpt(field, region or {})
    except DataError as error:
        return Excerpt(where=f"cannot be shown: {error.problem}")
