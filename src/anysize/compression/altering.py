"""Methods that change the modules of a network, and train what is left further."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.compression.fitting import weight_problems
from anysize.compression.protocols import Context

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network


class Altering(ABC):
    """What they have in common; a method says what does not fit, and changes the network.

    Its options have ``epochs`` and ``learning_rate`` of the training afterwards.
    """

    needs_data = True
    compiles = False
    options: Any

    def __init__(self, key: str) -> None:
        self.key = key

    @abstractmethod
    def unfit(self, network: Network) -> list[str]:
        """Why a network that has weights cannot be changed; empty where it can."""

    @abstractmethod
    def altered(self, source: Path, options: Any, context: Context) -> tuple[Network, Card]:
        """The changed network of a bundle, as it is to be stored.

        Raises:
            ConfigurationError: the options leave nothing to change.
        """

    def problems(self, network: Network, card: Card) -> list[str]:
        return weight_problems(network) or self.unfit(network)

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        from anysize.compression.tuning import tuned_afterwards
        from anysize.models import bundle

        network, card = self.altered(source, options, context)
        with tuned_afterwards(
            out, context, epochs=options.epochs, learning_rate=options.learning_rate
        ) as place:
            bundle.save(place, network, card)
            # Its memory is needed by the training.
            del network
