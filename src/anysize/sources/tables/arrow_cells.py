"""Cells of Arrow record batches as Python values, whatever they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anysize.sources.rows import Unreadable
from anysize.sources.tables.nested import PICTURE

_DEEPEST = 8
_LONGEST = 1 << 21
"""Values of the lists that are made at once, and of one list."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a schema; values of objects are columns of their own, by dotted path.

    Attributes:
        names: of the columns.
        paths: of each: the place of its top column, then of the fields inside.
        classes: names of class numbers, by column.
    """

    names: Sequence[str]
    paths: Sequence[tuple[int, ...]]
    classes: Mapping[str, Sequence[str]]

    def cells(self, batch: Any) -> list[list[Any]]:
        """The cells of a batch by column."""
        found = []
        for name, path in zip(self.names, self.paths, strict=True):
            column = batch.column(path[0])
            for place in path[1:]:
                column = column.flatten()[place]
            values = _values(column)
            classes = self.classes.get(name)
            found.append([_named(value, classes) for value in values] if classes else values)
        return found


def columns_of(schema: Any) -> Columns:
    """The columns of an Arrow schema."""
    names: list[str] = []
    paths: list[tuple[int, ...]] = []
    for place, field in enumerate(schema):
        for name, path in _leaves(field, field.name, (place,)):
            names.append(name)
            paths.append(path)
    classes = _class_names(schema.metadata)
    return Columns(
        names=names,
        paths=paths,
        classes={name: found for name, found in classes.items() if name in names},
    )


def _leaves(field: Any, name: str, path: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    from pyarrow import types

    kind = field.type
    inner = [kind.field(place) for place in range(kind.num_fields)] if types.is_struct(kind) else []
    if not inner or len(path) > _DEEPEST or {one.name for one in inner} == PICTURE:
        return [(name, path)]
    found = []
    for place, one in enumerate(inner):
        found += _leaves(one, f"{name}.{one.name}", (*path, place))
    return found


def _values(column: Any) -> list[Any]:
    """The values of a column; those that cannot be had fail alone."""
    import pyarrow

    if isinstance(column, pyarrow.ExtensionArray):
        return _values(column.storage)
    if _is_long(column):
        rows = [column.slice(place, 1) for place in range(len(column))]
        if len(rows) == 1:
            return [Unreadable(f"a list of more than {_LONGEST} values")]
        return [value for row in rows for value in _values(row)]
    try:
        if isinstance(column, pyarrow.DictionaryArray):
            known = _values(column.dictionary)
            places = column.indices.to_pylist()
            return [None if place is None else known[place] for place in places]
        values: list[Any] = column.to_pylist()
        return values
    except (ValueError, OverflowError, TypeError, IndexError, pyarrow.ArrowException):
        return [_value(column, place) for place in range(len(column))]


def _is_long(column: Any) -> bool:
    """Whether lists hold too many values together to be had at once."""
    from pyarrow import types

    while types.is_list(column.type) or types.is_large_list(column.type):
        column = column.flatten()
        if len(column) > _LONGEST:
            return True
    return False


def _value(column: Any, place: int) -> Any:
    import pyarrow

    try:
        return column[place].as_py()
    except UnicodeDecodeError as error:
        return Unreadable(f"text that is not UTF-8: {error.reason} at byte {error.start}")
    except (ValueError, OverflowError, TypeError, IndexError, pyarrow.ArrowException) as error:
        return Unreadable(f"a {column.type} that cannot be read: {str(error)[:100]}")


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of class numbers by column, as the datasets library writes them into a schema."""
    try:
        kept = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = kept["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return _features(features, "", 1) if isinstance(features, dict) else {}


def _features(features: Mapping[str, Any], prefix: str, depth: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, feature in features.items():
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        if not isinstance(feature, dict):
            continue
        inner = feature.get("feature")
        names = feature.get("names") or (inner.get("names") if isinstance(inner, dict) else None)
        kinds = {str(one.get("_type")) for one in (feature, inner) if isinstance(one, dict)}
        if "ClassLabel" in kinds and isinstance(names, list):
            found[prefix + name] = [str(one) for one in names]
        elif "_type" not in feature and depth < _DEEPEST:
            found |= _features(feature, f"{prefix}{name}.", depth + 1)
    return found


def _named(value: Any, names: Sequence[str]) -> Any:
    """The name of a class number; None for -1, which means no label."""
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if 0 <= value < len(names):
        return names[value]
    return None if value == -1 else Unreadable(f"the class {value} of {len(names)}")
