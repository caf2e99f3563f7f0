"""Excerpts of records for the report, as their modality shows them."""

from __future__ import annotations

from collections.abc import Callable

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
        try:
            fields = record_at(mistake.ordinal).fields
            field = fields[role or next(iter(fields))]
            modality = modalities.of_field(field)
            if modality is None:
                return Excerpt(where=field.origin)
            return modality.excerpt(field, mistake.region or {})
        except DataError as error:
            return Excerpt(where=f"cannot be shown: {error.problem}")

    return read
