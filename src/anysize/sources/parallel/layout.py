"""Finding parallel text among the paths that were given, by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.folder_findings import tell_passed_over
from anysize.sources.parallel.names import (
    Pair,
    Side,
    grouped,
    is_plain,
    is_source,
    paired,
)
from anysize.sources.parallel.pairs import open_pair
from anysize.sources.split_names import SplitName, by_part, split_of_name, split_of_words
from anysize.sources.tables.packed_names import inner_suffix, is_table

MOST_FILES = 100_000
"""Of a folder that is looked through for parallel text."""

_NAMED = 5


def is_parallel(paths: Sequence[Path]) -> bool:
    """Whether files of two languages belong together, by their names alone.

    Languages of three letters are not looked for: sounds and their labels have such suffixes too.
    """
    if len(paths) == 1 and not paths[0].is_dir():
        return False
    groups = grouped(_files(paths)[0]).values()
    return any(sum(is_plain(side) for side in group) > 1 for group in groups)


def open_pairs(paths: Sequence[Path], request: Request) -> Source | None:
    """All pairs as one source; None where paths are of no such layout.

    Raises:
        DataError: as ``split_pairs``.
        ConfigurationError: nothing says which language is the source.
    """
    pairs = _pairs(paths, request)
    if pairs is None:
        return None
    return _one(_called(paths), [open_pair(pair, request) for pair in pairs])


def split_pairs(paths: Sequence[Path], request: Request) -> dict[SplitName | None, Source] | None:
    """The same by split; under None, alone, where no name gives one.

    Raises:
        DataError: files of different numbers of lines; a file without its other language.
        ConfigurationError: nothing says which language is the source.
    """
    pairs = _pairs(paths, request)
    if pairs is None:
        return None
    parts: dict[SplitName | None, list[Pair]] = {}
    named = _splits(pairs)
    for pair in pairs:
        parts.setdefault(named.get(pair.stem), []).append(pair)
    if len(parts) > 1 and None in parts:
        unnamed = parts.pop(None)
        parts["train"] = [*parts.get("train", []), *unnamed]
        request.findings.add(
            "split-guessed",
            f"{_called(paths)}: files whose names are those of no split are read as training data",
            count=len(unnamed),
            unit="files",
            examples=[pair.source.name for pair in unnamed],
            remedy="call them train, val or test, or move them elsewhere",
        )
    return {
        split: _one(
            f"{_called(paths)} ({split})" if split else _called(paths),
            [open_pair(pair, request) for pair in several],
        )
        for split, several in parts.items()
    }


def _pairs(paths: Sequence[Path], request: Request) -> list[Pair] | None:
    """The pairs among files, or in folders; None where there are none.

    Raises:
        DataError: files were given of which one side is missing, in training.
        ConfigurationError: nothing says which language is the source.
    """
    files, large = _files(paths)
    if large:
        request.findings.add(
            "folder-too-large",
            f"not looked through for parallel text, because they have more than {MOST_FILES:,} "
            "files",
            count=len(large),
            unit="folders",
            examples=[str(folder) for folder in large[:_NAMED]],
            remedy="give the files that belong together by their names, or move them into a folder "
            "of their own",
        )
    groups = grouped(files)
    whole = [group for group in groups.values() if len(group) > 1]
    alone = [group[0] for group in groups.values() if len(group) == 1]
    given = not any(path.is_dir() for path in paths)
    if given and sum(map(len, groups.values())) < len(paths):
        return None  # tables and documents among them
    if not whole and not (given and all(is_source(side, request) for side in alone)):
        return None
    if not whole and not request.labelled:
        return [Pair(side.path, None, side.stem) for side in alone]
    if alone:
        _tell_alone(paths, alone, request, given=given)
    pairs = paired(_called(paths), whole, request, ordered=given)
    _tell_unused(paths, files, whole, pairs, request)
    return pairs


def _tell_alone(
    paths: Sequence[Path], alone: Sequence[Side], request: Request, *, given: bool
) -> None:
    if given:
        side = alone[0]
        raise DataError(
            str(side.path),
            f"is parallel text of which the other language is missing: give the file that belongs "
            f"to it too, called {Path(side.stem).name}.LANGUAGE",
        )
    tell_passed_over(
        paths[0],
        "language-alone",
        [side.path for side in alone],
        "no file of another language has the same name",
        request,
    )


def _tell_unused(
    paths: Sequence[Path],
    files: Sequence[Path],
    groups: Sequence[Sequence[Side]],
    pairs: Sequence[Pair],
    request: Request,
) -> None:
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    tables = [path for path in files if is_table(inner_suffix(path.name))]
    if tables:
        why = "files of parallel text are beside them, and are read instead"
        tell_passed_over(folder, "tables-beside", tables, why, request, "name those that are meant")
    used = {path for pair in pairs for path in (pair.source, pair.target)}
    left = [side.path for group in groups for side in group if side.path not in used]
    if left:
        tell_passed_over(
            folder,
            "language-not-asked",
            left,
            "they are in languages that were not asked for",
            request,
        )


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files given, and those in folders and in the folders in these, by name.

    Returns:
        The files, and the folders that have too many to be looked through.
    """
    found: list[Path] = []
    large: list[Path] = []
    for given in paths:
        # Ids of several are relative to the folder that they have in common.
        path = given.absolute() if len(paths) > 1 else given
        if not path.is_dir():
            found.append(path)
            continue
        for folder in (path, *_folders(path)):
            try:
                inside = [each for each in folder.iterdir() if not each.name.startswith(".")]
            except OSError as error:
                raise DataError(
                    str(folder), f"cannot be listed: {error.strerror or error}"
                ) from None
            if len(inside) > MOST_FILES:
                large.append(folder)
            else:
                found += sorted(each for each in inside if each.is_file())
    return found, large


def _folders(path: Path) -> list[Path]:
    try:
        inside = list(path.iterdir())
    except OSError as error:
        raise DataError(str(path), f"cannot be listed: {error.strerror or error}") from None
    return sorted(each for each in inside if each.is_dir() and not each.name.startswith("."))


def _splits(pairs: Sequence[Pair]) -> Mapping[str, SplitName]:
    """The part of each pair whose name, or folder, gives one, by its stem."""
    named = []
    for pair in pairs:
        stem = Path(pair.stem)
        part = split_of_words(stem.name) or split_of_name(stem.parent.name)
        if part is not None:
            named.append((pair.stem, part))
    return by_part(named)


def _called(paths: Sequence[Path]) -> str:
    from anysize.sources.opening import called

    return called(paths)


def _one(name: str, sources: Sequence[Source]) -> Source:
    return sources[0] if len(sources) == 1 else Concat(name, sources)
