"""Transcripts of either kind of network: of steps that are joined, or of segments that are written.

Which kind it is shows in the outputs of the first window; see ``mergers.ctc`` and
``mergers.transcript``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anysize.core.receipts import Unit
from anysize.core.results import NextRound, Result
from anysize.core.windows import Window
from anysize.mergers.ctc import CTCMerger
from anysize.mergers.transcript import TranscriptMerger


class SpeechMerger:
    """Joins one record's windows by the merger that their outputs are for.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit) -> None:
        self._make: Callable[[type[Any]], Any] = lambda kind: kind(record, unit)
        self._own: Any = None

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._merger(output).add(window, output)

    def partial(self, window: Window, output: Mapping[str, Any]) -> Any:
        """See ``core.protocols.Showing``."""
        return self._merger(output).partial(window, output)

    def settled(self) -> tuple[str, Mapping[str, Any]] | None:
        """See ``core.protocols.Settling``."""
        found: tuple[str, Mapping[str, Any]] | None = self._merger({}).settled()
        return found

    def finish(self) -> Result | NextRound:
        found: Result | NextRound = self._merger({}).finish()
        return found

    def _merger(self, output: Mapping[str, Any]) -> Any:
        if self._own is None:
            self._own = self._make(CTCMerger if "steps" in output else TranscriptMerger)
        return self._own
