"""Texts: how they become windows, what may be asked of it, and what builders know of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from anysize.core.errors import ConfigurationError
from anysize.core.options import Options, Together, option
from anysize.core.receipts import Unit
from anysize.modalities.settings import LARGEST_WINDOW, Settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSettings(Settings):
    """How text becomes windows.

    Attributes:
        window: tokens that the model reads at once, special tokens included.
        overlap: tokens that neighbouring windows share.
    """

    modality: ClassVar[str] = "text"
    content: ClassVar[str] = "texts"

    window: int
    overlap: int = 0

    @property
    def unit(self) -> Unit:
        """What an input's extent counts."""
        return "tokens"

    @property
    def varying(self) -> bool:
        """Whether windows come in many sizes."""
        return True

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return self.window

    def sharing(self, part: float) -> TextSettings:
        """See ``Settings``."""
        if self.overlap:
            return self
        return dataclasses.replace(self, overlap=int(part * self.window))

    def __post_init__(self) -> None:
        if not 4 <= self.window <= LARGEST_WINDOW:
            raise ConfigurationError(
                f"window must be at least 4 tokens and at most {LARGEST_WINDOW}, not {self.window}"
            )
        if not 0 <= self.overlap < self.window - 2:
            raise ConfigurationError(
                f"overlap must be from 0 to below window - 2 ({self.window - 2}), "
                f"not {self.overlap}"
            )


def _below_window(overlap: int | None, window: int | None) -> str | None:
    if overlap is None or window is None or overlap < window - 2:
        return None
    return f"must be below window - 2 ({window - 2}), not {overlap}"


@dataclass(frozen=True, kw_only=True)
class TextOptions(Options):
    """How texts are cut into windows."""

    table: ClassVar[str] = "text"
    together: ClassVar[tuple[Together, ...]] = (Together(("overlap", "window"), _below_window),)

    window: int | None = option(
        None, low=4, high=LARGEST_WINDOW, unit="tokens", automatic="the model's own",
        help="Tokens that the model reads at once, special tokens included.",
    )  # fmt: skip
    overlap: int | None = option(
        None, low=0, high=LARGEST_WINDOW, unit="tokens", automatic="the model's own",
        help="Tokens that neighbouring windows share.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFacts:
    """What a model builder knows of the training texts.

    Attributes:
        texts: streams them, for a tokenizer trained from scratch; None where there are none.
        tokenizer: takes the place of one trained from scratch, for a student that is to read what
            its teacher reads.
    """

    texts: Callable[[], Iterator[str]] | None = None
    tokenizer: PreTrainedTokenizerBase | None = None
