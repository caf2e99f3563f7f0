"""When a run ends, and how far it is: by epochs, by steps or by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from anysize.training.order import Order
from anysize.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The end of a run; exactly one of the two is set.

    Attributes:
        name: ``epochs``, ``steps`` or ``minutes``.
        steps: the last step, counted from 1.
        seconds: for the whole run, with its last validation and its saving.
    """

    name: str
    steps: int | None = None
    seconds: float | None = None

    def progress(self, step: float, elapsed: float, reserve: float) -> float:
        """How much is done, 0 to 1.

        Args:
            step: steps made; a half is the middle of one.
            elapsed: seconds since the start.
            reserve: seconds to keep for the last validation and for saving.
        """
        if self.steps is not None:
            return min(step / self.steps, 1.0)
        assert self.seconds is not None
        return min(elapsed / max(self.seconds - reserve, 1e-9), 1.0)

    def left(self, step: int, elapsed: float, seconds_a_step: float, reserve: float) -> float:
        """Seconds that are left, about."""
        if self.steps is not None:
            return (self.steps - step) * seconds_a_step
        assert self.seconds is not None
        return max(self.seconds - reserve - elapsed, 0.0)


def limit_of(recipe: Recipe, order: Order) -> Limit:
    """The limit that a resolved recipe sets."""
    if recipe.minutes is not None:
        return Limit(name="minutes", seconds=60.0 * recipe.minutes)
    if recipe.steps is not None:
        return Limit(name="steps", steps=recipe.steps)
    epochs = recipe.epochs or 1.0
    whole = floor(epochs)
    # Every epoch ends with a step of its own, so a part of one is counted in its steps.
    steps = whole * order.steps_per_epoch + ceil((epochs - whole) * order.steps_per_epoch)
    return Limit(name="epochs", steps=max(steps, 1))
