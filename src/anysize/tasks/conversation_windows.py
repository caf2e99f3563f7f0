"""Conversations as windows of tokens in which the assistant's answers alone are learned.

A conversation is written by the model's chat template and tokenised as a whole; which tokens are an
answer is told by their characters. Each of them is wanted exactly once: of a conversation longer
than a window, neighbouring windows share half of it, and each token is wanted in the one that gives
it more of what was said before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.models.network import Network
from anysize.sources.conversations import Message
from anysize.windows.language import IGNORED, LanguageWindow, LanguageWindows

PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '### ' + message['role'] + ':\\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token or '' }}{% endif %}"
    "{{ '\\n\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\\n' }}{% endif %}"
)
"""Written by a model without a template of its own; kept with the tokenizer in its bundle."""

# Characters for private use stand for what is said, which templates do not look at.
_MARK = "\ue0b5{}\ue0b6"


def ensure_template(network: Network) -> bool:
    """Gives a model's tokenizer `PLAIN_TEMPLATE` where it has no chat template.

    Returns:
        Whether it had none.
    """
    tokenizer: Any = network.hub_tokenizer
    if tokenizer is None:
        raise ConfigurationError(
            f"model {network.spec!r} has no tokenizer of its own, which conversations need"
        )
    if getattr(tokenizer, "chat_template", None):
        return False
    tokenizer.chat_template = PLAIN_TEMPLATE
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A conversation as tokens.

    Attributes:
        ids: int32 ``[length]``, up to the last one of an answer.
        answers: bool ``[length]``, those of the assistant's answers and what ends these.
    """

    ids: NDArray[np.int32]
    answers: NDArray[np.bool_]


class Writer:
    """Writes conversations as a model reads them.

    Args:
        network: whose tokenizer has a chat template.
    """

    def __init__(self, network: Network) -> None:
        self._hub = cast(Any, network.hub_tokenizer)
        self._spec = network.spec
        self._tokenizer: Any = network.needed_tokenizer()
        self._special = [str(each) for each in self._hub.added_tokens_decoder.values()]

    def __call__(self, messages: Sequence[Message], origin: str) -> Written:
        """The tokens of a conversation.

        Raises:
            DataError: the template refuses it, or leaves out what is said.
        """
        parts = self._parts(messages, origin)
        said = "".join(message.content for message in messages)
        spans, spelled = [], any(token in said for token in self._special)
        if spelled:  # what looks like a special token is read as text
            for text, answer, own in parts:
                spans += self._tokens([(text, answer)], as_text=not own)
        else:
            spans = self._tokens([(text, answer) for text, answer, _ in parts], as_text=False)
        ids = np.array([token for token, _ in spans], np.int32)
        answers = np.array([answer for _, answer in spans], np.bool_)
        last = int(answers.nonzero()[0][-1]) + 1 if answers.any() else 0
        if not last:
            raise DataError(origin, f"the tokenizer of {self._spec} leaves nothing of its answers")
        return Written(ids[:last], answers[:last])

    def prompt(self, messages: Sequence[Message], origin: str) -> str:
        """The conversation up to where the assistant is to answer, as text."""
        return self._rendered(messages, origin, ask=True)

    def _tokens(
        self, parts: Sequence[tuple[str, bool]], *, as_text: bool
    ) -> list[tuple[int, bool]]:
        """The tokens of parts written one after the other, and whether they touch an answer."""
        text = "".join(part for part, _ in parts)
        inside = np.zeros(len(text) + 1, np.int64)  # characters of answers up to each place
        place = 0
        for part, answer in parts:
            inside[place + 1 : place + len(part) + 1] = answer
            place += len(part)
        inside = inside.cumsum()
        before = self._tokenizer.encode_special_tokens
        self._tokenizer.encode_special_tokens = as_text
        try:
            found = self._tokenizer.encode(text, add_special_tokens=False)
        finally:
            self._tokenizer.encode_special_tokens = before
        return [
            (token, bool(inside[stop] > inside[start]))
            for token, (start, stop) in zip(found.ids, found.offsets, strict=True)
        ]

    def _parts(self, messages: Sequence[Message], origin: str) -> list[tuple[str, bool, bool]]:
        """What is written, whether it is an answer, and whether the template says it."""
        marks = [_MARK.format(number) for number in range(len(messages))]
        marked = [Message(one.role, mark) for one, mark in zip(messages, marks, strict=True)]
        rest = self._rendered(marked, origin, ask=False)
        found: list[tuple[str, bool, bool]] = []
        ends = False
        for message, mark in zip(messages, marks, strict=True):
            before, there, rest = rest.partition(mark)
            if not there:
                raise DataError(
                    origin, f"the chat template of {self._spec} leaves out or reorders messages"
                )
            found += self._between(before, ends=ends)
            ends = message.role == "assistant"
            found.append((message.content, ends, False))
        return [*found, *self._between(rest, ends=ends)]

    def _between(self, text: str, *, ends: bool) -> list[tuple[str, bool, bool]]:
        """What the template writes between two messages; what ends an answer belongs to it."""
        stop = 0
        if ends:
            places = [
                (place, place + len(token))
                for token in self._special
                if token and (place := text.find(token)) >= 0
            ]
            stop = min(places)[1] if places else 0
        parts = [(text[:stop], True, True), (text[stop:], False, True)]
        return [part for part in parts if part[0]]

    def _rendered(self, messages: Sequence[Message], origin: str, *, ask: bool) -> str:
        entries = [{"role": one.role, "content": one.content} for one in messages]
        try:
            found = self._hub.apply_chat_template(
                entries, tokenize=False, add_generation_prompt=ask
            )
        except Exception as error:  # templates raise what they like
            said = str(error).splitlines()[:1] or [type(error).__name__]
            raise DataError(
                origin, f"the chat template of {self._spec} does not take it: {said[0]}"
            ) from error
        return str(found)


def windows_of(
    written: Written, windows: LanguageWindows, *, learning: bool
) -> Iterator[LanguageWindow]:
    """Windows in which each token of an answer is wanted once, and no other token.

    Args:
        written: the conversation.
        windows: how long they are; ``context`` tokens before those that one predicts are read
            again.
        learning: leave out windows in which nothing is wanted.
    """
    held: LanguageWindow | None = None
    for window in windows.of_tokens(written.ids):
        wanted = np.flatnonzero(window.labels != IGNORED)
        due = window.core.stop - len(wanted)
        keep = written.answers[due : window.core.stop]
        labels = window.labels.copy()
        labels[wanted[~keep]] = IGNORED
        if learning and not keep.any():
            continue
        if held is not None:
            yield held
        ids = window.ids
        if learning:  # what comes behind the last token that is wanted is of no use
            stop = int(np.flatnonzero(labels != IGNORED)[-1]) + 1
            ids, labels = ids[:stop], labels[:stop]
        held = LanguageWindow(
            ids=ids, labels=labels, region=window.region, core=window.core,
            last=window.last, unknown=window.unknown,
        )  # fmt: skip
    if held is not None:
        yield LanguageWindow(
            ids=held.ids, labels=held.labels, region=held.region, core=held.core,
            last=True, unknown=held.unknown,
        )  # fmt: skip
