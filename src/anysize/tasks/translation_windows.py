"""Texts to be translated as examples: their segments, or in training pairs of texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.core.windows import Span, Window
from anysize.tasks.translation_options import TranslationOptions
from anysize.windows.segments import Segment, segments
from anysize.windows.sentences import Lines, sentences

if TYPE_CHECKING:
    from anysize.models.sequence_tokens import SequenceTokens

_LONGEST = 1000
_SHORTEST = 32


class TranslationPreprocess:
    """A record's ``source`` to examples of its segments; in training, a pair to one example.

    Args:
        tokens: of both sides.
        window: tokens that the model reads at once.
        options: how texts are translated.
    """

    def __init__(self, tokens: SequenceTokens, window: int, options: TranslationOptions) -> None:
        self._tokens, self._window, self._options = tokens, window, options

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        if draw is not None:
            yield self._pair(ordinal, record)
            return
        held: tuple[Segment, NDArray[np.int32]] | None = None
        index = 0
        for each in self._segments(record):
            if held is not None:
                yield self._example(ordinal, record.id, index, *held, last=False)
                index += 1
            held = each
        assert held is not None, "a text has at least one segment"
        yield self._example(ordinal, record.id, index, *held, last=True)

    def _pair(self, ordinal: int, record: Record) -> Example:
        """One example of a whole pair.

        Raises:
            DataError: a side is longer than the model's window.
        """
        field = record.text("source")
        source = self._tokens.source(plain("".join(field.chunks())))
        target = self._tokens.target(plain(str(record.target)))
        longest = max(len(source), len(target))
        if longest > self._window:
            raise DataError(
                record.id,
                f"has {len(source)} tokens and its translation {len(target)}, and the model reads "
                f"{self._window}: divide such pairs into sentences, or raise --window",
            )
        arrays = {"input_ids": source, "labels": target}
        if self._tokens.begin is not None:
            arrays["decoder_input_ids"] = self._tokens.begin
        span = Span(0, len(source))
        window = Window(record=record.id, index=0, region=span, core=span, last=True)
        return Example(ordinal=ordinal, window=window, arrays=arrays, cost=longest)

    def _segments(self, record: Record) -> Iterator[tuple[Segment, NDArray[np.int32]]]:
        options = self._options
        lines: Lines = options.lines  # type: ignore[assignment]
        longest = max(min(4 * self._window, _LONGEST), _SHORTEST)
        chunks = record.text("source").chunks()
        for segment in segments(chunks, longest=longest, lines=lines, markup=options.markup):
            yield from self._fitting(segment)

    def _fitting(self, segment: Segment) -> Iterator[tuple[Segment, NDArray[np.int32]]]:
        """The segment, or the parts that fit into the model."""
        ids = self._tokens.source(plain(segment.text))
        if len(ids) <= self._window or len(segment.text) < 2:
            yield segment, ids
            return
        start, before = segment.start, segment.before
        parts = list(_halves(segment.text))
        for place, (text, after) in enumerate(parts):
            rest = segment.after if place == len(parts) - 1 else ""
            part = Segment(start, before, text, after + rest)
            yield from self._fitting(part)
            start, before = part.stop, ""

    def _example(
        self, ordinal: int, record: str, index: int, segment: Segment, ids: NDArray[np.int32],
        *, last: bool,
    ) -> Example:  # fmt: skip
        span = Span(segment.start, segment.stop)
        arrays = {"input_ids": ids}
        if self._tokens.begin is not None:
            arrays["decoder_input_ids"] = self._tokens.begin
        return Example(
            ordinal=ordinal,
            window=Window(record=record, index=index, region=span, core=span, last=last),
            arrays=arrays,
            cost=len(ids),
            aside={
                "before": np.array(segment.before),
                "source": np.array(segment.text),
                "after": np.array(segment.after),
            },
        )


def _halves(text: str) -> Iterator[tuple[str, str]]:
    """A segment that is too long in parts, each with the white space after it."""
    longest = len(text) // 2
    if longest < _SHORTEST:
        yield text[:longest], ""
        yield text[longest:], ""
        return
    held = ""
    for part in sentences([text], longest=longest, lines="wrapped"):
        if part.kind == "sentence":
            if held:
                yield held, ""
            held = part.text
        else:
            yield held, part.text
            held = ""
    if held:
        yield held, ""


def arrays_of(tokens: SequenceTokens, text: str) -> dict[str, NDArray[Any]]:
    """What a model is given of a text to be translated."""
    arrays = {"input_ids": tokens.source(plain(text))}
    if tokens.begin is not None:
        arrays["decoder_input_ids"] = tokens.begin
    return arrays


def plain(text: str) -> str:
    """A text as the model reads it: one space where there is white space."""
    return " ".join(text.split())
