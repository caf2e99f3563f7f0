"""Conversations as a model reads them: through the chat template that its tokenizer has.

Templates are programs in Jinja, which transformers runs in a sandbox (``apply_chat_template``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from anysize.core.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from tokenizers import Encoding

    from anysize.models.network import Network

Message: TypeAlias = Mapping[str, Any]
"""``role`` (``system``, ``user``, ``assistant``, …) and ``content``, a text."""

# Characters for private use stand for contents, which no template looks at.
_MARK = "\ue0b5{}\ue0b6"


@dataclass(frozen=True, eq=False)
class ChatTemplate:
    """The chat template of a model.

    Attributes:
        tokenizer: of transformers, with the template.
        spec: names the model in errors.
    """

    tokenizer: Any
    spec: str

    @classmethod
    def of(cls, network: Network) -> ChatTemplate | None:
        """That of a model; None where it has none."""
        tokenizer: Any = network.hub_tokenizer
        if tokenizer is None or not getattr(tokenizer, "chat_template", None):
            return None
        return cls(tokenizer, network.spec)

    def render(self, messages: Sequence[Message], *, ask: bool, origin: str = "") -> str:
        """The conversation as one text.

        Args:
            messages: in order.
            ask: whether it ends with the beginning of the model's own turn.
            origin: names the record in errors; empty names the model.

        Raises:
            DataError: the template refuses the conversation, or is faulty.
        """
        try:
            found = self.tokenizer.apply_chat_template(
                [dict(each) for each in messages], tokenize=False, add_generation_prompt=ask
            )
        except Exception as error:  # templates raise what they like
            raise DataError(
                origin or self.spec,
                f"the chat template of {self.spec} does not take this conversation "
                f"({_roles(messages)}): "
                f"{str(error).splitlines()[0] if str(error) else type(error).__name__}",
            ) from error
        return str(found)

    def parts(
        self, messages: Sequence[Message], *, ask: bool, origin: str = ""
    ) -> list[tuple[str, int | None]]:
        """What the template writes, and between it what the messages say.

        Returns:
            Texts in order, each with the number of the message that says it; None for those of the
            template.

        Raises:
            DataError: as `render`; or the template leaves out messages, or reorders them.
        """
        marks = [_MARK.format(number) for number in range(len(messages))]
        marked = [{**each, "content": mark} for each, mark in zip(messages, marks, strict=True)]
        rest = self.render(marked, ask=ask, origin=origin)
        found: list[tuple[str, int | None]] = []
        for number, mark in enumerate(marks):
            before, there, rest = rest.partition(mark)
            if not there:
                raise DataError(
                    origin or self.spec,
                    f"the chat template of {self.spec} leaves out or reorders messages",
                )
            found += [(before, None), (str(messages[number]["content"]), number)]
        return [*found, (rest, None)]

    def ids(self, messages: Sequence[Message], *, ask: bool) -> list[int]:
        """The conversation as tokens: those of its text, the template's special tokens included.

        What looks like a special token in a message is read as text, so that nobody ends their
        turn and speaks for another.

        Raises:
            DataError: as `render`, or, where a message holds what looks like a special token, as
                `parts`.
        """
        if not self.spells_special(messages):
            return list(self.encoded(self.render(messages, ask=ask), as_text=False).ids)
        found: list[int] = []
        for part, number in self.parts(messages, ask=ask):
            found += self.encoded(part, as_text=number is not None).ids
        return found

    def ending(self, text: str) -> str:
        """The part of what is written behind an answer that ends it: up to a special token.

        Args:
            text: what the template writes there; nothing of it where it has no special token.
        """
        places = [
            (place, place + len(token))
            for token in self.special()
            if token and (place := text.find(token)) >= 0
        ]
        return text[: min(places)[1]] if places else ""

    def special(self) -> list[str]:
        """The tokens that are read as one wherever they are written."""
        return [str(each) for each in self.tokenizer.added_tokens_decoder.values()]

    def spells_special(self, messages: Sequence[Message]) -> bool:
        """Whether a message holds what looks like a special token."""
        special = self.special()
        return any(token in str(each["content"]) for each in messages for token in special)

    def encoded(self, text: str, *, as_text: bool) -> Encoding:
        """The tokens of a text, with the characters of each.

        Args:
            text: of a message or of the template.
            as_text: whether what looks like a special token is read as text.
        """
        backend = self.tokenizer.backend_tokenizer
        before = backend.encode_special_tokens
        backend.encode_special_tokens = as_text
        try:
            found: Encoding = backend.encode(text, add_special_tokens=False)
            return found
        finally:
            backend.encode_special_tokens = before


AS_CHAT = "prompts_as_chat"
"""Entry of a configuration: whether prompts are put through the template. Training notes it."""


def is_chat(network: Network) -> bool:
    """Whether prompts go through the template unless something else is asked for.

    They do where there is one, and no training on plain text has come after it.
    """
    noted = getattr(network.module.config, AS_CHAT, None)
    return ChatTemplate.of(network) is not None and noted is not False


def needed(network: Network) -> ChatTemplate:
    """The chat template of a model that must have one.

    Raises:
        ConfigurationError: it has none.
    """
    found = ChatTemplate.of(network)
    if found is None:
        raise ConfigurationError(
            f"{network.spec} has no chat template, so it takes no messages: give it a prompt as it "
            "is to be continued"
        )
    return found


def _roles(messages: Sequence[Message]) -> str:
    return ", ".join(str(each.get("role")) for each in messages[:6])
