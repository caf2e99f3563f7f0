"""Prompts and conversations put to a model that follows instructions, through its chat template."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.models.chat_template import ChatTemplate, is_chat, needed
from anysize.models.network import Network
from anysize.sources.conversations import MESSAGES, SYSTEM, Conversation, with_input

# Characters of a prompt, at most: the template is rendered with all of it.
_LONGEST = 1 << 26
_ASKED = "asked through the model's chat template"
_ANSWERED = "its last answer was left out, and what came before it is answered"


def wanted(network: Network, *, chat: bool | None, system: str | None) -> bool:
    """Whether prompts go through the chat template.

    Args:
        network: a language model.
        chat: the wish; None follows the model.
        system: what it is told before; only through a template.

    Raises:
        ConfigurationError: what is asked for needs a template, and there is none.
    """
    if chat:
        needed(network)
    found = is_chat(network) if chat is None else chat
    if system is not None and not found:
        raise ConfigurationError(
            f"system is said through a chat template, and {network.spec!r} has none, or it is not "
            "used (--no-chat): write it into the prompt"
        )
    return found


class ChatPrompts:
    """From a record to the tokens of a conversation that ends where the model is to answer.

    Args:
        template: of the model.
        system: what it is told before, where the conversation does not say it itself.
    """

    def __init__(self, template: ChatTemplate, system: str | None) -> None:
        self._template, self._system = template, system

    def ids(self, record: Record) -> tuple[NDArray[np.int32], Facts]:
        """The tokens, and notes for the receipt.

        Raises:
            DataError: there is nothing to answer, or the template refuses it.
        """
        messages, more = self._messages(record)
        if self._system is not None and messages[0]["role"] not in ("system", "developer"):
            messages = [{"role": "system", "content": self._system}, *messages]
        return np.array(self._template.ids(messages, ask=True), np.int32), Facts(notes=more)

    def _messages(self, record: Record) -> tuple[list[dict[str, str]], tuple[str, ...]]:
        """What is said, and notes about it."""
        if record.values.get(MESSAGES.role):
            asked, left = Conversation(record.values, record.id).asked()
            notes = (_ASKED, *([_ANSWERED] if left else []))
            return [{"role": one.role, "content": one.content} for one in asked], notes
        text = record.text("text")
        said, size = [], 0
        for chunk in text.chunks():
            size += len(chunk)
            if size > _LONGEST:
                raise DataError(
                    text.origin,
                    f"has more than {_LONGEST:,} characters, too many for a chat template: give it "
                    "with --no-chat",
                )
            said.append(chunk)
        if not size:
            raise DataError(text.origin, "is an empty prompt")
        prompt = with_input("".join(said), record.values)
        system = record.values.get(SYSTEM.role, "")
        before = [{"role": "system", "content": system}] if system.strip() else []
        return [*before, {"role": "user", "content": prompt}], (_ASKED,)
