"""The results with the highest numbers alone, the highest first, in memory for these alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anysize.core.errors import ConfigurationError
from anysize.core.highest import Highest
from anysize.results.sinks import Sink


class Best:
    """Gives a sink the rows whose predictions are highest, once all have come.

    Rows of what could not be read go to it at once. Of equal predictions the one that came first is
    first.

    Args:
        inner: takes the rows.
        most: how many predictions it is given.

    Attributes:
        left_out: how many predictions it is not given.
    """

    done = 0
    errors = 0

    def __init__(self, inner: Sink, most: int) -> None:
        self._inner, self._most = inner, most
        self._held = Highest[Mapping[str, Any]](most)
        self._count = 0

    @property
    def left_out(self) -> int:
        return max(self._count - self._most, 0)

    def write(self, row: Mapping[str, Any]) -> None:
        """Holds a row if it is among the best so far.

        Raises:
            ConfigurationError: its prediction is not a number.
        """
        if "error" in row:
            self._inner.write(row)
            return
        found = row.get("prediction")
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise ConfigurationError(
                "--top sorts results by their prediction, which is not a number here "
                f"({found!s:.40}): use it with a model of numbers, or with --near TEXT"
            )
        self._held.add(float(found), self._count, row)
        self._count += 1

    def __enter__(self) -> Best:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *rest: object
    ) -> None:
        if error is None:
            for row in self._held.entries():
                self._inner.write(row)
        self._inner.__exit__(kind, error, *rest)
