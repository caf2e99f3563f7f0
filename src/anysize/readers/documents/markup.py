"""HTML as text: paragraphs and lines as a reader sees them, scripts and styles left out.

The parser (libxml2, through lxml) calls back for each tag, so that no tree of the document is ever
held. Nothing is loaded and nothing is run.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from anysize.core.errors import MissingExtraError
from anysize.readers.documents.parts import Part, Place, Remark
from anysize.readers.encodings import canonical, mark_of, suggest

_LEFT_OUT = {
    "script": "scripts", "style": "styles", "template": "templates", "noscript": "noscripts",
    "svg": "drawings", "object": "objects", "iframe": "frames",
}  # fmt: skip
# fmt: off
_PARAGRAPHS = frozenset((
    "address", "article", "aside", "blockquote", "body", "details", "dl", "fieldset", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p",
    "pre", "section", "table", "title", "ul",
))
_LINES = frozenset((
    "br", "caption", "dd", "div", "dt", "figcaption", "legend", "li", "option", "summary", "tr",
))
# fmt: on
_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
_BLANK = re.compile(r"[ \t\n\r\f]+")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["']([\w-]+)["']""", re.IGNORECASE)
_HEAD = 1 << 14
_LONGEST_HEADING = 300
_BETWEEN = ("", " ", "\t", "\n", "\n\n")
_NOTHING, _SPACE, _TAB, _LINE, _PARAGRAPH = range(5)
_BREAKS = {
    **dict.fromkeys(_PARAGRAPHS, _PARAGRAPH), **dict.fromkeys(_LINES, _LINE),
    "td": _TAB, "th": _TAB,
}  # fmt: skip
# The parser keeps all that it was fed: it is begun anew where an element begins.
FED = 1 << 22
_ELEMENT = re.compile(r"<(?:p|div|li|tr|h[1-6]|section|article|table|ul|ol|span|a|td)[ >]")


class _Target:
    """What the parser calls; ``take`` gives what has come together."""

    def __init__(self, headings: Literal["section", "first"]) -> None:
        self.left_out: Counter[str] = Counter()
        self._headings = headings
        self._found: list[Part] = []
        self._text: list[str] = []
        self._between = _NOTHING
        self._begun = False
        self._skipping: list[str] = []
        self._plain = 0  # how many elements deep white space is kept
        self._heading: list[str] | None = None

    def start(self, tag: str, attributes: Any) -> None:
        """An element begins."""
        if self._skipping:
            if tag == self._skipping[-1]:
                self._skipping.append(tag)
            return
        if tag in _LEFT_OUT:
            self._skipping.append(tag)
            self.left_out[_LEFT_OUT[tag]] += 1
        elif tag in _HEADINGS:
            self._break(_PARAGRAPH)
            self._end_heading()
            self._heading = []
        elif tag == "br" and self._between == _LINE:
            self._between = _PARAGRAPH
        else:
            self._tag(tag)
            self._plain += tag == "pre"

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._skipping:
            if tag == self._skipping[-1]:
                self._skipping.pop()
            return
        if tag in _HEADINGS:
            self._end_heading()
            self._break(_PARAGRAPH)
        elif tag != "br":
            self._tag(tag)
            self._plain = max(self._plain - (tag == "pre"), 0)

    def data(self, text: str) -> None:
        """Characters of the text."""
        if self._skipping or not text:
            return
        if self._plain:
            self._put(text)
            return
        words = _BLANK.sub(" ", text)
        if words[0] == " ":
            self._break(_SPACE)
        inner = words.strip(" ")
        if inner:
            self._put(inner)
            if words[-1] == " ":
                self._break(_SPACE)

    def close(self) -> None:
        """The document ends."""
        self._end_heading()

    def take(self) -> list[Part]:
        """What has come together since the last time."""
        self._flush()
        found, self._found = self._found, []
        return found

    @property
    def splits(self) -> bool:
        """Whether the parser may be begun anew: nothing is under way but paragraphs."""
        return not self._skipping and self._heading is None

    @property
    def plain(self) -> bool:
        """Whether white space is kept."""
        return self._plain > 0

    def begun_anew(self, opening: Callable[[], None]) -> None:
        """Opens preformatted text again in a new parser, without a trace in the text."""
        between, self._plain = self._between, 0
        opening()
        self._between = between

    def _tag(self, tag: str) -> None:
        self._break(_BREAKS.get(tag, _NOTHING))

    def _break(self, kind: int) -> None:
        if kind > self._between:
            self._between = kind

    def _put(self, text: str) -> None:
        between = _BETWEEN[self._between] if self._begun else ""
        self._between, self._begun = _NOTHING, True
        if self._heading is None:
            self._text += (between, text)
            return
        if not self._heading:
            self._text.append(between)
            self._flush()  # the place begins with the heading
            between = ""
        self._heading.append(between + text)
        if sum(map(len, self._heading)) > _LONGEST_HEADING:
            self._end_heading()  # an unclosed tag

    def _end_heading(self) -> None:
        heading, self._heading = self._heading, None
        if not heading:
            return
        words = "".join(heading)
        name = _BLANK.sub(" ", words)[:_LONGEST_HEADING]
        self._found += (Place({self._headings: name}), words)

    def _flush(self) -> None:
        if self._text:
            self._found.append("".join(self._text))
            self._text.clear()


