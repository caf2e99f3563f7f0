"""Windows of speech to what is said in them, with further tries for those that look wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.core.steps import Ability, Answer
from anysize.core.transcription import DecodingOptions, Transcriber
from anysize.core.transcripts import Segment, Word
from anysize.models.whisper_tokens import WhisperTokens
from anysize.tasks.speech.clock import LONG, Clock
from anysize.tasks.speech.heard import Heard, Line, features, listen

PIECES, FIRST = "pieces", "first"
"""Beside an example: its stretches of samples, and the frames of the recording's first window."""

_REHEARSED, _USUAL = 24, 80
"""Tokens of a rehearsal, and of a window that is full of speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribing:
    """Transcribes the windows of a batch.

    The language of a recording is found in its first window of speech, so that it does not depend
    on which windows are run together.

    Args:
        tokens: the special tokens of the model.
        language: code of the language; None finds it.
        translate: whether English is written whatever is said.
        beams: sequences of the search.
        words: whether words have times.
        guard: whether windows that look wrong are decoded again.
        window: cost of a window.
    """

    tokens: WhisperTokens = field(repr=False, compare=False)
    language: str | None = None
    translate: bool = False
    beams: int = 1
    words: bool = False
    guard: bool = True
    window: int = 480_000
    _found: _Languages = field(default_factory=lambda: _Languages(), repr=False, compare=False)

    needs: ClassVar[Ability] = "transcribe"

    def cost(self, own: int) -> int:
        """Two fifths of the example's own for each beam; see ``core.steps.Step``.

        Windows with speech are filled up, and a step of the decoder reads all weights for however
        many, so that more are worth running at once than of other models of recordings.
        """
        return max(own * 2 // 5, 1) * self.beams

    def rehearse(self, runtime: Transcriber, examples: Sequence[Example]) -> float | None:
        """Encodes them, and decodes some tokens; the seconds are those of as many as are usual.

        Where windows are encoded one by one, one is, and the time is that of all.
        """
        from anysize.runtimes.rehearsal import Moment

        prompt = self.tokens.prompt(self.language, translate=self.translate, times=True)
        options = DecodingOptions(beams=self.beams, most=_REHEARSED, endless=True)
        started = Moment.now()
        frames = features([example.arrays["frames"] for example in examples])
        count = len(frames)
        encoded = runtime.encode(frames[:1] if runtime.singly else frames)
        between = Moment.now()
        rows = [0] * count if runtime.singly else range(count)
        found = runtime.decode(encoded, rows, [prompt] * count, options)
        steps = 1 + max(len(each.tokens) for each in found)
        encoding = started.until(between) * (count if runtime.singly else 1)
        return encoding + between.until(Moment.now()) * max(_USUAL / steps, 1)

    def quick(self) -> Transcribing:
        """Greedy, with one try; see ``core.steps.Quickened``."""
        return Transcribing(
            tokens=self.tokens, language=self.language, translate=self.translate,
            words=self.words, guard=False, window=self.window,
        )  # fmt: skip

    def answers(
        self, runtime: Transcriber, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """The segments of each window, on the recording's clock."""
        spoken = [example for example in examples if len(example.arrays["frames"])]
        for example in examples:
            if not len(example.arrays["frames"]):
                nothing = {"segments": (), "language": self.language, "left_out": True}
                yield Answer(example, nothing)
        if not spoken:
            return
        languages = [self._language(runtime, example) for example in spoken]
        heard = listen(
            self, runtime, [example.arrays["frames"] for example in spoken],
            [None if each is None else each[0] for each in languages],
        )  # fmt: skip
        for example, language, found in zip(spoken, languages, heard, strict=True):
            yield Answer(example, self._output(example, language, found))

    def _output(
        self, example: Example, language: tuple[str, float] | None, found: Heard
    ) -> Mapping[str, Any]:
        clock = Clock(example.aside[PIECES]) if PIECES in example.aside else Clock.plain()
        segments = [each for line in found.lines for each in self._segments(line, clock)]
        return {
            "segments": tuple(segments),
            "language": None if language is None else language[0],
            "certainty": None if language is None else language[1],
            "counts": found.counts,
            "left_out": left_out(example),
            "seam": clock.milliseconds(len(example.arrays["frames"]), ending=True),
        }

    def _segments(self, line: Line, clock: Clock) -> list[Segment]:
        """A line as a segment; by its words where they are known, a new one behind long silence."""
        score = float(np.exp(min(line.score, 0.0)))
        if line.aligned is None:
            text = self.tokens.text(line.tokens).strip()
            start, end = clock.span(line.start, line.stop)
            return [Segment(start=start, end=end, text=text, score=score)] if text else []
        groups: list[list[Word]] = []
        for word in clock.words(self.tokens, line):
            if not groups or word.start - groups[-1][-1].end >= LONG:
                groups.append([])
            groups[-1].append(word)
        return [
            Segment(
                start=words[0].start,
                end=max(words[-1].end, words[0].start),
                text="".join(word.text for word in words).strip(),
                words=tuple(words),
                score=score,
            )
            for words in groups
        ]

    def _language(self, runtime: Transcriber, example: Example) -> tuple[str, float] | None:
        """Code and probability of a recording's language; None of models of English alone."""
        if not self.tokens.multilingual:
            return None
        if self.language is not None:
            return self.language, 1.0
        first = example.aside.get(FIRST, example.arrays["frames"])
        known = self._found.get(example.ordinal, first)
        if known is None:
            encoded = runtime.encode(features([first]))
            chances = runtime.languages(encoded, [0])[0]
            best = max(chances, key=lambda token: (chances[token], -token))
            known = self.tokens.code_of(best), chances[best]
            self._found.put(example.ordinal, first, known)
        return known


class _Languages:
    """What was found of recordings, so that it is found once; only a memory, never a difference."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[NDArray[np.float32], tuple[str, float]]] = {}

    def get(self, ordinal: int, first: NDArray[np.float32]) -> tuple[str, float] | None:
        """What is known of a recording with that first window."""
        with self._lock:
            kept = self._known.get(ordinal)
        return kept[1] if kept is not None and kept[0] is first else None

    def put(self, ordinal: int, first: NDArray[np.float32], found: tuple[str, float]) -> None:
        """Keeps what was found, of the recordings that were met last."""
        with self._lock:
            if len(self._known) >= 64:
                self._known.pop(next(iter(self._known)))
            self._known[ordinal] = (first, found)


def left_out(example: Example) -> bool:
    """Whether a window owns more than a frame that none of its stretches has."""
    core, pieces = example.window.core, example.aside.get(PIECES)
    return pieces is not None and int((pieces[:, 1] - pieces[:, 0]).sum()) < core.size - 160
