"""Decoding windows until what came looks right: repetitions, silence, speech without text."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anysize.core.loops import first_loop
from anysize.core.transcription import Aligned, Decoded, DecodingOptions, Transcriber
from anysize.models.whisper_tokens import FRAMES, WhisperTokens

_RATIO = 2.4
"""Text that zlib makes so many times shorter repeats itself (Radford et al. 2022)."""
_SCORE = -1.0
"""Mean log probability of tokens below which a text is doubtful (the same)."""
_SILENCE = 0.6
"""Probability of no speech from which a doubtful text is none (the same)."""
_TRIES = (
    DecodingOptions(beams=5),
    DecodingOptions(beams=5, times=False, no_repeat=3),
)
_SECOND = 100
_LEFT, _LEFT_SURELY = int(1.2 * _SECOND), 3 * _SECOND
"""Frames of speech behind the last text: read again where the model says that there is more, or
from the second on whatever it says."""
_ROUNDS = 6


class Wishes(Protocol):
    """What is asked of a transcription; see ``Transcribing``."""

    @property
    def tokens(self) -> WhisperTokens: ...
    @property
    def translate(self) -> bool: ...
    @property
    def beams(self) -> int: ...
    @property
    def words(self) -> bool: ...
    @property
    def guard(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Text between two times.

    Attributes:
        start, stop: frames of the window.
        tokens: ids of the text.
        score: mean log probability of the tokens that it was decoded with.
        aligned: when its tokens are said, in frames behind ``offset``; None where nobody asked.
        offset: frame of the window that the times of ``aligned`` are counted from.
    """

    start: int
    stop: int
    tokens: tuple[int, ...]
    score: float
    aligned: Aligned | None = None
    offset: int = 0


@dataclass(slots=True)
class Heard:
    """What was heard in a window.

    Attributes:
        lines: in order.
        counts: what the guards did.
    """

    lines: list[Line] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Work:
    """A window, or what is left of it, that is to be decoded.

    ``place`` is that of the window, ``offset`` the frame where the rest begins.
    """

    place: int
    frames: NDArray[np.float32]
    language: str | None
    offset: int = 0


def listen(
    wishes: Wishes,
    runtime: Transcriber,
    windows: Sequence[NDArray[np.float32]],
    languages: Sequence[str | None],
) -> list[Heard]:
    """What is said in windows.

    Args:
        wishes: how.
        runtime: that transcribes.
        windows: frames ``[n, mels]`` of each, without padding.
        languages: code of each; None of models of one language.
    """
    heard = [Heard() for _ in windows]
    work = [
        _Work(place, frames, language)
        for place, (frames, language) in enumerate(zip(windows, languages, strict=True))
    ]
    for _ in range(_ROUNDS):
        encoded = runtime.encode(features([each.frames for each in work]))
        left: list[_Work] = []
        lines: list[list[Line]] = []
        for each, (decoded, timed) in zip(
            work, _decoded(wishes, runtime, encoded, work, heard), strict=True
        ):
            found, rest = _lines(wishes, each, decoded, timed=timed)
            lines.append(found)
            if rest is not None:
                heard[each.place].counts["read_again"] += 1
                left.append(rest)
        if wishes.words:
            _align(wishes, runtime, encoded, work, lines)
        for each, found in zip(work, lines, strict=True):
            heard[each.place].lines += found
        if not left:
            break
        work = left
    return heard


def _decoded(
    wishes: Wishes, runtime: Transcriber, encoded: object, work: Sequence[_Work],
    heard: Sequence[Heard],
) -> list[tuple[Decoded, bool]]:  # fmt: skip
    """The best of the tries for each window, and whether it has times."""
    options = DecodingOptions(beams=wishes.beams)
    found = _try(wishes, runtime, encoded, work, range(len(work)), options)
    best = [(each, True) for each in found]
    if not wishes.guard:
        return best
    for options in _TRIES:
        rows = [row for row, (each, _) in enumerate(best) if _doubtful(wishes.tokens, each)]
        if not rows:
            break
        for row, each in zip(
            rows, _try(wishes, runtime, encoded, work, rows, options), strict=True
        ):
            heard[work[row].place].counts["tried_again"] += options is _TRIES[0]
            if _rank(wishes.tokens, each) > _rank(wishes.tokens, best[row][0]):
                best[row] = (each, options.times)
    for row, (each, timed) in enumerate(best):
        counts = heard[work[row].place].counts
        if each.silence > _SILENCE and each.score < _SCORE:
            counts["silenced"] += bool(each.tokens)
            best[row] = (each._replace(tokens=()), False)
            continue
        words = [token for token in each.tokens if token < wishes.tokens.end]
        kept = first_loop(words)
        if kept is not None:
            counts["loops_cut"] += 1
            best[row] = (each._replace(tokens=tuple(words[:kept])), False)
        elif _doubtful(wishes.tokens, each):
            counts["doubtful"] += 1
            best[row] = (each, timed)
    return best


