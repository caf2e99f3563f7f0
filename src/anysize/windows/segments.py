"""Segments of a text: what is to be translated, and what stays as it is around it.

Sentences (``windows.sentences``) without the markup at their ends: white space, marks of headings,
lists, quotes and tables, HTML tags, fenced code, and what has no letters. The pieces in order are
the text, character for character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anysize.windows.sentences import Lines, Part, sentences

_MOST_KEPT = 1 << 14
_LEADING = re.compile(
    r"(?:#{1,6}[ \t]+|[-*+•‣◦][ \t]+|>[ \t]?|\(?(?:\d{1,3}|[a-zA-Z])[.)][ \t]+|\|[ \t]*"
    r"|\[[ xX]\][ \t]+|<[/!]?[A-Za-z][^<>]*>\s*)+"
)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_FENCES = ("```", "~~~")
_VERBATIM = re.compile(r"<(script|style|pre|code)\b", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Segment:
    """What is translated at once, with what stays around it.

    Attributes:
        start: the first character, counted from the beginning of the text, ``before`` included.
        before: stays; of the first segment, and where much that stays comes before.
        text: is translated, without white space at its ends; empty where there is nothing.
        after: stays.
    """

    start: int
    before: str
    text: str
    after: str

    @property
    def stop(self) -> int:
        """The character after its last, ``after`` included."""
        return self.start + len(self.before) + len(self.text) + len(self.after)


def segments(
    chunks: Iterable[str], *, longest: int, lines: Lines = "auto", markup: bool = True
) -> Iterator[Segment]:
    """The segments of a text in order; at least one, which may be empty.

    Args:
        chunks: the text in pieces.
        longest: characters of the longest segment.
        lines: what the end of a line means; see ``windows.sentences``.
        markup: whether Markdown and HTML stay as they are; else all but white space is translated.
    """
    before, text, start, size = "", "", 0, 0
    after: list[str] = []
    for piece, kept in _pieces(sentences(chunks, longest=longest, lines=lines), markup):
        if (not kept and text) or (kept and size > _MOST_KEPT):
            segment = Segment(start, before, text, "".join(after))
            yield segment
            before, text, after, start, size = "", "", [], segment.stop, 0
        if kept:
            after.append(piece)
            size += len(piece)
        else:
            before, text, after, size = "".join(after), piece, [], 0
    yield Segment(start, before, text, "".join(after))


def _pieces(parts: Iterable[Part], markup: bool) -> Iterator[tuple[str, bool]]:
    """Pieces of a text, each with whether it is kept."""
    verbatim = _Verbatim()
    for part in parts:
        if part.kind != "sentence":
            yield part.text, True
        elif not markup:
            yield part.text, _LETTER.search(part.text) is None
        elif verbatim.holds(part.text):
            yield part.text, True
        else:
            yield from _sentence(part.text)


def _sentence(text: str) -> Iterator[tuple[str, bool]]:
    found = _LEADING.match(text)
    first = 0 if found is None else found.end()
    first += len(text[first:]) - len(text[first:].lstrip())
    last = len(text)
    while last > first:
        trimmed = text[:last].rstrip()
        if trimmed.endswith("|"):
            last = len(trimmed) - 1
        elif trimmed.endswith(">") and (at := trimmed.rfind("<", first)) >= 0:
            if _TAG.fullmatch(trimmed, at) is None:
                break
            last = at
        else:
            break
    inner = text[first:last].rstrip()
    if _LETTER.search(inner) is None:
        yield text, True
        return
    if first:
        yield text[:first], True
    yield inner, False
    if first + len(inner) < len(text):
        yield text[first + len(inner) :], True


class _Verbatim:
    """Whether sentences belong to fenced code or to an element of HTML whose text stays."""

    def __init__(self) -> None:
        self._fence = self._element = ""

    def holds(self, text: str) -> bool:
        """Whether a sentence stays as it is; called for each in order."""
        if self._fence:
            if text.startswith(self._fence):
                self._fence = ""
            return True
        if self._element:
            if f"</{self._element}" in text.lower():
                self._element = ""
            return True
        if text.startswith(_FENCES):
            self._fence = text[:3]
            return True
        found = _VERBATIM.match(text)
        if found is None:
            return False
        name = found[1].lower()
        if f"</{name}" not in text.lower():
            self._element = name
        return True
