"""What every modality's settings have: how inputs become windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self, TypeVar

from anysize.core.errors import ConfigurationError
from anysize.core.receipts import Unit

S = TypeVar("S", bound="Settings")

LARGEST_WINDOW = 1 << 20
"""Tokens or steps of a window, and numbers of a step, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ABC):
    """How inputs become windows; each modality has a subclass, which is stored in the card.

    Attributes:
        modality: its key in the room ``modalities``.
        content: what is read, in the plural, for messages (``pictures``).
    """

    modality: ClassVar[str]
    content: ClassVar[str]

    @property
    @abstractmethod
    def unit(self) -> Unit:
        """What an input's extent counts."""

    @property
    @abstractmethod
    def whole(self) -> int:
        """The cost of one whole window, in that unit."""

    @property
    @abstractmethod
    def varying(self) -> bool:
        """Whether windows come in many sizes, so that sorting them pays."""

    def sharing(self, part: float) -> Self:
        """The same, with neighbours that share a part of a window where they share nothing yet."""
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a table that one field is made of; empty where it is in one."""
        return ()

    def kept(self) -> Self:
        """The same without wishes of one run, as a bundle keeps it."""
        return self

    def to_json(self) -> dict[str, Any]:
        """As the card holds them; what is None is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any], origin: str) -> Self:
        """From the entries of a card, each of which must be of its type.

        Args:
            entries: what `to_json` gave.
            origin: the card, for messages.

        Raises:
            BundleError: they are not.
        """
        from anysize.models.card_reading import made

        return made(cls, entries, origin, "settings")


def expected(settings: Settings, kind: type[S], spec: str) -> S:
    """The settings, once they are found to be of a modality.

    Args:
        settings: of a model.
        kind: of the modality that the caller is for.
        spec: the model, for messages.

    Raises:
        ConfigurationError: the model reads something else.
    """
    if not isinstance(settings, kind):
        raise ConfigurationError(
            f"model {spec!r} reads {settings.content}, and a model of {kind.content} is needed"
        )
    return settings