def _try(
    wishes: Wishes, runtime: Transcriber, encoded: object, work: Sequence[_Work],
    rows: Sequence[int], options: DecodingOptions,
) -> list[Decoded]:  # fmt: skip
    tokens = wishes.tokens
    prompts = [
        tokens.prompt(work[row].language, translate=wishes.translate, times=options.times)
        for row in rows
    ]
    return runtime.decode(encoded, rows, prompts, options)


def _doubtful(tokens: WhisperTokens, found: Decoded) -> bool:
    """Whether a text repeats itself or is improbable, and not for want of speech."""
    silent = found.silence > _SILENCE and found.score < _SCORE
    return not silent and (_repeats(tokens, found) or found.score < _SCORE)


def _repeats(tokens: WhisperTokens, found: Decoded) -> bool:
    words = [token for token in found.tokens if token < tokens.end]
    text = tokens.text(words).encode()
    ratio = len(text) / max(len(zlib.compress(text)), 1)
    return ratio > _RATIO or first_loop(words) is not None


def _rank(tokens: WhisperTokens, found: Decoded) -> tuple[bool, float]:
    return not _repeats(tokens, found), found.score


def _lines(
    wishes: Wishes, work: _Work, decoded: Decoded, *, timed: bool
) -> tuple[list[Line], _Work | None]:
    """The lines of a window, and what of its speech they do not reach."""
    count = min(len(work.frames), FRAMES)
    if not timed:
        words = tuple(token for token in decoded.tokens if token < wishes.tokens.end)
        whole = Line(
            start=work.offset,
            stop=work.offset + count,
            tokens=words,
            score=decoded.score,
            offset=work.offset,
        )
        return [whole] if words else [], None
    found: list[Line] = []
    reached = 0
    for start, stop, words in wishes.tokens.stretches(decoded.tokens):
        begin = min(reached if start is None else max(start, reached), count)
        end = count if stop is None else min(max(stop, begin), count)
        found.append(
            Line(
                start=work.offset + begin,
                stop=work.offset + end,
                tokens=words,
                score=decoded.score,
                offset=work.offset,
            )
        )
        reached = end
    if not wishes.guard or not found or not reached:
        return found, None
    more = _says_more(wishes.tokens, decoded)
    if count - reached > (_LEFT if more else _LEFT_SURELY):
        return found, replace(work, frames=work.frames[reached:], offset=work.offset + reached)
    return found, None


def _says_more(tokens: WhisperTokens, decoded: Decoded) -> bool:
    """Whether a text ends with two times: the end of one segment and the beginning of another."""
    last = decoded.tokens[-2:]
    return len(last) == 2 and all(token >= tokens.first_time for token in last)


def _align(
    wishes: Wishes, runtime: Transcriber, encoded: object, work: Sequence[_Work],
    lines: list[list[Line]],
) -> None:  # fmt: skip
    """Gives the lines of windows the times of their tokens, windows of one language together."""
    rows: dict[str | None, list[int]] = {}
    for row, own in enumerate(lines):
        if own:
            rows.setdefault(work[row].language, []).append(row)
    for language, places in rows.items():
        prompt = wishes.tokens.prompt(language, translate=wishes.translate, times=True)
        texts = [[token for line in lines[row] for token in line.tokens] for row in places]
        frames = [min(len(work[row].frames), FRAMES) for row in places]
        for row, whole in zip(
            places, runtime.align(encoded, places, prompt, texts, frames), strict=True
        ):
            at = 0
            for place, line in enumerate(lines[row]):
                stop = at + len(line.tokens)
                part = Aligned(whole.starts[at : stop + 1], whole.chances[at:stop])
                lines[row][place] = replace(line, aligned=part)
                at = stop


def features(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Frames of windows as the model takes them, ``[n, mels, 3000]``, filled up with silence."""
    found = np.empty((len(windows), windows[0].shape[1], FRAMES), np.float32)
    for row, frames in zip(found, windows, strict=True):
        # The softest that there is of this window, which digital silence is at the most.
        row[:] = max(float(frames.max(initial=-np.inf)) - 2.0, -1.5)
        row[:, : min(len(frames), FRAMES)] = frames[:FRAMES].T
    return found
