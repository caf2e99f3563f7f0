"""Loss and rate since the last line of the log."""

from __future__ import annotations

import time

from anysize.training.checkpoint import State
from anysize.training.limits import Limit
from anysize.training.progress import Moment
from anysize.training.step import Totals


class LogInterval:
    """Sums what steps report until the next line."""

    def __init__(self) -> None:
        self._reset()

    def add(self, totals: Totals) -> None:
        """One step is done."""
        self._loss += totals.loss
        self._records += totals.records
        self._steps += 1

    def moment(self, state: State, limit: Limit, rate: float, reserve: float) -> Moment:
        """The run's progress; starts the next line.

        Args:
            state: after the step.
            limit: of the run.
            rate: learning rate of the step.
            reserve: seconds kept for the end.
        """
        seconds = time.monotonic() - self._since
        step = state.cursor.step
        moment = Moment(
            step=step,
            epoch=state.cursor.epoch,
            records=state.used,
            loss=self._loss / max(self._records, 1),
            learning_rate=rate,
            rate=self._records / max(seconds, 1e-9),
            progress=limit.progress(step, state.elapsed, reserve),
            left=limit.left(step, state.elapsed, seconds / max(self._steps, 1), reserve),
        )
        self._reset()
        return moment

    def _reset(self) -> None:
        self._loss = 0.0
        self._records = 0
        self._steps = 0
        self._since = time.monotonic()
