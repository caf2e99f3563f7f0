"""Events along a recording: when each label begins and ends.

The core of each window has a probability for each label. An event of a label begins at a window
where it is at least ``begin``, and goes on as long as it is at least ``hold`` (hysteresis: a
probability that wavers about one limit does not cut an event into many). Neighbouring windows are
joined; events of different labels may overlap. What is held grows with the number of events, as the
result itself does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from anysize.core.errors import ConfigurationError
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.heads.single_label_classification import SingleLabel
from anysize.mergers.coverage import Coverage
from anysize.mergers.pool import Decide

PROVIDES = ("timeline",)

RATE = "sample_rate"
"""The array of an example, beside its window, that says how many units make a second."""
_HALF = 0.5
_SECOND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """When an event begins and ends.

    Attributes:
        begin: the lowest probability at which it begins; None is a half, and of a model with
            several labels the threshold that each label has.
        hold: the lowest at which it goes on; None is half of ``begin``.
    """

    begin: float | None = None
    hold: float | None = None

    @property
    def held(self) -> float:
        """The lowest probability at which an event goes on."""
        return (self.begin or _HALF) / 2 if self.hold is None else self.hold

    def begins(self, label: str, likely: float, prediction: Any) -> bool:
        """Whether an event of a label begins where a window says so."""
        if self.begin is not None:
            return likely >= self.begin
        return label in prediction if isinstance(prediction, list) else likely >= _HALF


@dataclass(slots=True)
class _Open:
    """An event that has not ended: its ends, and its probability times the units."""

    start: int
    stop: int
    sum: float
    peak: float


class _Heard(NamedTuple):
    core: Span
    prediction: Any
    likely: Mapping[str, float]


class TimelineMerger:
    """Joins one record's windows into events.

    Args:
        record: the record's id.
        decide: what the logits of a window mean.
        unit: what the record's extent counts.
        rule: when events begin and end.
    """

    order_independent = True

    def __init__(
        self, record: str, decide: Decide, unit: Unit, rule: EventRule | None = None
    ) -> None:
        self._record = record
        self._decide = decide
        self._unit = unit
        self._rule = rule or EventRule()
        self._coverage = Coverage(unit)
        self._waiting: dict[int, _Heard] = {}
        self._next = 0
        self._open: dict[str, _Open] = {}
        self._events: list[dict[str, Any]] = []
        self._held: Counter[str] = Counter()
        self._rate = 0

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        if RATE in output:
            self._rate = int(np.asarray(output[RATE]).reshape(-1)[0])
        self._waiting[window.index] = self._heard(window, output)
        while (heard := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._take(heard)

    def partial(self, window: Window, output: Mapping[str, Any]) -> Any:
        """The labels that are heard in a window; see ``Showing``."""
        heard = self._heard(window, output)
        labels = {
            label: round(likely, 4)
            for label, likely in heard.likely.items()
            if self._rule.begins(label, likely, heard.prediction)
        }
        if not labels:
            return None
        rate = int(np.asarray(output[RATE]).reshape(-1)[0]) if RATE in output else 0
        return {**_place(heard.core.start, heard.core.stop, rate), "labels": labels}

    def settled(self) -> tuple[str, Mapping[str, Any]] | None:
        """The events that have ended, in the order of their ends; see ``Settling``."""
        found, self._events = self._events, []
        if not found:
            return None
        return ", ".join(dict.fromkeys(event["label"] for event in found)), {"events": found}

    def finish(self) -> Result:
        for label in list(self._open):
            self._close(label)
        self._events.sort(key=lambda event: (event["start"], event["end"], event["label"]))
        receipt = self._coverage.receipt("timeline", "local")
        longest = max(self._held, key=lambda label: self._held[label], default=None)
        return Result(
            id=self._record,
            prediction=longest,
            score=self._held[longest] / max(receipt.extent, 1) if longest is not None else None,
            receipt=receipt,
            details={
                "events": self._events,
                "event_rule": {"begin": self._rule.begin or "auto", "hold": self._rule.held},
            },
        )

    def _heard(self, window: Window, output: Mapping[str, Any]) -> _Heard:
        core = window.core
        assert isinstance(core, Span)
        decision = self._decide(np.asarray(output["logits"], dtype=np.float64))
        return _Heard(core, decision.prediction, decision.compared)

    def _take(self, heard: _Heard) -> None:
        """The next window in order."""
        core = heard.core
        for label, likely in heard.likely.items():
            event = self._open.get(label)
            begins = self._rule.begins(label, likely, heard.prediction)
            if event is None and begins:
                event = self._open[label] = _Open(core.start, core.start, 0.0, 0.0)
            if event is None:
                continue
            if begins or likely >= self._rule.held:
                event.stop = core.stop
                event.sum += likely * core.size
                event.peak = max(event.peak, likely)
            else:
                self._close(label)

    def _close(self, label: str) -> None:
        event = self._open.pop(label)
        size = event.stop - event.start
        self._held[label] += size
        self._events.append(
            {
                "label": label,
                **_place(event.start, event.stop, self._rate),
                "score": round(event.sum / max(size, 1), 4),
                "peak": round(event.peak, 4),
            }
        )


def _place(start: int, stop: int, rate: int) -> dict[str, int]:
    """Where an event is: in milliseconds, and where units have no rate, in these."""
    if not rate:
        return {"start": start, "end": stop}
    return {"start": round(start * _SECOND / rate), "end": round(stop * _SECOND / rate)}


def times_of(event: Mapping[str, Any]) -> tuple[int, int]:
    """When an event of a recording begins and ends, in milliseconds.

    Args:
        event: of a result; those of earlier versions count samples, with ``start_ms`` beside.
    """
    return event.get("start_ms", event["start"]), event.get("end_ms", event["end"])


def make(
    record: str,
    labels: Sequence[str],
    rule: str,
    unit: Unit,
    *,
    keep_first: bool = False,
    decide: Decide | None = None,
    events: EventRule | None = None,
) -> Merger:
    """The merger of one record.

    Raises:
        ConfigurationError: the windows lie in two dimensions, or are not answered by labels.
    """
    if unit == "pixels":
        raise ConfigurationError(
            "merge must not be 'timeline' for pictures, which have no time: grid gives the label "
            "of each window"
        )
    if decide is None:
        decide = partial(SingleLabel().decide, labels=labels)
    return TimelineMerger(record, decide, unit, events)
