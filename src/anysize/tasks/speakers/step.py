"""The step of speaker recognition: one run, with what comes behind the pooling at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from anysize.core.examples import Example
from anysize.core.pooled_statistics import Closing
from anysize.core.protocols import Runtime
from anysize.core.steps import ONE_RUN, Ability, Answer


@dataclass(frozen=True, slots=True)
class StatisticsRun:
    """As ``OneRun``; each output also has the ``closing`` of the network, for the merger.

    Attributes:
        closing: None where the network does not pool, or has no weights (a compiled form).
    """

    closing: Closing | None = field(default=None, repr=False, compare=False)
    needs: ClassVar[Ability] = "run"

    def cost(self, own: int) -> int:
        """The example's own."""
        return own

    def answers(
        self, runtime: Runtime, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """See ``Step``."""
        for answer in ONE_RUN.answers(runtime, examples, partial=partial):
            yield answer._replace(output={**answer.output, "closing": self.closing})

    def rehearse(self, runtime: Runtime, examples: Sequence[Example]) -> float | None:
        """Runs them."""
        return ONE_RUN.rehearse(runtime, examples)
