"""The verbs as functions: evaluate, compress, inspect; see ``api.training`` and ``api.sheets``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.api.loading import load
from anysize.api.model import Model
from anysize.core.progress import silenced
from anysize.tasks.inputs import as_paths, task_of

if TYPE_CHECKING:
    from anysize.evaluation.protocols import Measured
    from anysize.evaluation.statistics import DataStatistics
    from anysize.sources.opening import Paths


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
        task: what to read it as; None looks for pictures, texts, recordings and numbers.
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
    from anysize.sources.labels.alike import tell_alike
    from anysize.tasks.fields import reading as reading_of
    from anysize.tasks.fields import windowed
    from anysize.tasks.protocols import head_of
    from anysize.tasks.understanding import inspected

    opened = load(model) if model is not None else None
    reading: dict[str, Any] = {"columns": columns or {}, "encoding": encoding}
    findings = Findings()
    chosen = (
        opened.task if opened is not None else task_of(data, task, findings=findings, **reading)
    )
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
    tell_alike([found.labels], Path(source.name).name, findings)
    if head_of(chosen) is not None and found.unlabelled and not (found.labels or found.targets):
        role = next(spec.role for spec in chosen.columns if spec.kind == "target")
        findings.add(
            "labels-none",
            f"{Path(source.name).name}: no record has a {role}, so that {chosen.name} can predict "
            "on these data and not learn from them",
            level="note",
            count=found.unlabelled,
            unit="records",
            remedy=f"name its column with --columns {role}=NAME, if there is one",
        )
    lines = column_lines(source, findings, reading_of(chosen))
    return dataclasses.replace(found, splits=splits, findings=tuple(findings), columns=lines)
