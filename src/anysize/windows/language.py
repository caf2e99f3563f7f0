"""Windows for language models: each token of a text is predicted once, from those before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anysize.core.errors import ConfigurationError
from anysize.core.records import TextField
from anysize.core.windows import Span
from anysize.windows.encoding import CHUNK, TextEncoder, encoder_of

IGNORED = -100
"""Label of a token after which nothing is to be predicted: the next one belongs to another window,
or to the context alone."""

# Characters that a token has at most, about: how much of the text before is tokenised for context.
_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LanguageWindow:
    """One window.

    Attributes:
        ids: int32 ``[length]``, what the model reads.
        labels: int32 ``[length]``, the token that comes next; `IGNORED` where that is not asked.
        region: tokens of the text that are read or predicted; what is before the text not counted.
        core: those that this window predicts, and the first one of a text that nothing predicts.
        last: whether it is the text's last window.
        unknown: how many of the predicted tokens stand for what the vocabulary does not have.
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    region: Span
    core: Span
    last: bool
    unknown: int


@dataclass(frozen=True, eq=False)
class LanguageWindows:
    """Cuts texts into windows in which every token is predicted exactly once.

    A window reads ``size`` tokens. The first predicts as many; each further one begins ``context``
    tokens before what it predicts, so that ``size - context`` tokens are predicted by it (the
    stride). With a context of ``size - 1`` each token is predicted from all that the model can
    read.

    Attributes:
        tokenizer: is copied.
        size: tokens that the model reads at once.
        context: tokens that are read again before those that a window predicts.
        begin: the token that documents begin with; None where there is none: the first token of a
            document is then predicted by nothing.
        end: the token that documents end with, predicted where it is asked for.

    Raises:
        ConfigurationError: a size below 2, or a context that leaves nothing to predict.
    """

    tokenizer: Tokenizer
    size: int
    context: int = 0
    begin: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ConfigurationError(f"window must be at least 2 tokens, not {self.size}")
        if not 0 <= self.context < self.size:
            raise ConfigurationError(
                f"the context must be from 0 to below the window ({self.size}), not {self.context}"
            )

    @property
    def encoder(self) -> TextEncoder:
        """The tokenizer for texts of any length."""
        return encoder_of(self.tokenizer)

    def stream(
        self,
        text: TextField,
        before: TextField | None = None,
        *,
        ending: bool = False,
        first: int | None = None,
    ) -> Iterator[LanguageWindow]:
        """The windows of a text, in order, at least one.

        Args:
            text: what is predicted.
            before: the text before it, for context; None at the beginning of a document.
            ending: whether the end of the document is predicted as well.
            first: tokens that the first window predicts, at most; None is ``size``.
        """
        lead = self._lead(before)
        parts: Iterable[NDArray[np.int32]] = tokens_of(self.encoder, text.chunks())
        if ending and self.end is not None:
            parts = chain(parts, [np.array([self.end], np.int32)])
        yield from self._windows(lead, parts, first or self.size)

    def of_tokens(self, ids: NDArray[np.int32]) -> Iterator[LanguageWindow]:
        """The windows of tokens that are at hand; the first token is predicted by nothing."""
        yield from self._windows(np.array([], np.int32), [ids], self.size)

    def _lead(self, before: TextField | None) -> NDArray[np.int32]:
        """The tokens before the text: as many as a window may read."""
        if before is None:
            return np.array([] if self.begin is None else [self.begin], np.int32)
        wanted = self.context + 1
        begin = max(before.size_hint - (wanted + 16) * _CHARACTERS, 0)
        ids = self.encoder.ids(before.read(begin, before.size_hint))
        return np.array(ids[-wanted:], np.int32)

    def _windows(
        self, lead: NDArray[np.int32], parts: Iterable[NDArray[np.int32]], first: int
    ) -> Iterator[LanguageWindow]:
        # Places count from the first token of the lead; ``base`` is that of the first one held.
        held, base, known = lead, 0, len(lead)
        due = max(len(lead), 1)  # the next token to predict
        most = first
        index = 0
        for part in parts:
            held, known = np.concatenate([held, part]), known + len(part)
            # One token more shows that the window is not the last.
            while known > self._stop(due, most, index):
                stop = self._stop(due, most, index)
                yield self._window(held, base, due, stop, len(lead), last=False)
                index, due, most = index + 1, stop, self.size
                keep = max(due - 1 - self.context, 0)
                held, base = held[keep - base :], keep
        if known > due or index == 0:
            yield self._window(held, base, due, known, len(lead), last=True)

    def _stop(self, due: int, most: int, index: int) -> int:
        """The place after the last token that a window which begins at ``due`` predicts."""
        context = min(due - 1, self.context)
        room = self.size - context
        return due + (min(most, room) if index == 0 else room)

    def _window(
        self, held: NDArray[np.int32], base: int, due: int, stop: int, lead: int, *, last: bool
    ) -> LanguageWindow:
        start = max(due - 1 - self.context, 0)
        ids = held[start - base : max(stop - 1, start + 1) - base]
        labels = np.full(len(ids), IGNORED, np.int32)
        wanted = held[due - base : stop - base]
        labels[due - 1 - start : due - 1 - start + len(wanted)] = wanted
        unknown = self.encoder.unknown
        core_start = 0 if due <= max(lead, 1) else due - lead
        return LanguageWindow(
            ids=ids,
            labels=labels,
            region=Span(min(max(start - lead, 0), max(stop - lead, 0)), max(stop - lead, 0)),
            core=Span(core_start, max(stop - lead, 0)),
            last=last,
            unknown=0 if unknown is None else int((wanted == unknown).sum()),
        )


def tokens_of(encoder: TextEncoder, chunks: Iterator[str]) -> Iterator[NDArray[np.int32]]:
    """The token ids of a text, in pieces; a short text is tokenised at once."""
    first = next(chunks, "")
    second = next(chunks, None) if len(first) <= CHUNK else ""
    if second is None:
        yield np.array(encoder.ids(first), np.int32)
        return
    for piece, start, stop in encoder.stream(chain([first, second], chunks)):
        yield np.asarray(piece.ids[start:stop], np.int32)
