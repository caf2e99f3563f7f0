"""Augmentation to look at and to listen to, and pictures with the boxes of their objects."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize.core.errors import AnysizeError, ConfigurationError, DataError
from anysize.core.records import ImageField
from anysize.tasks.inputs import task_of

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation
    from anysize.augmentation.sheet import Sheet, Shown
    from anysize.core.records import Source
    from anysize.sources.opening import Paths
    from anysize.tasks.protocols import Task

_LOOKED_AT = 8


def augment(
    data: Paths,
    out: str | Path | None = None,
    augment: str | Augmentation = "auto",
    *,
    count: int = 6,
    draws: int = 6,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    pages: str | int | None = None,
    tolerant: bool = False,
    strict: bool = False,
) -> Shown:
    """Shows records as they are, and as they come in training.

    Of pictures that is a contact sheet, of recordings one of spectra, and in a folder the sounds
    beside it, of texts a table. Pictures with objects are shown as a detector is trained on them:
    fitted into its input without distortion, with the boxes where the augmentation moves them.

    Args:
        data: a folder, a table or a file, a pattern (``photos/*.png``), or several of these.
        out: PNG file; of recordings also a folder, of texts a file .tsv or .html. None writes
            nothing.
        augment: a policy, a list of steps, or what was made of one; ``auto``: as in training.
        count: records shown at most, spread evenly over the data.
        draws: epochs shown of each.
        seed: of everything random.
        size: ``(width, height)`` of the model's input in pixels; None is 224 x 224, and for
            pictures with objects what ``detector-small`` chooses.
        columns: column of a table for each role.
        encoding: of tables.
        pages: of a picture that are shown, a row each: ``all`` (as None), ``first``, or a number:
            so many, evenly spread. Pictures with objects show the first, which the objects are of.
        tolerant: read damaged pictures as far as possible.
        strict: whatever opening the data guesses, repairs or leaves out stops it.

    Returns:
        The sheet: ids of the ``records`` shown, ``failures``, ``findings`` of opening the data, and
        ``pixels``, uint8 ``[height, width, 3]``, or of texts ``texts``.

    Raises:
        ConfigurationError: the augmentation or ``pages`` is wrong; all faults at once.
        DataError: none of the records can be read, or ``out`` cannot be written; with ``strict``
            also whatever is odd about the data.
    """
    from anysize.augmentation.sheet import contact_sheet
    from anysize.core.findings import Findings
    from anysize.core.lazy import named
    from anysize.sources import open_source
    from anysize.tasks.detection_sheet import detection_sheet, objects_in
    from anysize.tasks.fields import modality_of
    from anysize.tasks.image_classification import IMAGE

    wish = "all" if pages is None else str(pages)
    chosen = _chosen(augment, wish)
    findings = Findings()
    reading: dict[str, Any] = {"columns": columns or {}, "encoding": encoding, "findings": findings}
    asked: dict[str, Any] = {"count": count, "draws": draws, "seed": seed}
    sheet: Any
    if objects_in(data, columns or {}, findings) is not None:
        source = _with_objects(data, reading, wish, asked=pages == "all")
        findings.checked(strict=strict)
        _refuse_unfit(chosen)
        sheet = detection_sheet(source, augment, **asked, size=size, tolerant=tolerant)
    elif (other := _other(data, reading)) is not None:
        source, task = other
        findings.checked(strict=strict)
        wanted = augment if augment == "auto" else chosen
        sheet = named(modality_of(task).sheet_by)(source, wanted, role=task.role, **asked)
    else:
        source = open_source(data, roles=(IMAGE,), **reading)
        findings.checked(strict=strict)
        _refuse_unfit(chosen)
        inside: dict[str, Any] = {"size": size or (224, 224), "pages": wish, "tolerant": tolerant}
        sheet = contact_sheet(source, chosen, **asked, **inside)
    if out is not None:
        sheet.write(Path(out))
    return cast("Shown", dataclasses.replace(sheet, findings=tuple(findings)))


def _with_objects(data: Paths, reading: Mapping[str, Any], wish: str, *, asked: bool) -> Source:
    """Pictures with their objects; it is found that a wish for their pages has no effect.

    Args:
        data: as for `augment`.
        reading: of ``open_source``.
        wish: for pages.
        asked: whether all pages were asked for in so many words.
    """
    from anysize import tasks
    from anysize.sources import open_source

    source = open_source(data, roles=tasks.load("object-detection").columns, **reading)
    if wish not in ("all", "first") or asked:
        reading["findings"].add(
            "pages-without-effect",
            f"pages is {wish}, but the objects are of the first page, which alone is shown",
            unit="options",
            remedy="leave it out",
        )
    return source


def _other(data: Paths, reading: Mapping[str, Any]) -> tuple[Source, Task] | None:
    """Data that are no pictures, and the task that would read them; None of pictures.

    Pictures come first: a table of them may have texts beside.
    """
    from anysize.core.findings import Findings
    from anysize.sources import open_source
    from anysize.tasks.fields import modality_of, windowed
    from anysize.tasks.image_classification import IMAGE

    try:
        if _pictures(open_source(data, roles=(IMAGE,), **{**reading, "findings": Findings()})):
            return None
    except DataError:
        pass
    try:
        task = task_of(data, None, columns=reading["columns"], encoding=reading["encoding"])
    except AnysizeError:
        return None
    if not modality_of(task).sheet_by:
        return None
    return open_source(data, roles=(windowed(task),), **reading), task


def _pictures(source: Source) -> bool:
    """Whether there is a picture among the first files, which any column of names could be of."""
    for index in range(min(len(source), _LOOKED_AT)):
        with contextlib.suppress(DataError):
            picture = source[index].fields["image"]
            return isinstance(picture, ImageField) and bool(picture.extent)
    return False


def _chosen(augment: str | Augmentation, pages: str) -> Augmentation:
    """The augmentation that is asked for, checked together with the pages."""
    from anysize.augmentation import Augmentation
    from anysize.readers.pages import pages_problems

    problems = pages_problems(pages)
    spec = "standard" if augment == "auto" else augment
    try:
        chosen = Augmentation(spec) if isinstance(spec, str) else spec
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *problems]) from None
    if problems:
        raise ConfigurationError(problems)
    return chosen


def _refuse_unfit(chosen: Augmentation) -> None:
    """Refuses steps that are not for pictures."""
    from anysize.augmentation.specification import refuse_unfit

    refuse_unfit((*chosen.steps, *chosen.batch_steps), "pictures")


def boxes_sheet(
    data: Paths,
    out: str | Path | None = None,
    *,
    count: int = 16,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> Sheet:
    """Draws a contact sheet of pictures with the boxes of their objects.

    Args:
        data: pictures with objects, in any of the layouts.
        out: PNG file; None writes nothing.
        count: pictures shown at most, spread evenly over the data.
        columns: column of a table for each role.
        encoding: of text files.

    Returns:
        The sheet, as ``augment`` gives it.

    Raises:
        DataError: none of the pictures can be read, or ``out`` cannot be written.
    """
    from anysize import tasks
    from anysize.augmentation.object_sheet import object_sheet
    from anysize.augmentation.sheet import write_png
    from anysize.sources import open_source

    task = tasks.load("object-detection")
    source = open_source(data, roles=task.columns, columns=columns or {}, encoding=encoding)
    sheet = object_sheet(source, task.labels(source), count=count)
    if out is not None:
        write_png(sheet.pixels, Path(out))
    return sheet
