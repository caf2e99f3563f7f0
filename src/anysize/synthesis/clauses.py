"""A sentence in clauses, each with the mark behind it: what is said in one breath."""

from __future__ import annotations

import re
from typing import NamedTuple


class Clause(NamedTuple):
    """What is between two marks.

    Attributes:
        text: without the mark; never empty, unless the sentence is.
        mark: ``, ; : . ! ?``; empty where there is none.
    """

    text: str
    mark: str


_AS = {
    "，": ",", "、": ",", "،": ",", "﹐": ",", "；": ";", "؛": ";", "：": ":", "。": ".", "．": ".",
    "｡": ".", "।": ".", "։": ".", "！": "!", "？": "?", "؟": "?", "…": ",", "‽": "?",
}  # fmt: skip
_STRENGTH = {mark: place for place, mark in enumerate(",:;.!?")}
_CLOSING = r"[\"'”’»)\]}›]*"
_BREAK = re.compile(
    # Marks between words are of numbers, addresses, abbreviations: those before white space count.
    rf"(?P<marks>[,;:.!?…‽]+){_CLOSING}(?=\s|$)"
    r"|(?P<wide>[，、،﹐；؛：。．｡।։！？؟…‽]+)"
    r"|(?P<dash>\s+[-–—]{1,3}\s+|—|\s?--\s?)"
    r"|(?P<bracket>(?:(?<=\s)|^)[(\[]|[)\]](?=[\s,;:.!?]|$))"
)
_WHITE = re.compile(r"\s+")


def clauses(sentence: str) -> list[Clause]:
    """The clauses of a sentence, in order.

    A single point before a space inside a sentence is that of an abbreviation and stays with it.
    Dashes and brackets are pauses, as a comma is.
    """
    found: list[Clause] = []
    begin = opened = 0
    for one in _BREAK.finditer(sentence):
        last = not sentence[one.end() :].strip()
        if one.group() == "." and not last:
            continue
        if one["bracket"] in (")", "]"):
            if not opened:
                continue  # that of "file(s)"
            opened -= 1
        elif one["bracket"]:
            opened += 1
        mark = _strongest(one["marks"] or one["wide"] or ",", last=last)
        _add(found, sentence[begin : one.start()], mark)
        begin = one.end()
    _add(found, sentence[begin:], "")
    return found or [Clause("", "")]


def _add(found: list[Clause], text: str, mark: str) -> None:
    plain = _WHITE.sub(" ", text).strip(" \"'“”„‘’«»()[]{}")
    if plain:
        found.append(Clause(plain, mark))
    elif found and _STRENGTH.get(mark, -1) > _STRENGTH.get(found[-1].mark, -1):
        found[-1] = Clause(found[-1].text, mark)


def _strongest(marks: str, *, last: bool) -> str:
    """The mark that counts where several stand together: "?!", "...", "…"."""
    if (set(marks) <= {".", "…"} and len(marks) > 1) or marks == "…":
        return "." if last else ","
    return max((_AS.get(mark, mark) for mark in marks), key=lambda mark: _STRENGTH.get(mark, -1))
