"""Prompts and conversations put to a model that follows instructions, through its chat template."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.models.chat_template import ChatTemplate, checked, is_chat, needed
from anysize.models.network import Network

MESSAGES = "messages"
"""The role of a conversation in a record's values: JSON."""

# Characters of a prompt, at most: the template is rendered with all of it.
_LONGEST = 1 << 26
_ASKED = Facts(notes=("asked through the model's chat template",))


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
        """The tokens, and a note for the receipt.

        Raises:
            DataError: there is nothing to answer, or the template refuses it.
        """
        messages = self._messages(record)
        if self._system is not None and messages[0]["role"] not in ("system", "developer"):
            messages = [{"role": "system", "content": self._system}, *messages]
        return np.array(self._template.ids(messages, ask=True), np.int32), _ASKED

    def _messages(self, record: Record) -> list[dict[str, str]]:
        cell = record.values.get(MESSAGES)
        if cell:
            try:
                found = checked(json.loads(cell), record.id)
            except (ValueError, RecursionError) as error:
                raise DataError(record.id, "its messages are not JSON") from error
            if found[-1]["role"] == "assistant":
                raise DataError(
                    record.id, "its last message is the model's own: leave it out, so that there "
                    "is something to answer",
                )  # fmt: skip
            return found
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
        return [{"role": "user", "content": "".join(said)}]
