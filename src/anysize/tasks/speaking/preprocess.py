"""A record's text to examples: utterances, each as the ids that a voice reads."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from anysize.core.examples import Example
from anysize.core.plurals import number_of
from anysize.core.receipts import Facts
from anysize.core.records import Record, TextField
from anysize.core.windows import Span, Window
from anysize.synthesis.phonemes import Reader, Said
from anysize.tasks.speaking.options import SpeakingOptions
from anysize.windows.utterances import Utterance, utterances

_SHOWN = 8
_CHAPTERS = ("chapter", "section", "heading")


@dataclass(slots=True)
class _Tally:
    """What was not said as it stands, for the receipt."""

    unread: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    spelled: int = 0
    markup: int = 0
    cut: int = 0
    guessed: int = 0

    def add(self, said: Said) -> None:
        self.unread.update(said.unread)
        self.missing.update(said.missing)
        self.spelled += said.spelled

    def facts(self) -> Facts:
        notes, counts = [], {}
        unread = self.unread.total()
        if self.spelled:
            counts["spelled_characters"] = self.spelled
            notes.append(
                f"{number_of(self.spelled, 'letter is', 'letters are')} of another script than the "
                "voice's language and spelled out one by one: use a voice of that language"
            )
        if self.markup:
            counts["markup_characters"] = self.markup
        if self.cut:
            counts["cut_sentences"] = self.cut
        if self.guessed:
            counts["guessed_chapters"] = self.guessed
            notes.append(
                f"{number_of(self.guessed, 'line was', 'lines were')} taken for a chapter's heading"
            )
        if self.missing:
            counts["missing_phonemes"] = self.missing.total()
            notes.append(
                f"the voice does not have {number_of(self.missing.total(), 'phoneme', 'phonemes')} "
                f"of the text, left out: {_shown(self.missing)}"
            )
        reason = None
        if unread:
            counts["unread_characters"] = unread
            characters = number_of(unread, "character has", "characters have")
            reason = f"{characters} no phonemes: {_shown(self.unread)}"
        return Facts(notes=tuple(notes), counts=counts, unread=unread, reason=reason)


def _shown(found: Counter[str]) -> str:
    named = [f"{one!r} ({count})" for one, count in found.most_common(_SHOWN)]
    more = len(found) - len(named)
    return ", ".join(named) + (f" and {number_of(more, 'other', 'others')}" if more > 0 else "")


class SpeechPreprocess:
    """See the module.

    Args:
        reader: makes ids of sentences.
        window: ids that the voice takes at once.
        options: how texts are spoken.
        speaker: number of it.
        sample_rate: of the voice.
        carried: what the examples have besides, for the voice.
    """

    def __init__(
        self, reader: Callable[[], Reader], window: int, options: SpeakingOptions, *, speaker: int,
        sample_rate: int, carried: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self._reader = reader
        self._window = window
        self._options = options
        self._speaker = speaker
        self._same: Mapping[str, Any] = {
            "speed": np.float32(options.speed), "speaker": np.array(speaker),
            "noise": np.float32(options.variation), **carried,
        }  # fmt: skip
        self._rate = np.array(sample_rate)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        field, tally = record.text("text"), _Tally()
        held: tuple[Utterance, Said] | None = None
        chapter, index = "", 0
        for utterance, said in self._fitting(field, tally):
            if held is not None:
                chapter = self._chapter(field, held[0], chapter, tally)
                yield self._example(ordinal, record.id, index, *held, chapter)
                index += 1
            held = utterance, said
        assert held is not None  # there is at least one, which may be empty
        chapter = self._chapter(field, held[0], chapter, tally)
        yield self._example(ordinal, record.id, index, *held, chapter, facts=tally.facts())

    def _fitting(self, field: TextField, tally: _Tally) -> Iterator[tuple[Utterance, Said]]:
        """The utterances whose ids fit; others in halves."""
        reader, options = self._reader(), self._options
        found = utterances(field.chunks(), longest=options.longest, lines=_lines(options))
        for utterance in found:
            tally.markup += utterance.markup
            tally.cut += utterance.pause == "clause"
            for part in self._parts(reader, utterance):
                tally.add(part[1])
                yield part

    def _parts(self, reader: Reader, utterance: Utterance) -> Iterator[tuple[Utterance, Said]]:
        said = reader.said(utterance.text, whole=utterance.pause != "clause")
        if len(said.ids) <= self._window or len(utterance.text) < 2:
            yield utterance, said
            return
        text = utterance.text
        place = text.rfind(" ", 0, len(text) // 2 + 1)
        place = place if place > 0 else len(text) // 2
        # Markup that was taken out belongs to the first half.
        middle = utterance.stop - (len(text) - place)
        middle = min(max(middle, utterance.start), utterance.stop)
        first = Utterance(utterance.start, middle, text[:place].strip(), "clause")
        second = Utterance(middle, utterance.stop, text[place:].strip(), utterance.pause)
        yield from self._parts(reader, first)
        yield from self._parts(reader, second)

    def _chapter(self, field: TextField, utterance: Utterance, before: str, tally: _Tally) -> str:
        """The chapter that an utterance lies in; empty where none is known."""
        place = getattr(field, "place", None)
        found = {} if place is None else place(utterance.start, utterance.stop)
        named = next((str(found[name]) for name in _CHAPTERS if found.get(name)), "")
        if named:
            return named
        if utterance.heading and place is None:
            tally.guessed += 1
            return utterance.text
        return before

    def _example(
        self, ordinal: int, record: str, index: int, utterance: Utterance, said: Said,
        chapter: str, *, facts: Facts | None = None,
    ) -> Example:  # fmt: skip
        span = Span(utterance.start, utterance.stop)
        arrays = {"input_ids": said.ids, **self._same, "seed": self._seed(said)}
        return Example(
            ordinal=ordinal,
            window=Window(
                record=record, index=index, region=span, core=span, last=facts is not None
            ),
            arrays=arrays,
            cost=max(len(said.ids), 1),
            facts=facts,
            aside={
                "sample_rate": self._rate, "pause": np.array(utterance.pause),
                "chapter": np.array(chapter), "speed": self._same["speed"],
            },
        )  # fmt: skip

    def _seed(self, said: Said) -> Any:
        """Of the noise: what is said decides, so that it sounds the same alone and in a book."""
        content = said.ids.tobytes() + b"%d %d" % (self._options.take, self._speaker)
        digest = hashlib.blake2b(content, digest_size=7).digest()
        return np.array(int.from_bytes(digest, "big"), np.int64)


def _lines(options: SpeakingOptions) -> Any:
    return options.lines
