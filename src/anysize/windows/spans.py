"""Windows over one dimension: pure arithmetic on integers."""

from __future__ import annotations

from collections.abc import Iterator

from anysize.core.errors import ConfigurationError
from anysize.core.windows import Span


class SpanCutter:
    """Cuts an extent that is still growing into windows, each given out as soon as it is settled.

    Windows start every ``size - overlap`` units. The last window is shifted back so that it is as
    large as the others (it is smaller only where the whole extent is), so the last two windows
    may share more than ``overlap``. Where two neighbouring regions overlap, the border of their
    cores lies in the middle (rounded down), so the cores partition the extent.

    An extent of 0 has one window, whose region and core are both ``[0, 0)``.

    Args:
        size: units in a window, at least 1.
        overlap: units that neighbours share, at least 0 and below ``size``.

    Raises:
        ConfigurationError: ``size`` or ``overlap`` breaks its rule.
    """

    def __init__(self, size: int, overlap: int) -> None:
        problems = []
        if size < 1:
            problems.append(f"window size must be at least 1, not {size}")
        if not 0 <= overlap < max(size, 1):
            problems.append(
                f"overlap must be at least 0 and below the window size {size}, not {overlap}"
            )
        if problems:
            raise ConfigurationError(problems)
        self._size = size
        self._step = size - overlap
        self._extent = 0
        self._start = 0  # of the next window to give out
        self._owned = 0  # units that belong to windows given out

    def grow(self, extent: int) -> Iterator[tuple[Span, Span]]:
        """(region, core) of the windows that are settled once ``extent`` units are known.

        A window is settled when the one after it is certain to be full and in its place.
        """
        self._extent = max(self._extent, extent)
        while self._start + self._step + self._size <= self._extent:
            yield self._next(self._start + self._step)

    def finish(self) -> Iterator[tuple[Span, Span]]:
        """(region, core) of the remaining windows: the extent is now final."""
        if self._start + self._size < self._extent:
            yield self._next(self._extent - self._size)
        yield Span(self._start, self._extent), Span(self._owned, self._extent)

    def _next(self, follower: int) -> tuple[Span, Span]:
        """The window at ``_start``, which the one at ``follower`` comes after."""
        region = Span(self._start, self._start + self._size)
        core = Span(self._owned, (follower + region.stop) // 2)
        self._start, self._owned = follower, core.stop
        return region, core


def spans(extent: int, size: int, overlap: int) -> Iterator[tuple[Span, Span]]:
    """(region, core) of each window over ``[0, extent)``, in order; see :class:`SpanCutter`.

    Raises:
        ConfigurationError: ``extent`` is negative, or ``size`` or ``overlap`` breaks its rule.
    """
    cutter = SpanCutter(size, overlap)
    if extent < 0:
        raise ConfigurationError(f"extent must be at least 0, not {extent}")
    return _all(cutter, extent)


def _all(cutter: SpanCutter, extent: int) -> Iterator[tuple[Span, Span]]:
    yield from cutter.grow(extent)
    yield from cutter.finish()
