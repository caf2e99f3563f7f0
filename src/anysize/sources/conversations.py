"""Conversations and instructions in tables: messages, prompts with completions, as Alpaca has them.

A record's text becomes a `Conversation`: the messages, as whoever trains on them reads them, and
one text of them all, by which records are compared and divided.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anysize.core.errors import DataError
from anysize.core.records import Record, Source, record_id
from anysize.sources.columns import ColumnSpec

MESSAGES = ColumnSpec(
    role="messages", kind="value", names=("messages", "conversations", "conversation"),
    required=False,
)  # fmt: skip
PROMPT = ColumnSpec(
    role="prompt", kind="value", names=("prompt", "instruction", "question"), required=False
)
COMPLETION = ColumnSpec(
    role="completion", kind="value",
    names=("completion", "output", "response", "answer"),
    required=False,
)  # fmt: skip
INPUT = ColumnSpec(role="input", kind="value", names=("input",), required=False)
SYSTEM = ColumnSpec(role="system", kind="value", names=("system",), required=False)
COLUMNS = (MESSAGES, PROMPT, COMPLETION, INPUT, SYSTEM)
INSTEAD = (("messages",), ("prompt", "completion"))
"""Roles that are read instead of a text, where data have all of a group."""

SPEAKERS = ("system", "developer", "user", "assistant", "tool")
_SAME = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
_FIRST = ("system", "developer")
_MOST = 10_000
"""Messages of a conversation."""


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody says: one of `SPEAKERS`, and a text."""

    role: str
    content: str


