"""Receipts: what was read of an input, and how true the merged result is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Fidelity: TypeAlias = Literal["exact", "local", "approximate"]
Unit: TypeAlias = Literal["tokens", "pixels", "samples", "characters", "steps", "features"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was read to make one result.

    Attributes:
        extent: the input's size in ``unit``; a picture's is width times height.
        unit: what the extent counts.
        windows: how many model calls it took.
        covered: the part of the extent that some window owned; 1.0 unless ``reason`` says why.
        dropped: units that no window read.
        merge: the merge rule's name.
        fidelity: ``exact`` equals the model on the whole input at once, up to floating point;
            ``local`` is exact inside each core up to a measured error; ``approximate``
            is everything else, full-attention windows above all.
        shape: ``[width, height]`` for pictures, else None.
        tile: ``[width, height]``, in pixels of the picture, of the tiles that it was cut into; None
            where it was not.
        reason: why ``covered`` is below 1.0.
    """

    extent: int
    unit: Unit
    windows: int
    covered: float
    dropped: int
    merge: str
    fidelity: Fidelity
    shape: tuple[int, ...] | None = None
    tile: tuple[int, ...] | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, object]:
        """JSON-ready; fields that do not apply are left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}