class _Parser:
    """The parser, in bounded memory: begun anew after some megabytes.

    Elements that are open then do not matter: a paragraph's text is known without what it is in.
    Comments and scripts are never divided.

    Raises:
        MissingExtraError: lxml is not installed.
    """

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._parser = self._new()
        self._fed = 0
        self._commented = False

    def feed(self, text: str) -> None:
        """The next piece."""
        if not text:
            return
        if self._fed > FED and self._target.splits and not self._commented:
            at = self._split(text)
            if at is not None:
                self._give(text[:at])
                if self._target.splits and not self._commented:
                    self._begin_anew()
                text = text[at:]
        self._give(text)

    def close(self) -> None:
        """The document ends."""
        if self._fed:
            self._parser.close()

    def _give(self, text: str) -> None:
        if not text:
            return
        begun, ended = text.rfind("<!--"), text.rfind("-->")
        if begun != ended:
            self._commented = begun > ended
        data = text.encode("utf-8", "replace")
        self._parser.feed(data)
        self._fed += len(data)

    def _split(self, text: str) -> int | None:
        """Where the parser may be begun anew: the last element that begins in the piece."""
        if self._target.plain:
            at = text.rfind("\n")
            return at if at >= 0 else None
        return max((found.start() for found in _ELEMENT.finditer(text)), default=None)

    def _begin_anew(self) -> None:
        plain = self._target.plain
        self._parser.close()
        self._parser, self._fed = self._new(), 0
        if plain:
            self._target.begun_anew(lambda: self._give("<pre>"))

    def _new(self) -> Any:
        try:
            from lxml import etree
        except ImportError as error:
            raise MissingExtraError("lxml", "documents") from error
        # Depth and the length of one text are not limited: no tree is built of them.
        return etree.HTMLParser(
            target=self._target, encoding="utf-8", huge_tree=True, no_network=True
        )


def text_of(
    pieces: Iterable[bytes], encoding: str, *, headings: Literal["section", "first"] = "section"
) -> Iterator[Part]:
    """HTML in pieces as text with places.

    Args:
        pieces: the file in order.
        encoding: taken where it is not utf-8; else a byte order mark decides, then what the
            document says of itself, then what decodes.
        headings: what the places that begin with headings are called.

    Yields:
        Text; at each heading a place; at the end, as counts, the elements that were left out.

    Raises:
        MissingExtraError: lxml is not installed.
    """
    target = _Target(headings)
    parser = _Parser(target)
    decoded = Decoded(pieces, encoding)
    for text in decoded:
        parser.feed(text)
        yield from target.take()
    parser.close()
    yield from target.take()
    yield Remark(notes=tuple(decoded.notes()), counts=dict(target.left_out))


def left_out_remark(left_out: Mapping[str, int]) -> Iterator[Remark]:
    """What of a document is not text, with a count of each kind; nothing where all of it is."""
    if left_out:
        shown = ", ".join(f"{count} {name}" for name, count in sorted(left_out.items()))
        yield Remark(notes=(f"not part of the text and left out: {shown}",))


class Decoded:
    """Bytes in pieces as text; what cannot be decoded becomes U+FFFD, and is counted.

    Args:
        pieces: of a file.
        encoding: see `text_of`.
    """

    def __init__(self, pieces: Iterable[bytes], encoding: str) -> None:
        self._pieces = pieces
        self._given = encoding
        self._bad = 0
        self._used = encoding

    def __iter__(self) -> Iterator[str]:
        stream = iter(self._pieces)
        head = b""
        for piece in stream:
            head += piece
            if len(head) >= _HEAD:
                break
        self._used = self._chosen(head)
        decoder = codecs.getincrementaldecoder(self._used)("replace")
        mark = mark_of(head)
        if mark is not None and self._used == "utf-8":
            head = head.removeprefix(mark[0])
        yield self._counted(decoder.decode(head), head)
        for piece in stream:
            yield self._counted(decoder.decode(piece), piece)
        yield self._counted(decoder.decode(b"", final=True), b"")

    def notes(self) -> list[str]:
        """A sentence where something could not be decoded."""
        if not self._bad:
            return []
        return [
            f"{self._bad} characters could not be decoded as {self._used} and were replaced by "
            "U+FFFD; name the encoding with --encoding"
        ]

    def _counted(self, text: str, data: bytes) -> str:
        if "\ufffd" in text:
            # Those that are in the file as such are no mistakes.
            own = data.count(b"\xef\xbf\xbd") if self._used == "utf-8" else 0
            self._bad += max(text.count("\ufffd") - own, 0)
        return text

    def _chosen(self, head: bytes) -> str:
        mark = mark_of(head)
        if mark is not None:
            return mark[1]
        if self._given != "utf-8":
            return self._given
        said = _ENCODING.search(head[:200]) or _CHARSET.search(head)
        name = said[1].decode("ascii").lower() if said else ""
        # As browsers do: what is called gb2312 or latin-1 holds more than these.
        wider = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "ascii": "cp1252"}
        name = wider.get(name, name)
        try:
            codecs.lookup(name)
            if name and "utf-16" not in name:
                return canonical(name)
        except LookupError:
            pass
        return suggest(head[: len(head) - 8] if len(head) > 64 else head) or "utf-8"
