"""Conversations as windows of tokens in which the assistant's answers alone are learned.

A conversation is written by the model's chat template and tokenised as a whole; which tokens are an
answer is known from their characters. Each of them is wanted exactly once: of a conversation longer
than a window, neighbouring windows share half of it, and each token is wanted in the one that gives
it more of what was said before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.models.chat_template import needed
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
        self._template = needed(network)

    def __call__(self, messages: Sequence[Message], origin: str) -> Written:
        """The tokens of a conversation.

        Raises:
            DataError: the template refuses it, or leaves out what is said.
        """
        entries = [{"role": one.role, "content": one.content} for one in messages]
        parts = self._parts(entries, origin)
        spans: list[tuple[int, bool]] = []
        if self._template.spells_special(entries):  # that is read as text
            for text, answer, said in parts:
                spans += self._tokens([(text, answer)], as_text=said)
        else:
            spans = self._tokens([(text, answer) for text, answer, _ in parts], as_text=False)
        ids = np.array([token for token, _ in spans], np.int32)
        answers = np.array([answer for _, answer in spans], np.bool_)
        last = int(answers.nonzero()[0][-1]) + 1 if answers.any() else 0
        if not last:
            spec = self._template.spec
            raise DataError(origin, f"its answers are no tokens by the tokenizer of {spec}")
        return Written(ids[:last], answers[:last])

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
        found = self._template.encoded(text, as_text=as_text)
        return [
            (token, bool(inside[stop] > inside[start]))
            for token, (start, stop) in zip(found.ids, found.offsets, strict=True)
        ]

    def _parts(
        self, messages: Sequence[Mapping[str, str]], origin: str
    ) -> list[tuple[str, bool, bool]]:
        """What is written, whether it is an answer, and whether a message says it."""
        found: list[tuple[str, bool, bool]] = []
        ends = False
        for text, number in self._template.parts(messages, ask=False, origin=origin):
            if number is None:
                found += self._between(text, ends=ends)
            else:
                ends = messages[number]["role"] == "assistant"
                found.append((text, ends, True))
        return found

    def _between(self, text: str, *, ends: bool) -> list[tuple[str, bool, bool]]:
        """What the template writes between two messages; what ends an answer belongs to it."""
        stop = len(self._template.ending(text)) if ends else 0
        parts = [(text[:stop], True, False), (text[stop:], False, False)]
        return [part for part in parts if part[0]]


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
