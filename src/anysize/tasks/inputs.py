"""What a caller gives to a task, in memory or on disk, as one source."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from anysize import tasks
from anysize.core import plugins
from anysize.core.errors import AnysizeError, ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Field, Source
from anysize.modalities import file_suffixes
from anysize.sources import ColumnSpec, open_source
from anysize.sources.boxes.role import without_objects
from anysize.sources.listing import suffix_of
from anysize.sources.opening import Paths, all_matching, called
from anysize.tasks.fields import modality_of, windowed
from anysize.tasks.memory_tables import Rows, RowsSource, one_row, rows_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.sources.stream import StreamSource
    from anysize.tasks.abilities import Recognising
    from anysize.tasks.protocols import Task

Input: TypeAlias = str | Path

# Strings that may be names of files, and how long such a name is at most.
_LOOKED_AT = 100
_LONGEST_NAME = 1024
_EMPTY = "has no records"
# Files of a folder that say what it is of.
_COUNTED = 10_000


def open_inputs(
    inputs: Input | Source | Iterable[Any],
    task: Task,
    *,
    columns: Mapping[str, str],
    encoding: str = "utf-8",
    roles: Sequence[ColumnSpec] | None = None,
    findings: Findings | None = None,
) -> Source:
    """The inputs as one source, in their order.

    Args:
        inputs: a path or several (files, folders, tables); or, one record each, strings of text
            for a text task and pictures (``PIL.Image``, uint8 arrays ``[height, width, 3]``) for
            a picture task; or vectors and sequences of numbers (arrays, lists); or a table in
            memory (``memory_tables``); or a source. An iterator is drawn from as the records are
            read, and may have no end.
        task: what they are read for.
        columns: column of a table for each role.
        encoding: of text files.
        roles: as a model knows them; None takes the task's.
        findings: takes what opening them guesses, repairs or leaves out.

    Raises:
        ConfigurationError: there is none, or one is not of these kinds.
        DataError: a path cannot be read.
    """

    def opened(paths: Sequence[Input]) -> Source:
        if not paths:
            raise ConfigurationError("no input given: name files, folders or tables, or '-'")
        wanted = without_objects(roles or task.columns)
        return open_source(
            paths, roles=wanted, columns=columns, encoding=encoding, findings=findings
        )

    def tabled(rows: Rows, first: int = 0) -> Source:
        wanted = without_objects(roles or task.columns)
        return RowsSource(rows, roles=wanted, columns=columns, findings=findings, first=first)

    rows = rows_of(inputs)
    if rows is not None:
        return tabled(rows)
    if _is_path(inputs, task):
        return opened([cast(Input, inputs)])
    if _is_single(inputs, task):
        _warn_of_names([inputs], task, findings)
        return _in_memory(task, [inputs])
    if is_source(inputs):
        return cast(Source, inputs)
    if _is_drawn_from(inputs):
        return _stream(iter(cast("Iterable[Any]", inputs)), task, opened, tabled)
    items = list(cast("Iterable[Any]", inputs))
    _warn_of_names(items, task, findings)
    paths = [_is_path(item, task) for item in items]
    if all(paths):
        return opened(items)
    if not any(paths):
        return _in_memory(task, items)
    from anysize.sources.concat import Concat

    groups = itertools.groupby(zip(paths, items, strict=True), key=lambda pair: pair[0])
    parts = []
    for is_path, group in groups:
        several = [item for _, item in group]
        parts.append(opened(several) if is_path else _in_memory(task, several))
    return Concat("inputs", parts)


def as_paths(data: Any) -> Paths:
    """Data for training or measuring that are on the disk: a path or several, patterns included.

    Args:
        data: what the caller gave.

    Raises:
        ConfigurationError: it is nothing of that kind.
    """
    if isinstance(data, str | Path):
        return data
    several: list[str | Path] = []
    for one in data if isinstance(data, Iterable) and not isinstance(data, bytes) else ():
        if not isinstance(one, str | Path):
            several.clear()
            break
        several.append(one)
    if not several:
        raise ConfigurationError(
            f"data must be a path, a list of paths or a table in memory, not {data!r:.80}"
        )
    return several


def columns_of(task: Task, card: Card) -> tuple[ColumnSpec, ...]:
    """The task's columns as a model knows them: those that it was trained with come first.

    Args:
        task: of the model.
        card: of the model.
    """
    recipe = card.provenance.get("recipe") or {}
    trained: Mapping[str, str] = recipe.get("columns") or {}
    several = card.settings.columns
    found = []
    for spec in task.columns:
        if several and spec.kind == card.settings.modality:
            spec = dataclasses.replace(spec, several=several)
        elif spec.role in trained:
            spec = dataclasses.replace(spec, names=(trained[spec.role], *spec.names))
        found.append(dataclasses.replace(spec, settled=bool(recipe)))
    return tuple(found)


def task_of(
    data: Paths, name: str | None, *, findings: Findings | None = None, **arguments: Any
) -> Task:
    """The task that a dataset can be read for: the one named, or the first that opens.

    Args:
        data: as for ``open_source``.
        name: of the task, where it is known.
        findings: takes that there are annotations of objects that cannot be used.
        arguments: of ``open_source``.

    Raises:
        DataError: no task can read it.
    """
    if name is not None:
        return tasks.load(name)
    from anysize.tasks.abilities import Recognising
    from anysize.tasks.detection_sheet import objects_in

    if objects_in(data, arguments.get("columns", {}), findings) is not None:
        return tasks.load("object-detection")
    from anysize.sources.parallel.layout import is_parallel

    if is_parallel(all_matching(data)):
        return tasks.load("translation")
    for candidate in map(tasks.load, plugins.declaring("tasks", "RECOGNISES")):
        if isinstance(candidate, Recognising) and _recognised(data, candidate, arguments):
            return candidate
    problems: dict[str, list[str]] = {}
    for candidate in _in_order(all_matching(data)[0]):
        try:
            source = open_source(data, roles=candidate.columns, **arguments)
            problem = _misread(source, candidate) if len(source) else _EMPTY
            if not problem:
                return candidate
        except DataError as error:
            problem = error.problem
        problems.setdefault(problem, []).append(candidate.name)
    if len(problems) == 1 or _EMPTY in problems:
        raise DataError(called(data), _EMPTY if _EMPTY in problems else next(iter(problems)))
    told = "; ".join(f"{', '.join(which)}: {problem}" for problem, which in problems.items())
    raise DataError(called(data), f"cannot be read as data of any task: {told}")


def _in_order(first: Path) -> list[Task]:
    """The tasks that data are tried for, the likeliest first."""
    # A table of texts may well have a column named "file"; a folder of pictures has no texts.
    names = ["text-classification", "image-classification", "audio-classification"]
    texts, pictures, recordings = map(tasks.load, names)
    found = [texts, pictures, recordings]
    if first.is_dir():
        walked = (name for _, _, files in os.walk(first) for name in files)
        counts = Counter(suffix_of(name) for name in itertools.islice(walked, _COUNTED))

        def files(task: Task) -> int:
            return sum(counts[suffix] for suffix in modality_of(task).suffixes)

        found = [pictures, texts, recordings]
        # A text that describes recordings is often beside them.
        if files(recordings) > max(files(texts), files(pictures)):
            found = [recordings, pictures, texts]
    # Many a table has a column of numbers, so these come last.
    return [*found, tasks.load("tabular-classification")]


def _recognised(data: Paths, task: Recognising, arguments: Mapping[str, Any]) -> bool:
    """Whether data are those that a task knows by their columns."""
    from anysize.sources.content import leaves

    findings = Findings()
    quiet = {**arguments, "findings": findings}
    try:
        source = open_source(data, roles=cast("Task", task).columns, **quiet)
        if not len(source) or _misread(source, cast("Task", task)):
            return False
    except AnysizeError:
        return False
    # Columns without names are guessed for any task.
    named = all(one.code != "columns-by-content" for one in findings)
    roles = (getattr(one, "roles", None) or getattr(one, "beside", {}) for one in leaves(source))
    return named and any(map(task.recognises, roles))


def _misread(source: Source, task: Task) -> str:
    """Why a source that could be opened for a task is none for it; empty where it is one."""
    modality = modality_of(task)
    if not (modality.in_files or modality.strings):
        return ""
    # A table of texts may name files, and then they may be of another kind.
    field = source[0].fields.get(task.role)
    suffix = suffix_of(field.origin) if field is not None else ""
    if suffix in file_suffixes() - modality.suffixes:
        return f"its files ({suffix}) are each no {modality.noun}"
    if not modality.strings:
        return ""
    from anysize.sources.profile.reading import tables_of

    for table in tables_of(source):
        column = table.profile().columns.get(table.roles.get(task.role, ""))
        if column is not None and (column.kind == "boolean" or column.is_of_numbers):
            return f"its column {column.name!r} holds no text ({column.kind})"
    return ""


def _is_drawn_from(inputs: object) -> bool:
    """Whether things come one by one, so that nobody knows how many there will be.

    Raises:
        ConfigurationError: it is nothing that holds several.
    """
    if not isinstance(inputs, Iterable):
        raise ConfigurationError(
            "inputs must be a path, a record, a table in memory or several of these, "
            f"not {inputs!r:.80}"
        )
    return isinstance(inputs, Iterator) or not hasattr(inputs, "__len__")


def is_source(item: object) -> bool:
    """Whether it is opened already."""
    return hasattr(item, "fingerprint") and hasattr(item, "__getitem__")


def _warn_of_names(items: Sequence[Any], task: Task, findings: Findings | None) -> None:
    """A string is a text: one that is the name of a file was probably meant as the file."""
    if not modality_of(task).strings or findings is None:
        return
    for item in items[:_LOOKED_AT]:
        if not isinstance(item, str) or len(item) > _LONGEST_NAME or not _is_file(item):
            continue
        findings.add(
            "text-is-file-name",
            f"{item!r} is the name of a file, and was read as a text",
            unit="texts",
            remedy="pass Path(...) to read the file",
        )


def _is_file(name: str) -> bool:
    try:
        return ("." in name or "/" in name) and Path(name).is_file()
    except (OSError, ValueError):
        return False


def _is_single(item: Any, task: Task) -> bool:
    """Whether it is one record: a text, a file's bytes, a picture, or an array of one."""
    if isinstance(item, str | bytes):
        return True
    return modality_of(task).is_one(item, windowed(task).axes)


def _is_path(item: object, task: Task) -> bool:
    return isinstance(item, Path) or (isinstance(item, str) and not modality_of(task).strings)


def _in_memory(task: Task, items: Sequence[Any]) -> Source:
    from anysize.sources.memory import FieldSource

    fields = [_field(task, item, place) for place, item in enumerate(items)]
    return FieldSource(task.role, fields)


def _stream(
    items: Iterator[Any],
    task: Task,
    opened: Callable[[Sequence[Input]], Source],
    tabled: Callable[[Rows, int], Source],
) -> StreamSource:
    """What an iterator gives, one after the other: it may have no end."""
    from anysize.sources.stream import StreamSource, single

    def parts() -> Iterator[Source | AnysizeError]:
        for place, item in enumerate(items):
            try:
                if isinstance(item, Mapping):
                    yield tabled(one_row(item), place)
                elif _is_path(item, task):
                    yield opened([item])
                else:
                    yield single(task.role, str(place), _field(task, item, place))
            except AnysizeError as error:
                yield error

    return StreamSource(parts())


def _field(task: Task, item: Any, place: int) -> Field:
    """One thing in memory as a field."""
    modality = modality_of(task)
    return modality.memory(item, f"{modality.noun} {place}")
