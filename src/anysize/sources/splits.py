"""Training, validation and test data: by the names of files or folders, or by hash of the id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.sources import imagenet
from anysize.sources.columns import ColumnSpec, Request
from anysize.sources.contents import SplitName, contents
from anysize.sources.detection_layouts import split_objects
from anysize.sources.folder import joined, open_file, open_folder
from anysize.sources.hashes import id_hashes, mixed
from anysize.sources.identities import HELD_OUT, divide_by_target
from anysize.sources.opening import NOTHING, existing, request_for
from anysize.sources.subset import Subset

_STEP = 1 << 16
SHARE = 0.1
"""Of validation and of test, each, where the caller does not say."""


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Data for training and for judging it.

    Attributes:
        train, validation, test: None where the data has none.
        how: ``files`` or ``folders`` where names say what is what (a validation part may still be
            taken from the training data by hash), ``hash`` where nothing does.
    """

    train: Source | None
    validation: Source | None
    test: Source | None
    how: Literal["files", "folders", "hash"]


def open_splits(
    path: str | Path,
    *,
    columns: Sequence[ColumnSpec],
    rename: Mapping[str, str] = NOTHING,
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

    Files or sub-folders named ``train``, ``val``, ``valid``, ``validation``, ``dev``, ``test`` (in
    any case; a table may have the word in a longer name) are the parts. With a training and a test
    part but no validation part, the latter is taken from the training part. Data with neither a
    test nor a validation part is divided as a whole. A record's part depends only on its id and
    the seed.

    Args:
        path: as for ``open_source``.
        columns: the roles that a record must fill.
        rename: role to column, where a column has an unusual name.
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
    where = existing(path)
    request = request_for(where, columns, rename, encoding, cache, findings, table)
    objects = split_objects(where, request)
    if objects is not None:
        if None not in objects and set(objects) != {"train"}:
            parts = {split: source for split, source in objects.items() if split is not None}
            return _completed(parts, "files", validation, seed, by_target)
        (whole,) = objects.values()
    elif where.is_dir():
        named = _named(where, request)
        if named is not None:
            how, parts = named
            if set(parts) != {"train"}:
                return _completed(parts, how, validation, seed, by_target)
            whole = parts["train"]
        else:
            whole = open_folder(where, request)
    else:
        whole = open_file(where, request)
    cut = divide_by_target if by_target else divide
    train, held, tested = cut(whole, [validation, test], seed)
    return Splits(train=train, validation=held, test=tested, how="hash")


def divide(source: Source, shares: Sequence[float], seed: int) -> list[Source | None]:
    """The remainder, then a part for each share (of validation, of test), by the hash of ids.

    A share of zero gives None. A part that would come out empty although its share is above zero
    gets the record with the hash nearest to its range, as long as the source has more records than
    parts.
    """
    size = len(source)
    edges = np.cumsum(shares)
    limits = [_limit(edge) for edge in edges]
    extra = _fill(source, limits, seed) if 0 < size < 1000 else {}

    def part_of(start: int, stop: int) -> NDArray[np.int64]:
        hashes = mixed(id_hashes(source, start, stop), seed)
        parts = np.searchsorted(np.array(limits, dtype=np.uint64), hashes, side="right")
        for index, part in extra.items():
            if start <= index < stop:
                parts[index - start] = part
        return parts

    def subset(part: int, label: str) -> Source:
        return Subset(source, lambda start, stop: part_of(start, stop) == part, label)

    rest = len(shares)
    found: list[Source | None] = [subset(rest, f"{source.name} (training part)")]
    for part, share in enumerate(shares):
        name = f"{source.name} ({HELD_OUT[part]} part)"
        found.append(subset(part, name) if share > 0 else None)
    return found


def _fill(source: Source, limits: Sequence[int], seed: int) -> dict[int, int]:
    """Records of a small source that parts get which would else be empty."""
    hashes = mixed(id_hashes(source, 0, len(source)), seed).astype(object)
    parts = [sum(value >= limit for limit in limits) for value in hashes]
    moved: dict[int, int] = {}
    lower = 0
    for part, limit in enumerate([*limits, 1 << 64]):
        if limit > lower and part not in parts and len(source) > len(limits):
            spare = [index for index in range(len(parts)) if parts.count(parts[index]) > 1]
            chosen = min(spare, key=lambda index: abs(int(hashes[index]) - lower))
            parts[chosen] = moved[chosen] = part
        lower = limit
    return moved


def _limit(share: float) -> int:
    return min(int(share * 2.0**64), 2**64 - 1)


def _named(
    folder: Path, request: Request
) -> tuple[Literal["files", "folders"], dict[SplitName, Source]] | None:
    found = contents(folder)
    parts = imagenet.open_parts(folder, found, request)
    if parts is not None:
        return "folders", parts
    archives = found.split_archives()
    if archives:
        return "files", {split: joined(folder, paths, request) for split, paths in archives.items()}
    tables, folders = found.split_tables(), found.split_folders()
    if found.metadata is None and tables:
        try:
            return "files", {
                split: joined(folder, paths, request) for split, paths in tables.items()
            }
        except DataError:
            if not folders:
                raise
    if folders:
        return "folders", {
            split: joined(folder, paths, request) for split, paths in folders.items()
        }
    return None


def _completed(
    parts: Mapping[SplitName, Source],
    how: Literal["files", "folders"],
    validation: float,
    seed: int,
    by_target: bool,
) -> Splits:
    train, held, test = (parts.get(name) for name in ("train", "validation", "test"))
    if train is not None and held is None and validation > 0:
        train, held = (divide_by_target if by_target else divide)(train, [validation], seed)
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
