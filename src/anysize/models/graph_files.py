"""Which model specs are graph files, exported as ONNX or for OpenVINO; asking loads nothing."""

from __future__ import annotations

from pathlib import Path

from anysize.core.errors import BundleError

_NOT_GRAPHS = ("anysize.json", "config.json")


def graph_file(spec: str | Path) -> Path | None:
    """The graph file that a model spec names: an ``.onnx``, an ``.xml``, or the folder of one.

    A folder has to hold one graph and be no model of another kind. XML is much else too, the boxes
    of pictures for one, so in a folder it counts only with its ``.bin`` beside it.

    Returns:
        The file, which need not be there where the spec names it; None for all else.

    Raises:
        BundleError: a folder holds several graphs.
    """
    path = Path(spec)
    if path.suffix.lower() in (".onnx", ".xml") and not path.is_dir():
        return path
    if not path.is_dir() or any((path / name).is_file() for name in _NOT_GRAPHS):
        return None
    found = sorted(path.glob("*.onnx"))
    found += [each.with_suffix(".xml") for each in sorted(path.glob("*.bin"))]
    found = [each for each in found if each.is_file()]
    if len(found) > 1:
        names = ", ".join(each.name for each in found[:5])
        raise BundleError(str(path), f"holds several graph files: name one of them ({names})")
    return found[0] if found else None


def is_graph(spec: str | Path) -> bool:
    """Whether a path is a model in a graph file and no data."""
    found = graph_file(spec)
    return found is not None and (
        found.suffix.lower() == ".onnx" or found.with_suffix(".bin").is_file()
    )
