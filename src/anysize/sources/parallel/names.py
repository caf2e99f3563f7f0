"""Which files belong together, by their names: ``train.en`` and ``train.de``, packed or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anysize.core.errors import ConfigurationError
from anysize.core.near import unknown
from anysize.modalities import file_suffixes
from anysize.sources.columns import Request
from anysize.sources.languages import same_language
from anysize.sources.listing import suffix_of
from anysize.sources.parallel.role import SOURCE, TARGET
from anysize.sources.tables.packed_names import PACKED, is_table

"""The roles of a task that reads parallel text."""

_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z]{2,4}){0,2}", re.IGNORECASE)
_WORDS = {
    "src": SOURCE, "source": SOURCE,
    "tgt": TARGET, "trg": TARGET, "target": TARGET,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """A file of one language.

    Attributes:
        path: of it.
        stem: its path without the language, which both sides have in common.
        language: as its name says it, ``src`` and the like included.
    """

    path: Path
    stem: str
    language: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Files whose lines belong together.

    Attributes:
        source: the file of what is translated.
        target: that of its translations; None where there is none.
        stem: what their paths have in common.
    """

    source: Path
    target: Path | None
    stem: str


def side_of(path: Path) -> Side | None:
    """The file as one side of parallel text; None where its name ends in no language.

    The language is the last part of the name, before ``.gz`` and the like and ``.txt``.
    """
    name = path.name
    if suffix_of(name) in PACKED:
        name = name[: -len(suffix_of(name))]
    if suffix_of(name) == ".txt":
        name = name[: -len(".txt")]
    suffix = suffix_of(name)
    language = name[len(name) - len(suffix) + 1 :]
    known = is_table(suffix) or suffix in file_suffixes() or suffix in PACKED
    if known or not (_LANGUAGE.fullmatch(language) or language in _WORDS):
        return None
    return Side(path, str(path.with_name(name[: -len(suffix)])), language)


def grouped(paths: Iterable[Path]) -> dict[str, list[Side]]:
    """The sides that belong together, by what their paths have in common, in the order given."""
    found: dict[str, list[Side]] = {}
    for path in paths:
        side = side_of(path)
        if side is not None:
            found.setdefault(side.stem, []).append(side)
    return found


def paired(origin: str, groups: Sequence[Sequence[Side]], request: Request, *, ordered: bool) -> (
    list[Pair]
):  # fmt: skip
    """The pair of each group, in the direction that is asked for.

    Which language is the source is said by ``--columns source=en,target=de``, by the model, by
    the files' own names (``train.src``, ``train.tgt``), or by the order in which they were given.

    Args:
        origin: the data, for messages.
        groups: files that belong together, at least two in each.
        request: names of the languages.
        ordered: whether the order of the files says which is the source.

    Raises:
        ConfigurationError: a language that no file has, or nothing says which is which.
    """
    languages = list(dict.fromkeys(side.language for group in groups for side in group))
    _refuse_unknown(origin, languages, request)
    pairs = []
    for group in groups:
        source, target = _chosen(group, SOURCE, request), _chosen(group, TARGET, request)
        others = [side for side in group if side not in (source, target)]
        if source is None and target is None and ordered and len(group) == 2:
            source, target = group
        elif source is None and target is not None and len(others) == 1:
            source = others[0]
        elif target is None and source is not None and len(others) == 1:
            target = others[0]
        if source is None or target is None or source == target:
            shown = ", ".join(languages)
            raise ConfigurationError(
                f"{origin} has texts in {shown}: say which is translated into which, with "
                f"--columns source={languages[0]},target={languages[-1]} or the other way round"
            )
        pairs.append(Pair(source.path, target.path, source.stem))
    return pairs


def is_plain(side: Side) -> bool:
    """Whether its language has two letters (``en``, ``zh-CN``), or is a word such as ``src``."""
    return side.language in _WORDS or len(re.split("[-_]", side.language)[0]) == 2


def is_source(side: Side, request: Request) -> bool:
    """Whether a file that is alone is the source: the user, the model or its name says so."""
    return _chosen([side], SOURCE, request) is not None


def _chosen(group: Sequence[Side], role: str, request: Request) -> Side | None:
    """The file of a role: by the user's word, by the model's, else by its own name."""
    wanted = request.columns.get(role)
    spec = next(spec for spec in request.roles if spec.role == role)
    for name in (wanted,) if wanted is not None else spec.names:
        exact = [side for side in group if side.language.lower() == name.lower()]
        near_by = [side for side in group if same_language(side.language, name)]
        if found := exact or near_by:
            return found[0]
    if wanted is not None:
        return None
    return next((side for side in group if _WORDS.get(side.language.lower()) == role), None)


def _refuse_unknown(origin: str, languages: Sequence[str], request: Request) -> None:
    wrong = []
    for role in (SOURCE, TARGET):
        wanted = request.columns.get(role)
        if wanted is None or any(same_language(each, wanted) for each in languages):
            continue
        wrong.append(
            f"--columns {role}=: "
            + unknown(wanted, languages, f"is not a language of the files of {origin}")
        )
    if wrong:
        raise ConfigurationError(wrong)
