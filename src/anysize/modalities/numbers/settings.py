"""Numbers: how they become windows, what may be asked of it, and what builders know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.options import Options, Together, option
from anysize.core.receipts import Unit
from anysize.modalities.settings import LARGEST_WINDOW, Settings

if TYPE_CHECKING:
    from anysize.models.columns import TableEncoding


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings(Settings):
    """How numbers become windows.

    Attributes:
        width: numbers of a vector, or of each step of a sequence.
        steps: the most steps that the model reads at once; 0 for a model of vectors.
        least: the fewest steps that it takes, from 1 to ``steps``; a shorter sequence gets zeros
            behind its end. A model of one length has both alike.
        overlap: steps that neighbouring windows share.
        names: what the numbers are called, where they came from a table; a table that is predicted
            must have the same columns, in any order.
        encoding: how the cells of a table's row become these numbers; None where records are
            numbers already.
        series: the columns of a table that are the steps, where records are its rows.
    """

    modality: ClassVar[str] = "features"
    content: ClassVar[str] = "numbers"

    width: int
    steps: int = 0
    least: int = 1
    overlap: int = 0
    names: tuple[str, ...] = ()
    encoding: TableEncoding | None = None
    series: tuple[str, ...] = ()

    @property
    def unit(self) -> Unit:
        """What an input's extent counts."""
        return "steps" if self.steps else "features"

    @property
    def varying(self) -> bool:
        """Whether windows come in many lengths."""
        return self.steps > self.least

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return max(self.steps, 1)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the numbers are made of, where they came from a table."""
        named = self.series or self.names
        return named if self.encoding is None else self.encoding.names

    @classmethod
    def from_json(cls, entries: Mapping[str, Any], origin: str) -> FeatureSettings:
        """From the entries of a card; see ``Settings``."""
        from anysize.models.card_reading import made

        encoding = entries.get("encoding")
        if encoding is not None:
            entries = {**entries, "encoding": _encoding(encoding, origin)}
        return made(cls, entries, origin, "settings")

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.width <= LARGEST_WINDOW:
            problems.append(
                f"features must be at least 1 and at most {LARGEST_WINDOW}, not {self.width}"
            )
        if not 0 <= self.steps <= LARGEST_WINDOW:
            problems.append(
                f"window must be at least 0 and at most {LARGEST_WINDOW} steps, not {self.steps}"
            )
        if self.steps and not 1 <= self.least <= self.steps:
            problems.append(
                f"window must be at least {self.least} steps, the fewest that the model takes, "
                f"not {self.steps}"
            )
        if not 0 <= self.overlap < max(self.steps, 1):
            problems.append(
                f"overlap must be from 0 to below the window of {self.steps} steps, "
                f"not {self.overlap}"
            )
        if self.names and len(self.names) != self.width:
            problems.append(f"there must be {self.width} names of features, not {len(self.names)}")
        if self.encoding is not None and self.encoding.width != self.width:
            problems.append(
                f"the columns make {self.encoding.width} features, and the model reads {self.width}"
            )
        if problems:
            raise ConfigurationError(problems)


def _below_window(overlap: int | None, window: int | None) -> str | None:
    if overlap is None or window is None or overlap < window:
        return None
    return f"must be below the window of {window} steps, not {overlap}"


@dataclass(frozen=True, kw_only=True)
class FeatureOptions(Options):
    """How sequences of numbers are cut into windows."""

    table: ClassVar[str] = "features"
    together: ClassVar[tuple[Together, ...]] = (Together(("overlap", "window"), _below_window),)

    window: int | None = option(
        None, low=1, high=LARGEST_WINDOW, unit="steps", automatic="the model's own",
        help="Steps of a sequence that the model reads at once.",
    )  # fmt: skip
    overlap: int | None = option(
        None, low=0, high=LARGEST_WINDOW, unit="steps", automatic="the model's own",
        help="Steps that neighbouring windows share.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFacts:
    """What a model builder knows of the training data.

    Attributes:
        shape: of the first record, ``(features,)`` or ``(steps, features)``; None where it is not
            known.
        encoding: how rows of a table become vectors, for a model that scales nothing itself; None
            where records are numbers already.
        taught: what the teacher reads; None without a teacher.
    """

    shape: tuple[int, ...] | None = None
    encoding: TableEncoding | None = None
    taught: FeatureSettings | None = None


def _encoding(entries: Any, origin: str) -> TableEncoding:
    """How the cells of a table's row become numbers, as a card has it.

    Raises:
        BundleError: it is damaged.
    """
    from anysize.models.card_reading import made
    from anysize.models.columns import ColumnEncoding, TableEncoding

    name = "settings.encoding"
    columns = entries.get("columns") if isinstance(entries, Mapping) else None
    if not isinstance(columns, list):
        raise BundleError(origin, f"not a valid card: {name}.columns must be a list")
    for column in columns:
        made(ColumnEncoding, column, origin, f"{name}.columns")
    try:
        return TableEncoding.from_json(entries)
    except (TypeError, KeyError, ValueError) as error:
        raise BundleError(origin, f"not a valid card: {name}: {error}") from error
