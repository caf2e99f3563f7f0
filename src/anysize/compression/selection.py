"""Which units are removed so that a network costs as much as is wished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from anysize.compression.flops import Flops
from anysize.compression.groups import Group
from anysize.core.errors import ConfigurationError

# The aim is missed by no more than this, if there is a step that fits.
_CLOSE = 0.02


def choose(
    groups: Sequence[Group],
    scores: Sequence[Tensor],
    flops: Flops,
    share: float,
    gone: Sequence[Sequence[int]] | None = None,
    floor: float | None = None,
) -> list[list[int]]:
    """Removes, step by step, what matters least for what it costs.

    A step takes the units of one group that matter least; among the groups the one whose step has
    the smallest importance for each operation that it saves. The last steps are smaller where that
    is needed to meet the aim.

    Args:
        groups: the groups.
        scores: importance of each group's units, ``[units]``, comparable between groups.
        flops: of the network as it is.
        share: of its operations that are to be left.
        gone: units of each group that are removed in any case.
        floor: the share that is left at least, where less than ``share`` may be.

    Returns:
        The units to remove, for each group.

    Raises:
        ConfigurationError: so much cannot be removed.
    """
    costs = _Costs(flops)
    orders = [
        _order(score, units) for score, units in zip(scores, gone or _none(groups), strict=True)
    ]
    taken = [len(units) for units in gone or _none(groups)]
    for group, count in zip(groups, taken, strict=True):
        costs.remove(group, count)
    aim = share * flops.total
    bottom = (share if floor is None else floor) * flops.total * (1 - _CLOSE)
    finer = 1
    while costs.total > aim:
        steps = _steps(groups, scores, orders, taken, costs, finer=finer, bottom=bottom)
        best = min(steps, default=None)
        if best is None:
            least = costs.total / flops.total
            raise ConfigurationError(
                f"flops must be at least {least:.2f} for this model, not {share:g}: the rest of "
                "its operations is in layers that must keep their size"
            )
        if best.beyond and any(group.step // finer > 1 for group in groups):
            finer *= 2
            continue
        costs.remove(groups[best.place], best.size)
        taken[best.place] += best.size
    return [sorted(order[:count]) for order, count in zip(orders, taken, strict=True)]


class _Step(NamedTuple):
    """Units of one group that may go next; the smallest of all is the best.

    Attributes:
        beyond: whether it takes more than is wished.
        price: importance for each operation saved; of those beyond, the operations themselves.
        place: of the group.
        size: how many units.
    """

    beyond: bool
    price: float
    place: int
    size: int


def _steps(
    groups: Sequence[Group],
    scores: Sequence[Tensor],
    orders: Sequence[Sequence[int]],
    taken: Sequence[int],
    costs: _Costs,
    *,
    finer: int,
    bottom: float,
) -> Iterator[_Step]:
    """The next step of each group that may still lose units."""
    for place, group in enumerate(groups):
        left = group.units - taken[place]
        step = max(group.step // finer, 1)
        # The first step leaves a multiple.
        size = left % step or step
        if left - size < group.least:
            continue
        saved = costs.saved(group, size)
        units = orders[place][taken[place] : taken[place] + size]
        rate = float(scores[place][units].sum()) / max(saved, 1.0)
        beyond = costs.total - saved < bottom
        yield _Step(beyond, saved if beyond else rate, place, size)


def _order(score: Tensor, gone: Sequence[int]) -> list[int]:
    """The units by their importance, behind those that are gone."""
    order: list[int] = score.argsort(stable=True).tolist()
    absent = set(gone)
    return [*gone, *(unit for unit in order if unit not in absent)]


def _none(groups: Sequence[Group]) -> list[list[int]]:
    return [[] for _ in groups]


@dataclass(slots=True)
class _Costs:
    """What the network costs with units removed."""

    flops: Flops
    total: float = field(init=False)
    _left: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.total = float(self.flops.total)

    def saved(self, group: Group, units: int) -> float:
        """Operations that removing so many units saves, now."""
        changes: dict[str, float] = {}
        for side in group.sides:
            left = self._left.get((side.layer, side.side), 1.0)
            factor = (left - units * side.share) / left
            changes[side.layer] = changes.get(side.layer, 1.0) * factor
        saved = sum((1.0 - factor) * self._cost(layer) for layer, factor in changes.items())
        return saved + units * group.extra

    def remove(self, group: Group, units: int) -> None:
        self.total -= self.saved(group, units)
        for side in group.sides:
            key = side.layer, side.side
            self._left[key] = self._left.get(key, 1.0) - units * side.share

    def _cost(self, layer: str) -> float:
        inputs = self._left.get((layer, "inputs"), 1.0)
        outputs = self._left.get((layer, "outputs"), 1.0)
        return self.flops.layers.get(layer, 0) * inputs * outputs
