"""How a set of points becomes windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.errors import ConfigurationError
from anysize.core.options import Options, option
from anysize.core.receipts import Unit
from anysize.modalities.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSettings(Settings):
    """A set of more points than ``window`` is read in parts.

    Attributes:
        window: points that the model reads at once.
        overlap: points that neighbouring windows share.
    """

    modality: ClassVar[str] = "points"
    content: ClassVar[str] = "point sets"

    window: int = 64
    overlap: int = 0

    @property
    def unit(self) -> Unit:
        """What an input's extent counts."""
        return "points"

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return self.window

    @property
    def varying(self) -> bool:
        """Whether windows come in many sizes."""
        return True

    def __post_init__(self) -> None:
        if self.window < 2 or not 0 <= self.overlap < self.window:
            raise ConfigurationError(
                f"window must be at least 2 points and overlap below it, not {self.window} and "
                f"{self.overlap}"
            )


@dataclass(frozen=True, kw_only=True)
class PointOptions(Options):
    """How sets of points are cut into windows."""

    table: ClassVar[str] = "points"

    window: int | None = option(
        None, low=2, automatic="64", help="Points that the model reads at once."
    )
    overlap: int | None = option(
        None, low=0, automatic="none", help="Points that neighbouring windows share."
    )
