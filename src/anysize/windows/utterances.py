"""Utterances: what of a text is said in one go, with the pause behind it.

They are sentences (``windows.sentences``); each owns the white space behind it, so that together
they are the text, character for character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from anysize.windows.sentences import Lines, sentences

Pause: TypeAlias = Literal["clause", "sentence", "line", "paragraph"]
"""What comes behind an utterance: the rest of a sentence that was cut, another sentence, a line, or
a paragraph."""

LONGEST = 300
"""Characters of the longest utterance; voices were trained on sentences."""

_MARKUP = re.compile(
    r"</?[A-Za-z][^<>\n]{0,200}>|`+|(?<![\w*])\*{1,3}(?=[^\s*])|(?<=[^\s*])\*{1,3}(?![\w*])"
    r"|(?<!\w)_{1,3}(?=[^\W_])|(?<=[^\W_])_{1,3}(?!\w)|^\s{0,3}(?:#{1,6}\s+|[-*+•]\s+|>\s?)|^[*_=~-]+$"
)
_HEADING = re.compile(
    r"(?:(?:chapter|part|book|kapitel|teil|buch|chapitre|capítulo|capitolo)\s+[\w.:–—-]+"
    r"|第[\d一二三四五六七八九十百千零〇两]+[章回节卷部]|(?:prologue|epilogue|prolog|epilog|preface"
    r"|foreword|vorwort|introduction|einleitung)\b)[^.!?。！？]{0,80}\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence, or a part of one that is too long.

    Attributes:
        start: its first character, counted from the beginning of the text; of the first one 0.
        stop: the character after its last, white space behind it included.
        text: what is said, without markup.
        pause: what comes behind it.
        heading: whether it looks like the heading of a chapter.
        markup: how many characters of markup were taken out.
    """

    start: int
    stop: int
    text: str
    pause: Pause
    heading: bool = False
    markup: int = 0


def utterances(
    chunks: Iterable[str], *, longest: int = LONGEST, lines: Lines = "auto"
) -> Iterator[Utterance]:
    """The utterances of a text in order; at least one, which may be empty.

    Args:
        chunks: the text in pieces of any size.
        longest: characters of the longest; longer sentences are cut at clauses.
        lines: what the end of a line means; see ``windows.sentences``.
    """
    held: str | None = None
    start = stop = 0
    pause: Pause = "sentence"
    alone, before = True, True  # whether the held one begins a line, and what comes next
    for part in sentences(chunks, longest=longest, lines=lines):
        if part.kind != "sentence":
            stop = part.stop
            if part.kind in ("line", "paragraph"):
                before = True
                pause = "paragraph" if "paragraph" in (part.kind, pause) else "line"
            continue
        if held is not None:
            yield _made(start, part.start, held, "clause" if part.continues else pause, alone)
            start = part.start
        held, stop, pause, alone, before = part.text, part.stop, "sentence", before, False
    yield _made(start, stop, held or "", "paragraph", alone)


def _made(start: int, stop: int, text: str, pause: Pause, alone: bool) -> Utterance:
    plain = _MARKUP.sub("", text).strip()
    heading = alone and pause in ("line", "paragraph") and _HEADING.fullmatch(plain) is not None
    return Utterance(start, stop, plain, pause, heading, len(text) - len(plain))
