"""Text encodings: names, byte order marks, and what to try when decoding fails."""

from __future__ import annotations

import codecs

from anysize.core.errors import ConfigurationError
from anysize.readers.scripts import of_another_script

LATIN = "cp1252"
"""What text is taken for that nothing else fits: the letters of Western Europe."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def canonical(encoding: str) -> str:
    """The codec's own name (``UTF8`` and ``utf-8-sig`` give ``utf-8``).

    Raises:
        ConfigurationError: no such text encoding.
    """
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)
    except LookupError:
        raise ConfigurationError(
            f"encoding must be one that Python knows, such as utf-8, gb18030, cp1252 or utf-16, "
            f"not {encoding!r}"
        ) from None
    return "utf-8" if found.name == "utf-8-sig" else found.name


def mark_of(head: bytes) -> tuple[bytes, str] | None:
    """The byte order mark that ``head`` begins with and its encoding, or None."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return mark, name
    return None


def suggest(sample: bytes) -> str | None:
    """The encoding that ``sample`` most probably has, None for binary data.

    A byte order mark decides; then NUL bytes in every other place (UTF-16); then what decodes:
    UTF-8, then the encodings of other scripts whose frequent characters it holds, and Windows-1252
    as the last resort for text.
    """
    mark = mark_of(sample)
    if mark is not None:
        return mark[1]
    if b"\0" in sample:
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        quarter = len(sample) // 8
        if odd > quarter and even < quarter:
            return "utf-16-le"
        if even > quarter and odd < quarter:
            return "utf-16-be"
        return None
    if _decodes(sample, "utf-8") is not None:
        return "utf-8"
    return of_another_script(sample) or LATIN


def advice(sample: bytes, encoding: str) -> str:
    """What to do about text that does not decode, as the end of a message."""
    name = suggest(sample)
    if name is None:
        return "this looks like binary data, not text"
    if name == encoding:
        return f"the file is damaged, or not wholly in {encoding}"
    return f"the encoding looks like {likely(name)}: try encoding {name!r}"


def likely(name: str) -> str:
    """An encoding that was guessed, for a sentence, with what else it may be."""
    others = "; cp1250 if the language is one of Central Europe, cp1254 if it is Turkish"
    return f"{name} (a guess{others if name == LATIN else ''})"


def _decodes(sample: bytes, encoding: str) -> str | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(sample)
    except UnicodeDecodeError:
        return None


def printable(words: str) -> str:
    """Text that can be written to UTF-8 files: lone surrogates are written out."""
    return words.encode("utf-8", "backslashreplace").decode("utf-8")
