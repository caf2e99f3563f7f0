"""What training asks of a task, for tasks whose models are used as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from anysize.core.examples import Example
    from anysize.core.protocols import Meter
    from anysize.core.records import Record, Source
    from anysize.models.execution import Tensors
    from anysize.models.network import Network
    from anysize.tasks.protocols import LossBatch


class Untrained:
    """The part of a task that refuses to be trained.

    Attributes:
        untrained: why, and what to use instead.
    """

    untrained: ClassVar[str]

    def labels(self, source: Source) -> tuple[str, ...]:
        """There is nothing to train.

        Raises:
            ConfigurationError: always, as do all methods of training below.
        """
        self._refuse()

    def label_counts(self, source: Source) -> dict[str, int]:
        """There are no labels."""
        return {}

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Nothing to prepare."""

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        """None."""
        return {}

    def encode_target(self, record: Record, labels: Sequence[str]) -> Any:
        """See `labels`."""
        self._refuse()

    def made_up(self, example: Example, labels: int) -> tuple[Example, Any]:
        """See `labels`."""
        self._refuse()

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Any:
        """See `labels`."""
        self._refuse()

    def new_meter(self, labels: Sequence[str]) -> Meter:
        """See `labels`."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigurationError(self.untrained)
