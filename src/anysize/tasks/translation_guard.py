"""What is looked for in a translation, whatever the languages: what is lost, what is made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_PROTECTED = re.compile(
    r"https?://[^\s<>\"'“”，。）)\]]*[^\s<>\"'“”，。）)\].,;:!?]|www\.[^\s<>\"'“”，。）)\]]+\w"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\{\{[^{}\n]*\}\}|\$?\{[^{}\s]*\}|%\(\w+\)[a-z]|%\d*\$?[sdif](?!\w)"
    r"|</?[A-Za-z][^<>]*>|`[^`\n]+`"
)
_NUMBER = re.compile(r"\d+(?:[.,  ’']\d+)*")
_DIGITS = re.compile(r"\D")
_WIDE = re.compile(r"[\u3000-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"\w+|[^\w\s]")
_LETTERS = re.compile(r"[^\W\d_]")
# A character of Chinese says about as much as so many of an alphabet.
_WEIGHT = 2.5
_LONG, _SHORT, _FEW = 3.0, 0.25, 20
_SIZES, _TIMES = (1, 2, 3, 4), 4
# How what is wrong with a target is called.
_CALLED = {"nothing came": "empty", "repeats itself": "looping"}


def protected(text: str, *, numbers: bool = False) -> list[tuple[int, int]]:
    """Where a text has what must survive exactly: addresses, placeholders, tags, code.

    Args:
        text: of a segment.
        numbers: whether numbers of two digits and more are among them.
    """
    found = [each.span() for each in _PROTECTED.finditer(text)]
    if numbers:
        inside = [False] * len(text)
        for start, stop in found:
            inside[start:stop] = [True] * (stop - start)
        spans = (each.span() for each in _NUMBER.finditer(text))
        found += [span for span in spans if span[1] - span[0] > 1 and not inside[span[0]]]
    return sorted(found)


def lost(source: str, output: str) -> list[str]:
    """What of a source is not in its translation: of what must survive, and numbers of 2 digits.

    Separators of thousands and decimals may differ.
    """
    wanted = Counter(found.group() for found in _PROTECTED.finditer(source))
    missing = [each for each, count in wanted.items() if output.count(each) < count]
    numbers = Counter(_numbers(_PROTECTED.sub(" ", source)))
    numbers.subtract(Counter(_numbers(_PROTECTED.sub(" ", output))))
    return missing + [number for number, count in numbers.items() if count > 0]


def problems(source: str, output: str, *, ended: bool = True) -> list[str]:
    """What is wrong with a translation, in the words of a result.

    Args:
        source: of the segment.
        output: its translation.
        ended: whether the model ended it, and not the largest number of tokens.
    """
    found = [f"lost {each}" for each in lost(source, output)]
    if not output.strip():
        return ["nothing came", *found]
    if not ended:
        found.append("cut off")
    size, written = _size(source), _size(output)
    if written > _LONG * max(size, _FEW):
        found.append("too long")
    if size > _FEW and written < _SHORT * size:
        found.append("too short")
    times = repeats(output)
    if times >= _TIMES and times > repeats(source):
        found.append("repeats itself")
    if output.split() == source.split() and len(_LETTERS.findall(source)) > _FEW:
        found.append("copied from the source")
    return found


def unusable(output: str, problems: Iterable[Sequence[str]]) -> str | None:
    """Why a translation is nothing to learn from, in a few words; None where it may be.

    Args:
        output: the translation of a whole text.
        problems: of its doubtful segments, what is wrong with each.
    """
    if not output.strip():
        return "empty"
    first = next((found[0] for found in problems if found), None)
    if first is None:
        return None
    if first.startswith("lost "):
        return "without an address, number or tag of the source"
    return _CALLED.get(first, first)


def repeats(text: str) -> int:
    """How often in a row the most repeated stretch of one to four words comes.

    In scripts without spaces a word is a character.
    """
    words = [
        word
        for run in _WORD.findall(text.lower())
        for word in (run if _WIDE.search(run) else [run])
    ]
    most = 1 if words else 0
    for size in _SIZES:
        run = 0
        for place in range(size, len(words)):
            run = run + 1 if words[place] == words[place - size] else 0
            most = max(most, run // size + 1)
    return most


def _numbers(text: str) -> list[str]:
    digits = (_DIGITS.sub("", found) for found in _NUMBER.findall(text))
    return [each for each in digits if len(each) > 1]


def _size(text: str) -> float:
    wide = len(_WIDE.findall(text))
    return len(text) - wide + _WEIGHT * wide