class BrokenConversationError(DataError):
    """A conversation that cannot be learned from.

    Attributes:
        kind: what is wrong, in a few words that many records may share.
    """

    def __init__(self, origin: str, kind: str, where: str = "") -> None:
        self.kind = kind
        self._where = where
        super().__init__(origin, f"{kind}{where}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.origin, self.kind, self._where)


class Conversation:
    """The messages of a record, read when they are asked for; a text to whom it is one.

    Args:
        values: of the record, by role.
        origin: the record, for messages.
    """

    def __init__(self, values: Mapping[str, str], origin: str) -> None:
        self._values = values
        self.origin = origin

    @property
    def size_hint(self) -> int:
        """An upper bound of its length in characters."""
        return sum(len(value) + 32 for value in self._values.values())

    def chunks(self) -> Iterator[str]:
        """All messages one after the other, with who says them.

        Raises:
            BrokenConversationError: see `messages`.
        """
        for message in self.messages():
            yield f"{message.role}: {message.content}\n"

    def read(self, start: int, stop: int) -> str:
        """Characters ``[start, stop)`` of that text."""
        return "".join(self.chunks())[start:stop]

    def messages(self) -> list[Message]:
        """The messages in order: an instruction, if any, then users and assistants in turn.

        Raises:
            BrokenConversationError: there is nothing to learn from, or an order that makes no
                sense.
        """
        found = self._read()
        _check(found, self.origin)
        return found

    def asked(self) -> tuple[list[Message], int]:
        """The messages up to what an assistant is to answer, and how many after it are left out.

        These are answers that the data hold already.

        Raises:
            BrokenConversationError: there is nothing to answer, or a role is unknown.
        """
        found = self._read()
        kept = len(found)
        while kept and found[kept - 1].role == "assistant":
            kept -= 1
        if not any(one.role not in _FIRST and one.content.strip() for one in found[:kept]):
            raise BrokenConversationError(self.origin, "nothing to answer")
        return found[:kept], len(found) - kept

    def answered(self, text: str) -> list[Message]:
        """The messages with another last answer.

        Raises:
            BrokenConversationError: see `messages`.
        """
        found = [*self.asked()[0], Message("assistant", text)]
        _check(found, self.origin)
        return found

    def answers(self) -> list[str]:
        """What the assistant says, turn by turn.

        Raises:
            BrokenConversationError: see `messages`.
        """
        return [one.content for one in self.messages() if one.role == "assistant"]

    def _read(self) -> list[Message]:
        values = self._values
        system = [Message("system", each)] if (each := values.get("system", "")).strip() else []
        if "messages" in values:
            found = _listed(values["messages"], self.origin)
            return found if found[:1] and found[0].role in _FIRST else [*system, *found]
        asked = _said("user", values.get("prompt", ""), self.origin)
        if len(asked) == 1:
            asked = [replace(asked[0], content=with_input(asked[0].content, values))]
        return [*system, *asked, *_said("assistant", values.get("completion", ""), self.origin)]


def with_input(prompt: str, values: Mapping[str, str]) -> str:
    """A prompt, and behind it the ``input`` that it is about, as Alpaca has it, if there is one."""
    more = values.get(INPUT.role, "")
    return f"{prompt}\n\n{more}" if more.strip() else prompt


class _Seen:
    """The records of another source, one for one, seen otherwise."""

    def __init__(self, inner: Source, role: str) -> None:
        self.inner, self._role = inner, role
        self.name = inner.name

    def __len__(self) -> int:
        return len(self.inner)

    def record_id(self, index: int) -> str:
        """As that of the source."""
        return record_id(self.inner, index)

    def fingerprint(self) -> str:
        """As that of the source."""
        return self.inner.fingerprint()


class Conversations(_Seen):
    """A source whose records with messages, or prompts and completions, have a `Conversation`.

    Args:
        inner: as it was opened with `COLUMNS`.
        role: of the text.
    """

    def __getitem__(self, index: int) -> Record:
        record = self.inner[index]
        values = record.values
        if self._role in record.fields or not any(set(group) & set(values) for group in INSTEAD):
            return record
        return replace(
            record, fields={**record.fields, self._role: Conversation(values, record.id)}
        )


class Asked(_Seen):
    """The conversations of a source up to what an assistant is to answer, as messages.

    Args:
        inner: a source of conversations.
        role: of their text.
    """

    def __getitem__(self, index: int) -> Record:
        record = self.inner[index]
        text = record.fields.get(self._role)
        if not isinstance(text, Conversation):
            raise BrokenConversationError(record.id, "nothing to answer")
        said = [{"role": one.role, "content": one.content} for one in text.asked()[0]]
        fields = {name: field for name, field in record.fields.items() if name != self._role}
        values = {MESSAGES.role: json.dumps(said, ensure_ascii=False)}
        return replace(record, fields=fields, values=values)


def _listed(text: str, origin: str) -> list[Message]:
    """Messages that were a list of objects in a cell."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenConversationError(origin, "the messages are not a list of objects") from None
    if not isinstance(entries, list):
        raise BrokenConversationError(origin, "the messages are not a list of objects")
    if len(entries) > _MOST:
        raise BrokenConversationError(origin, f"more than {_MOST:,} messages")
    found = []
    for number, entry in enumerate(entries, start=1):
        given = entry if isinstance(entry, Mapping) else {}
        role = given.get("role", given.get("from"))
        content = given.get("content", given.get("value"))
        role = _SAME.get(str(role).lower(), str(role).lower())
        if role not in SPEAKERS:
            raise BrokenConversationError(
                origin,
                "a message with an unknown role",
                f": number {number} has {role!r:.40}",
            )
        if not isinstance(content, str):
            raise BrokenConversationError(
                origin, "a message whose content is not a text", f": number {number}"
            )
        found.append(Message(role, content))
    return found


def _said(role: str, text: str, origin: str) -> list[Message]:
    """A prompt or a completion: a text, or a list of messages."""
    if text.lstrip().startswith("[{"):
        try:
            return _listed(text, origin)
        except BrokenConversationError:
            pass  # a text that looks like one
    return [Message(role, text)]


def _check(messages: Sequence[Message], origin: str) -> None:
    """Refuses what cannot be learned from."""
    if any(one.role in _FIRST for one in messages[1:]):
        raise BrokenConversationError(origin, "a system message that is not the first message")
    turns = [one for one in messages if one.role in ("user", "assistant")]
    if not any(one.role == "assistant" for one in turns):
        raise BrokenConversationError(origin, "no turn of the assistant")
    if turns[0].role != "user":
        raise BrokenConversationError(origin, "a conversation that the assistant begins")
    for place, one in enumerate(messages):
        before = messages[place - 1].role if place else ""
        if one.role in ("user", "assistant") and before == one.role:
            raise BrokenConversationError(
                origin, f"two turns of the {one.role} in a row", f": message {place + 1}"
            )
        if one.role == "assistant" and not one.content.strip():
            raise BrokenConversationError(origin, "an empty answer", f": message {place + 1}")
        if one.role == "user" and not one.content.strip():
            raise BrokenConversationError(origin, "an empty question", f": message {place + 1}")
