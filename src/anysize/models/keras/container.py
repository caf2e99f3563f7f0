"""Looking into a Keras file before Keras does: kind, architecture, limits, code."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from anysize.core.errors import BundleError, MissingExtraError
from anysize.models.keras.code import check_code

MOST_TEXT = 1 << 26
"""Bytes of an architecture at most (64 MiB)."""

MOST_GROWTH = 200
"""How many times its size a file may take unpacked."""

_SPARE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasFile:
    """What a file is.

    Attributes:
        path: of the weights.
        kind: ``zip`` (``.keras``), ``h5`` (a whole model), ``weights`` (Keras 3) or
            ``old-weights`` (Keras 2).
        entries: the architecture's JSON.
        notes: what anysize wrote into the file when it exported it.
        allow_lambda: whether Keras may run code of the file.
    """

    path: Path
    kind: Literal["zip", "h5", "weights", "old-weights"]
    entries: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)
    allow_lambda: bool = False


def examine(
    path: Path, *, architecture: str | None = None, allow_lambda: bool = False
) -> KerasFile:
    """Reads a file's architecture and checks what can be checked without Keras.

    Args:
        path: the file.
        architecture: file of the architecture's JSON, for a file that holds weights alone.
        allow_lambda: whether lambda layers are allowed.

    Raises:
        BundleError: not there, damaged, too large, or with code.
        MissingExtraError: h5py is not installed.
    """
    if not path.is_file():
        raise BundleError(str(path), "there is no such file")
    notes: Mapping[str, Any] = {}
    kind: Literal["zip", "h5", "weights", "old-weights"] = "zip"
    if zipfile.is_zipfile(path):
        entries, notes = _from_zip(path)
    else:
        kind, text = _from_h5(path)
        entries = _beside(path, architecture) if text is None else _parsed(text, str(path))
    check_code(entries, str(path), allow_lambda=allow_lambda)
    return KerasFile(path=path, kind=kind, entries=entries, notes=notes, allow_lambda=allow_lambda)


def _from_zip(path: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            names = {item.filename: item for item in archive.infolist()}
            total = sum(item.file_size for item in names.values())
            if total > MOST_GROWTH * size + _SPARE:
                raise BundleError(
                    str(path), f"would take {total} bytes unpacked, {MOST_GROWTH} times its size"
                )
            if "config.json" not in names:
                raise BundleError(str(path), "is not a Keras model: there is no config.json in it")
            if names["config.json"].file_size > MOST_TEXT:
                raise BundleError(
                    str(path),
                    f"its config.json has {names['config.json'].file_size} bytes; {MOST_TEXT} are "
                    "allowed",
                )
            broken = archive.testzip()
            if broken is not None:
                raise BundleError(str(path), f"is damaged: {broken} does not match its checksum")
            entries = _parsed(archive.read("config.json"), str(path))
            notes: Any = {}
            if "metadata.json" in names and names["metadata.json"].file_size <= MOST_TEXT:
                metadata = json.loads(archive.read("metadata.json"))
                notes = metadata.get("anysize") if isinstance(metadata, dict) else {}
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError) as error:
        raise BundleError(str(path), f"is a damaged Keras file: {error}") from error
    return entries, notes if isinstance(notes, Mapping) else {}


def _from_h5(path: Path) -> tuple[Literal["h5", "weights", "old-weights"], bytes | str | None]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "keras") from error
    try:
        with h5py.File(path, "r") as file:
            declared = sum(_sizes(file, h5py))
            if declared > MOST_GROWTH * path.stat().st_size + _SPARE:
                raise BundleError(
                    str(path),
                    f"declares {declared} bytes of weights, {MOST_GROWTH} times its size",
                )
            if "model_config" in file.attrs:
                text = file.attrs["model_config"]
                return "h5", text if isinstance(text, str) else bytes(text)
            if "layer_names" in file.attrs:
                return "old-weights", None
            if "layers" in file or "_layer_checkpoint_dependencies" in file:
                return "weights", None
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise BundleError(
            str(path), f"is neither a .keras archive nor an HDF5 file, or is damaged: {error}"
        ) from error
    raise BundleError(str(path), "is an HDF5 file, but not one that Keras wrote")


def _sizes(group: Any, h5py: Any) -> Iterator[int]:
    """Bytes of each array; links to other files are refused, because they could name any file."""
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise ValueError(f"{name!r} is a link to another file")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ValueError(f"{name!r} keeps its numbers in another file")
            yield item.size * item.dtype.itemsize
        elif not isinstance(link, h5py.SoftLink):
            yield from _sizes(item, h5py)


def _parsed(text: bytes | str, origin: str) -> dict[str, Any]:
    if len(text) > MOST_TEXT:
        raise BundleError(
            origin, f"its architecture has {len(text)} bytes; {MOST_TEXT} are allowed"
        )
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(origin, f"its architecture is not JSON: {error}") from error
    if not isinstance(entries, dict) or "class_name" not in entries:
        raise BundleError(origin, "its architecture is not one that Keras wrote")
    return entries


def _beside(path: Path, architecture: str | None) -> dict[str, Any]:
    """The architecture of a file that holds weights alone."""
    stem = path.name.removesuffix(path.suffix).removesuffix(".weights")
    places = [path.with_name(stem + ".json"), path.with_suffix(".json")]
    archive = path.with_name(stem + ".keras")
    if architecture is not None:
        places, archive = [Path(architecture)], Path(architecture)
    for place in places:
        if place.is_file() and not zipfile.is_zipfile(place):
            if place.stat().st_size > MOST_TEXT:
                raise BundleError(str(place), f"must have {MOST_TEXT} bytes at most")
            return _parsed(place.read_bytes(), str(place))
    if archive.is_file() and zipfile.is_zipfile(archive):
        return _from_zip(archive)[0]
    looked = ", ".join(dict.fromkeys(str(place) for place in (*places, archive)))
    raise BundleError(
        str(path),
        "holds weights alone, without the architecture that they belong to: write the text of "
        f"model.to_json() into a file beside it (looked for {looked}), or name it with "
        "--model-options architecture=FILE.json",
    )
