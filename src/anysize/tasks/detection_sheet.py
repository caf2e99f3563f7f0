"""Pictures with objects as training sees them, on a contact sheet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.core.errors import DataError
from anysize.core.records import Source

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation
    from anysize.augmentation.sheet import Sheet
    from anysize.core.findings import Findings
    from anysize.sources.opening import Paths


def objects_in(
    data: Paths, columns: Mapping[str, str], findings: Findings | None = None
) -> Source | None:
    """The data as pictures with objects, where annotations of a known layout are there.

    Args:
        data: as for ``open_source``; of several paths the first decides.
        columns: column of a table for each role.
        findings: take it that the annotations are there and cannot be used.
    """
    from anysize.sources.boxes.layouts import open_objects
    from anysize.sources.columns import Request
    from anysize.sources.opening import all_matching

    task = tasks.load("object-detection")
    path = all_matching(data)[0]
    roles = {spec.role for spec in task.columns}
    if not set(columns) <= roles:
        return None
    root = path if path.is_dir() else path.parent
    try:
        return open_objects(
            path, Request(roles=task.columns, columns=columns, encoding="utf-8", root=root)
        )
    except DataError as error:
        if findings is not None:
            findings.add(
                "annotations-unusable",
                f"annotations of objects are not used: {error}",
                unit="files",
            )
        return None


def detection_sheet(
    source: Source,
    augment: str | Augmentation,
    *,
    count: int,
    draws: int,
    seed: int,
    size: tuple[int, int] | None,
    tolerant: bool = False,
) -> Sheet:
    """One row a picture: as it is, and as the model's input in each of some epochs, with boxes.

    Args:
        source: pictures with objects.
        augment: specification or what was made of one; ``auto`` is the task's own.
        count: pictures at most.
        draws: epochs shown.
        seed: of the draws.
        size: ``(width, height)`` of the model's input; None chooses as ``detector-small`` does.
        tolerant: read damaged pictures as far as possible.

    Raises:
        ConfigurationError: the augmentation is wrong.
        DataError: none of the pictures can be read.
    """
    from anysize.augmentation import make
    from anysize.augmentation.object_sheet import training_sheet
    from anysize.modalities.pictures.facts import object_side, picture_size
    from anysize.models.detector_input import input_settings
    from anysize.models.network import Network

    task: Any = tasks.load("object-detection")
    labels = task.labels(source)
    spec = task.augmentation if augment == "auto" else augment
    made = make(spec) if isinstance(spec, str) else spec
    settings = input_settings(picture_size(source, task.role), object_side(source, task.role), size)
    settings = dataclasses.replace(settings, tolerant=tolerant)
    config = SimpleNamespace(id2label=dict(enumerate(labels)))
    module: Any = SimpleNamespace(config=config)
    network = Network(module=module, spec="detector-small", settings=settings)
    preprocess = task.preprocess(network, augment=made or make("hflip(p=0)"), seed=seed)
    sheet = training_sheet(source, labels, preprocess, count=count, draws=draws, tolerant=tolerant)
    return dataclasses.replace(sheet, augment="none" if made is None else made.spec)
