"""Names of classes that differ in what is easily overlooked, so that they may be one class."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

from anysize.core.findings import Findings
from anysize.sources.labels.spelling import is_alphabet

CODE = "labels-alike"
"""Of what is said of such classes."""

_BETWEEN = re.compile(r"[\s_.'\-]+")
_LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_SIGNS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_QUOTES = str.maketrans(dict.fromkeys("\u2018\u2019\u00b4`", "'"))
_INVISIBLE = ("Cf", "Cc")


def tell_alike(parts: Iterable[Mapping[str, int]], where: str, findings: Findings) -> None:
    """Says which classes are apart although their names look alike; nothing where it has been said.

    Args:
        parts: of the data: how often each class is there.
        where: what the sentence is about.
        findings: takes it.
    """
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part)
    groups = alike(counts)
    if not groups or any(one.code == CODE for one in findings):
        return
    findings.add(
        CODE,
        f"{where}: classes whose names look alike are different classes",
        count=len(groups),
        unit="groups",
        examples=[
            " and ".join(f"{name!r} ({counts[name]:,})" for name in sorted(group))
            for group in groups
        ],
        remedy="write their names in one way if they are one class",
    )


def alike(names: Iterable[str]) -> list[list[str]]:
    """The names that look alike, together.

    They differ in the form of their letters or digits (of full width), in case, in the blanks and
    signs between their words, or in the zeros before a number: ``not good``, ``not_good`` and
    ``Not-Good``; ``01`` and ``1``. ``C`` and ``C++``, ``A`` and ``A-``, ``1`` and ``-1``, ``15``
    and ``1.5`` do not look alike, and neither do ``a`` and ``A`` where letters are the classes.
    """
    known = list(names)
    folds = not is_alphabet(known)
    groups: dict[str, list[str]] = {}
    for name in known:
        look = _look(name)
        groups.setdefault(look.casefold() if folds else look, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _look(name: str) -> str:
    text = unicodedata.normalize("NFKC", name.translate(_QUOTES).translate(_SIGNS))
    text = "".join(sign for sign in text if unicodedata.category(sign) not in _INVISIBLE)
    return _LEADING_ZEROS.sub("", _BETWEEN.sub(_between, text)) or name


def _between(found: re.Match[str]) -> str:
    """What stays of blanks and signs: points and dashes inside of numbers, and a minus."""
    run = found[0]
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    if before.isdigit() and after.isdigit():
        return run if run in (".", "-") else " "
    outside = "-" in run and not (before and after)
    return "-" if outside or (run.endswith((" -", "_-")) and after.isdigit()) else ""
