"""The verbs as functions: augment, evaluate, compress, inspect; see ``api.training`` for others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.api.model import Model, load
from anysize.core.errors import ConfigurationError
from anysize.core.progress import silenced
from anysize.tasks.inputs import as_paths, task_of

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation
    from anysize.augmentation.sheet import Sheet
    from anysize.evaluation.protocols import Measured
    from anysize.evaluation.statistics import DataStatistics
    from anysize.sources.opening import Paths


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
) -> Sheet:
    """Draws a contact sheet: pictures as they are, and as they come in training.

    Pictures with objects are shown as a detector is trained on them: fitted into the model's input
    without distortion, with the boxes where the augmentation moves them.

    Args:
        data: a folder, a table or a picture, a pattern (``photos/*.png``), or several of these.
        out: PNG file; None writes nothing.
        augment: a policy, a list of steps, or what was made of one; ``auto``: as in training.
        count: pictures shown at most, spread evenly over the data.
        draws: epochs shown of each.
        seed: of everything random.
        size: ``(width, height)`` of the model's input in pixels; None is 224 x 224, and for
            pictures with objects what ``detector-small`` chooses.
        columns: column of a table for each role.
        encoding: of tables.
        pages: which pages or frames of a picture are shown, a row each: ``all`` (as None),
            ``first``, or a number: so many, evenly spread. Pictures with objects show their first
            page, which the objects are of.
        tolerant: read damaged pictures as far as possible.
        strict: whatever opening the data guesses, repairs or leaves out stops it.

    Returns:
        The sheet: ``pixels``, uint8 ``[height, width, 3]``, ids of the ``records`` shown,
        ``failures`` and ``findings``, what opening the data guessed, repaired or left out.

    Raises:
        ConfigurationError: the augmentation or ``pages`` is wrong; all faults at once.
        DataError: none of the pictures can be read, or ``out`` cannot be written; with ``strict``
            also whatever is odd about the data.
    """
    from anysize import tasks
    from anysize.augmentation.sheet import contact_sheet, write_png
    from anysize.core.findings import Findings
    from anysize.sources import open_source
    from anysize.tasks.detection_sheet import detection_sheet, objects_in
    from anysize.tasks.image_classification import IMAGE

    wish = "all" if pages is None else str(pages)
    chosen = _chosen(augment, wish)
    findings = Findings()
    reading: dict[str, Any] = {"rename": columns or {}, "encoding": encoding, "findings": findings}
    if objects_in(data, columns or {}) is not None:
        source = open_source(data, columns=tasks.load("object-detection").columns, **reading)
        if wish not in ("all", "first") or pages == "all":
            findings.add(
                "pages-without-effect",
                f"pages is {wish}, but the objects are of the first page, which alone is shown",
                unit="options",
                remedy="leave it out",
            )
        findings.checked(strict=strict)
        sheet = detection_sheet(
            source, augment, count=count, draws=draws, seed=seed, size=size, tolerant=tolerant
        )
    else:
        source = open_source(data, columns=(IMAGE,), **reading)
        findings.checked(strict=strict)
        sheet = contact_sheet(
            source, chosen, count=count, draws=draws, seed=seed, size=size or (224, 224),
            pages=wish, tolerant=tolerant,
        )  # fmt: skip
    if out is not None:
        write_png(sheet.pixels, Path(out))
    return dataclasses.replace(sheet, findings=tuple(findings))


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
    source = open_source(data, columns=task.columns, rename=columns or {}, encoding=encoding)
    sheet = object_sheet(source, task.labels(source), count=count)
    if out is not None:
        write_png(sheet.pixels, Path(out))
    return sheet


def evaluate(
    model: Model | str | Path,
    data: Any,
    out: str | Path | None = None,
    *,
    split: str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Measured:
    """Measures a model on labelled data.

    Args:
        model: loaded, or where it is.
        data: see ``Model.evaluate``.
        out: folder for ``metrics.json`` and ``report.html``; None writes nothing.
        split: the same.
        quiet: show no progress.
        settings: fields of ``PredictOptions``.

    Returns:
        The metrics: ``main()`` has those that are one number, by name, ``to_json()`` all.

    Raises:
        ConfigurationError, DataError, BundleError, BudgetError: before work starts.
    """
    opened = model if isinstance(model, Model) else load(model, memory=settings.get("memory"))
    with silenced(quiet):
        return opened.evaluate(data, out, split=split, **settings)


def compress(
    model: Model | str | Path, out: str | Path, *, quiet: bool = False, **settings: Any
) -> Model:
    """A smaller, faster form of a model, as accurate as allowed.

    Args:
        model: loaded, or where it is.
        out: folder for the bundle and its report.
        quiet: show no progress.
        settings: see ``Model.compress``.

    Raises:
        RunError: nothing is smaller, not slower and not worse than allowed.
    """
    opened = model if isinstance(model, Model) else load(model)
    with silenced(quiet):
        return opened.compress(out, **settings)


def inspect(
    what: Paths, *, quiet: bool = False, **settings: Any
) -> dict[str, Any] | DataStatistics:
    """What a model's card says, or the counts, lengths, sizes and faults of a dataset.

    Args:
        what: a bundle or a model folder; or a table or a folder of data, a pattern
            (``data/*.csv``) or a list of these.
        quiet: show no progress.
        settings: of a dataset, as for ``statistics``.

    Raises:
        ConfigurationError, DataError, BundleError: it cannot be used.
    """
    paths = as_paths(what)
    if isinstance(paths, str | Path) and is_model(paths):
        return card(paths)
    with silenced(quiet):
        return statistics(paths, **settings)


def is_model(path: str | Path) -> bool:
    """Whether a path is a bundle or a model and no data."""
    from anysize.models.gguf.files import gguf_file
    from anysize.models.graph_files import is_graph
    from anysize.models.keras.suffixes import is_keras

    place = Path(path)
    names = ("anysize.json", "config.json")
    other = is_keras(place) or gguf_file(place) is not None or is_graph(place)
    return other or any((place / name).is_file() for name in names)


def card(spec: str | Path) -> dict[str, Any]:
    """What a bundle's card says; of a Hugging Face folder, what its configuration says.

    Of a text model also what its tokenizer leaves out of texts (``tokenizer.leaves_out``).

    Args:
        spec: where the model is.

    Raises:
        BundleError: nothing usable there.
    """
    from anysize.modalities import modality_of
    from anysize.models.bundle import is_bundle, read_card
    from anysize.models.graph_files import graph_file

    known = read_card(spec) if is_bundle(spec) else load(spec).card
    entries = known.to_json()
    # By the modality's name, as it is shown.
    entries[entries.pop("modality")] = entries.pop("settings")
    graph = graph_file(spec)
    folder = Path(spec) if graph is None else graph.parent
    return entries | modality_of(known.settings).inspected(folder)


def statistics(
    data: Paths,
    *,
    task: str | None = None,
    model: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> DataStatistics:
    """Counts, lengths or sizes, duplicates and unreadable records of a dataset.

    Args:
        data: a table or a folder, a pattern, or several of these.
        task: what to read it as; None looks for pictures first, then for text.
        model: a bundle whose tokenizer and window text lengths are compared with.
        columns: column of a table for each role.
        encoding: of text files.

    Returns:
        ``ImageStatistics`` (sizes in pixels), ``TextStatistics`` (lengths in characters, with a
        model in tokens) or ``FeatureStatistics``; ``to_json`` gives all of it.

    Raises:
        ConfigurationError, DataError, BundleError: the data or the model cannot be used.
    """
    from anysize import summaries
    from anysize.core.findings import Findings
    from anysize.evaluation.column_lines import column_lines
    from anysize.tasks.fields import reading as reading_of
    from anysize.tasks.fields import windowed
    from anysize.tasks.understanding import inspected

    opened = load(model) if model is not None else None
    reading: dict[str, Any] = {"rename": columns or {}, "encoding": encoding}
    chosen = opened.task if opened is not None else task_of(data, task, **reading)
    findings = Findings()
    source, splits = inspected(data, chosen, **reading, findings=findings)
    found: DataStatistics
    if chosen.name == "object-detection":
        from anysize.evaluation.object_statistics import object_statistics

        found = object_statistics(source)
    else:
        kind = windowed(chosen).kind
        preprocess = None if opened is None else chosen.preprocess(opened.network)
        found = summaries.statistics(
            kind, source, role=chosen.role, preprocess=preprocess, findings=findings
        )
    lines = column_lines(source, findings, reading_of(chosen))
    return dataclasses.replace(found, splits=splits, findings=tuple(findings), columns=lines)
