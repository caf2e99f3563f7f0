"""Which model specs are GGUF files; asking loads nothing."""

from __future__ import annotations

from pathlib import Path

from anysize.core.errors import BundleError

_OTHERS = ("anysize.json", "config.json")


def gguf_file(spec: str | Path) -> Path | None:
    """The GGUF file that a model spec names: the file itself, or the folder of one.

    Returns:
        The file, which need not be there where the spec names it; None for all else.

    Raises:
        BundleError: a folder holds several.
    """
    path = Path(spec)
    if not path.is_dir():
        return path if path.suffix.lower() == ".gguf" else None
    if any((path / name).is_file() for name in _OTHERS):
        return None
    found = sorted(each for each in path.glob("*.gguf") if each.is_file())
    if len(found) > 1:
        names = ", ".join(each.name for each in found[:5])
        raise BundleError(str(path), f"holds several GGUF files: name one of them ({names})")
    return found[0] if found else None
