"""The adapter file beside an ONNX file: what goes in, and what its outputs mean.

::

    # FastestDet.toml, beside FastestDet.onnx
    labels = "coco.names"        # a file with a name a line, or a list of names
    width = 352                  # of the input; may be left out where the model says it
    height = 352
    channels = "bgr"             # the order of the input's channels; "rgb" by default
    mean = [0.0, 0.0, 0.0]       # of values from 0 to 1, in the order red, green, blue
    std = [1.0, 1.0, 1.0]
    tile = 480                   # side of a tile in picture pixels; the input's by default
    licence = "BSD-3-Clause"

    [decoder]
    kind = "cells"               # boxes, rows or cells: see anysize.models.onnx.decoders
    offsets = "tanh"

It is TOML or JSON (``FastestDet.json``), and only ever read: there is no code in it. A classifier
has no ``[decoder]``; its mean and standard deviation are those of ImageNet where it says nothing.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue that most classifiers were trained with."""

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What an adapter file says.

    Attributes:
        labels: class names in the order of the model's scores; of a classifier they may be left
            out, which numbers the classes.
        width, height: of the input in pixels; 0 leaves it to the model.
        channels: ``rgb`` or ``bgr``.
        mean, std: of values from 0 to 1, for red, green and blue.
        tile: side of a tile in picture pixels; 0 is the input's width.
        window: tokens that a classifier of texts reads at once; 0 is 512, or what the model says.
        licence: of the weights.
        decoder: its ``kind`` and settings.
    """

    labels: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    channels: str = "rgb"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    tile: int = 0
    window: int = 0
    licence: str = "unknown"
    decoder: Mapping[str, Any] = field(default_factory=dict)


def adapter_beside(model: Path) -> Path | None:
    """The adapter file of an ONNX file, the same name with ``.toml`` or ``.json``, if there is."""
    paths = (model.with_suffix(suffix) for suffix in (".toml", ".json"))
    return next((path for path in paths if path.is_file()), None)


def find_adapter(model: Path) -> Path:
    """The adapter file of an ONNX detector.

    Raises:
        BundleError: there is none; the message says how one looks.
    """
    path = adapter_beside(model)
    if path is not None:
        return path
    raise BundleError(
        str(model),
        f"an ONNX file does not say what its outputs mean: write {model.with_suffix('.toml').name} "
        "beside it, with labels and a [decoder] (docs: detection)",
    )


def read_adapter(path: Path, *, detector: bool = True) -> Adapter:
    """Reads an adapter file.

    Args:
        path: of the file.
        detector: whether it must say how boxes are decoded; without, it is a classifier's.

    Raises:
        BundleError: it cannot be read, or settings break their rules; all faults are named.
    """
    entries = _entries(path)
    problems: list[str] = []
    known = {item.name for item in dataclasses.fields(Adapter)}
    problems += [
        f"{name!r} is not a setting; known: {', '.join(sorted(known))}"
        for name in entries
        if name not in known
    ]
    values: dict[str, Any] = {}
    if "labels" in entries:
        values["labels"] = _labels(path, entries["labels"], problems)
    elif detector:
        problems.append("labels are missing: a list of class names, or a file with one a line")
    for name in ("width", "height", "tile", "window"):
        value = entries.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1 << 16:
            problems.append(f"{name} must be a whole number from 0 to 65536, not {value!r}")
        values[name] = value
    usual = ([0.0] * 3, [1.0] * 3) if detector else (list(IMAGENET[0]), list(IMAGENET[1]))
    for name, default in zip(("mean", "std"), usual, strict=True):
        value = entries.get(name, default)
        if not _three_numbers(value) or (name == "std" and min(value) <= 0):
            rule = ", above zero" if name == "std" else ""
            problems.append(f"{name} must be three numbers{rule}, not {value!r}")
        else:
            values[name] = tuple(map(float, value))
    values["channels"] = entries.get("channels", "rgb")
    if values["channels"] not in ("rgb", "bgr"):
        problems.append(f"channels must be 'rgb' or 'bgr', not {values['channels']!r}")
    values["licence"] = str(entries.get("licence", "unknown"))
    decoder = entries.get("decoder", {})
    if detector and not (isinstance(decoder, Mapping) and isinstance(decoder.get("kind"), str)):
        problems.append("decoder must be a table with a 'kind'")
    if not detector and decoder:
        problems.append("decoder is for detectors, and this is read as a classifier")
    if not detector and values["channels"] != "rgb":
        problems.append("channels of a classifier must be 'rgb'")
    values["decoder"] = decoder
    if problems:
        raise BundleError(str(path), "; ".join(problems))
    return Adapter(**values)


def _entries(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise BundleError(str(path), f"is larger than {_LARGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8")
        entries = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise BundleError(str(path), f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise BundleError(str(path), f"is not valid {kind}: {error}") from None
    if not isinstance(entries, dict):
        raise BundleError(str(path), "must hold a table of settings")
    return entries


def _labels(path: Path, value: Any, problems: list[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        file = path.parent / value
        if Path(value).name != value:
            problems.append(f"labels must name a file beside the adapter, not {value!r}")
            return ()
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"labels: {file} cannot be read: {error}")
            return ()
        value = [line.strip() for line in lines if line.strip()]
    if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
        problems.append(f"labels must be a list of class names, not {value!r}")
        return ()
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        problems.append(f"labels must differ, but {twice[0]!r} is there more than once")
    return tuple(value)


def _three_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
    )
