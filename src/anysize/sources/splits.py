"""Training, validation and test data: by the names of files or folders, or by hash of the id."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anysize.core.errors import ColumnError, ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.sources.boxes.role import wants_objects
from anysize.sources.class_folders import Listing, by_folder
from anysize.sources.columns import ColumnSpec, Request
from anysize.sources.concat import Concat
from anysize.sources.contents import Contents, split_paths
from anysize.sources.copies import copies_in, tell_copies
from anysize.sources.division import divide
from anysize.sources.folder import joined, open_folder, unwrapped
from anysize.sources.folder_findings import tell_passed_over, tell_rest, tell_results
from anysize.sources.identities import divide_by_target
from anysize.sources.opening import (
    NOTHING,
    Paths,
    all_matching,
    called,
    common_folder,
    open_one,
    request_for,
)
from anysize.sources.parallel.role import wants_pairs
from anysize.sources.passages import in_passages
from anysize.sources.several_tables import has_labels
from anysize.sources.single_file import open_file
from anysize.sources.split_names import SplitName

SHARE = 0.1
"""Of validation and of test, each, where the caller does not say."""


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Data for training and for judging it.

    Attributes:
        train, validation, test: None where the data has none.
        how: ``files`` or ``folders`` where names say what is what (a validation part may still be
            taken from the training data by hash), ``hash`` where nothing does.
        whole: what was divided by hash; None where names say what is what.
        apart: whether no record has its content in another part, as far as is known.
    """

    train: Source | None
    validation: Source | None
    test: Source | None
    how: Literal["files", "folders", "hash"]
    whole: Source | None = None
    apart: bool = False

    def named(self) -> dict[str, Source]:
        """The parts that have records, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None and len(part)}


def open_splits(
    path: Paths,
    *,
    roles: Sequence[ColumnSpec],
    columns: Mapping[str, str] = NOTHING,
    encoding: str = "utf-8",
    cache: Path | None = None,
    validation: float = SHARE,
    test: float = SHARE,
    seed: int = 0,
    by_target: bool = False,
    findings: Findings | None = None,
    table: Mapping[str, str] = NOTHING,
) -> Splits:
    """Opens data as training, validation and test part.

    Files or sub-folders named ``train``, ``validation``, ``test`` or as ``split_names`` knows them
    (a table may have the word in a longer name) are the parts; so are folders of parts inside the
    folders of classes. With a training and a test part but no validation part, the latter is taken
    from the training part. Data with neither a test nor a validation part is divided as a whole. A
    record's part depends only on its id and the seed, that of a copy on the first record with its
    content. What has no labels is left out.

    Args:
        path: as for ``open_source``.
        roles: those that a record must fill.
        columns: role to column, where a column has an unusual name.
        encoding: of texts and tables.
        cache: folder for indexes.
        validation: the share of the records that are divided which goes to validation.
        test: the share that goes to the test part.
        seed: of the division.
        by_target: divide the targets, not the records: see ``sources.identities``.
        findings: takes what opening the data guesses, repairs or leaves out.
        table: as for ``open_source``.

    Raises:
        DataError: as ``open_source``.
        ConfigurationError: shares that are negative or leave nothing for training.
    """
    _check(validation, test)
    paths = all_matching(path, once=True)
    where = paths[0] if len(paths) == 1 else common_folder(paths)
    request = request_for(where, roles, columns, encoding, cache, findings, table)
    request = dataclasses.replace(request, labelled=True)
    cut = _Cut(
        validation=validation,
        seed=seed,
        by_target=by_target,
        findings=request.findings,
        shared=tuple(spec.role for spec in roles if spec.shared),
        roles=tuple(roles),
    )
    found = _pairs(paths, request)
    if found is None and len(paths) != 1:
        return _several(where, paths, request, cut, [validation, test])
    if found is None:
        found, request = _objects(where, request)
    if found is not None:
        if None not in found and set(found) != {"train"}:
            parts = {split: source for split, source in found.items() if split is not None}
            return _completed(parts, "files", cut)
        (whole,) = found.values()
    elif where.is_dir():
        named = _named(where, request)
        if named is not None:
            how, parts = named
            if set(parts) != {"train"}:
                return _completed(parts, how, cut)
            whole = parts["train"]
        else:
            whole = open_folder(where, request)
    else:
        whole = open_file(where, request)
    whole = in_passages(whole, roles)
    (train, held, tested), apart = cut(whole, [validation, test])
    return Splits(train=train, validation=held, test=tested, how="hash", whole=whole, apart=apart)


def _pairs(paths: Sequence[Path], request: Request) -> dict[SplitName | None, Source] | None:
    """Parallel text by split; None where none is wanted or there."""
    if not wants_pairs(request):
        return None
    from anysize.sources.parallel.layout import split_pairs

    return split_pairs(paths, request)


def _objects(
    where: Path, request: Request
) -> tuple[dict[SplitName | None, Source] | None, Request]:
    """Pictures with objects by split, None where there are none; and what is asked for then."""
    if not wants_objects(request):
        return None, request
    from anysize.sources.boxes.layouts import split_objects, without_layout

    found = split_objects(where, request)
    return found, without_layout(where, request) if found is None else request


def _several(
    base: Path, paths: Sequence[Path], request: Request, cut: _Cut, shares: Sequence[float]
) -> Splits:
    """Several files or folders: parts where their names give them, else divided as a whole."""
    whole = [one.absolute() for one in paths]
    parts = split_paths(whole)
    if set(parts) - {"train"} and sum(map(len, parts.values())) == len(whole):
        opened = {part: _together(base, found, request) for part, found in parts.items()}
        return _completed(opened, "files", cut)
    source = in_passages(_together(base, whole, request), request.roles)
    (train, held, tested), apart = cut(source, shares)
    return Splits(train=train, validation=held, test=tested, how="hash", whole=source, apart=apart)


def _together(base: Path, paths: list[Path], request: Request) -> Source:
    if not wants_objects(request):
        return joined(base, paths, request, name=called(paths))
    return Concat(called(paths), [open_one(path, request) for path in paths])


def _named(
    folder: Path, request: Request
) -> tuple[Literal["files", "folders"], dict[SplitName, Source]] | None:
    """The parts that names give; None where no name gives any."""
    from anysize.sources.imagenet import folders as imagenet

    folder, found = unwrapped(folder)
    parts = imagenet.open_parts(folder, found, request)
    if parts is not None:
        return "folders", parts
    archives = found.split_archives()
    if archives:
        tell_rest(folder, found.archives, archives, request)
        return "files", {split: joined(folder, paths, request) for split, paths in archives.items()}
    tables, folders = found.split_tables(), found.split_folders()
    if found.metadata is None and tables:
        try:
            tell_results(folder, found.results, request)
            return "files", _of_tables(folder, found, tables, request)
        except DataError:
            if not folders:
                raise
    if folders:
        tell_rest(folder, found.folders, folders, request)
        tell_results(folder, found.results, request)
        opened = {split: joined(folder, paths, request) for split, paths in folders.items()}
        return "folders", _with_labels(folder, opened, request)
    if not found.tables and by_folder(request) and (inner := found.splits_below()):
        tell_results(folder, found.results, request)
        return "folders", {
            split: _below(folder, paths).source(request) for split, paths in inner.items()
        }
    return None


def _below(folder: Path, paths: Sequence[Path]) -> Listing:
    """The files of folders inside the folders of classes."""
    return Listing(folder, [path.relative_to(folder).as_posix() for path in paths])


def _of_tables(
    folder: Path, found: Contents, tables: Mapping[SplitName, list[Path]], request: Request
) -> dict[SplitName, Source]:
    tell_rest(folder, found.tables, tables, request)
    opened: dict[SplitName, Source] = {}
    lacking: dict[Path, ColumnError] = {}
    for split, paths in tables.items():
        try:
            opened[split] = joined(folder, paths, request)
        except ColumnError as error:
            lacking[paths[0]] = error
    if not opened:
        raise next(iter(lacking.values()))
    for path, fault in lacking.items():
        why = fault.problem.partition(". ")[0]
        tell_passed_over(folder, "tables-without-column", [path], why, request)
    from anysize.sources.unnamed import tell_unnamed

    tell_unnamed(folder, opened.values(), found.results, request)
    return _with_labels(folder, opened, request)


def _with_labels(
    folder: Path, parts: Mapping[SplitName, Source], request: Request
) -> dict[SplitName, Source]:
    """Without the parts that have no labels, such as the test part that Kaggle gives."""
    if not request.labelled or not request.of_kind("target"):
        return dict(parts)
    without = [split for split, source in parts.items() if has_labels(source) is False]
    if len(without) == len(parts):
        return dict(parts)
    for split in without:
        request.findings.add(
            "part-unlabelled",
            f"{folder}: the {split} part is left out, because its records have no labels",
            count=len(parts[split]),
            unit="records",
            examples=[parts[split].name],
            remedy="predict answers them",
        )
    return {split: source for split, source in parts.items() if split not in without}


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """How records are divided where no names say it."""

    validation: float
    seed: int
    by_target: bool
    findings: Findings
    shared: tuple[str, ...]
    roles: Sequence[ColumnSpec]

    def __call__(self, source: Source, shares: Sequence[float]) -> tuple[list[Source | None], bool]:
        """The remainder and a part for each share, and whether copies are in one part."""
        if self.by_target:
            return divide_by_target(source, shares, self.seed), False
        copies = copies_in(source)
        tell_copies(source, copies, self.findings)
        together = None if copies is None else copies.together()
        if self.shared:
            sharing = copies_in(source, self.shared)
            together = (None if sharing is None else sharing.together()) or together
        apart = copies is not None and (together is not None or not len(copies.index))
        return divide(source, shares, self.seed, together), apart


def _completed(
    parts: Mapping[SplitName, Source], how: Literal["files", "folders"], cut: _Cut
) -> Splits:
    parts = {name: in_passages(part, cut.roles) for name, part in parts.items()}
    train, held, test = (parts.get(name) for name in ("train", "validation", "test"))
    for name, part in parts.items():
        if not len(part):
            message = f"{part.name}: the {name} part has no records"
            cut.findings.add("part-empty", message, unit="parts")
    if train is not None and held is None and cut.validation > 0:
        (train, held), _ = cut(train, [cut.validation])
    return Splits(train=train, validation=held, test=test, how=how)


def _check(validation: float, test: float) -> None:
    problems = [
        f"{name} must be a share from 0 to below 1, not {share}"
        for name, share in (("validation", validation), ("test", test))
        if not 0 <= share < 1
    ]
    if not problems and validation + test >= 1:
        problems.append(
            f"validation + test must be below 1, so that something is left for training, not "
            f"{validation} + {test}"
        )
    if problems:
        raise ConfigurationError(problems)
