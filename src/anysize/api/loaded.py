"""What the methods of a loaded model are built on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.planning.options import PredictOptions
from anysize.tasks.inputs import Input

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.planning.session import Session


class Loaded(ABC):
    """A trained network with its card; ``Model`` says how it is run."""

    network: Network
    card: Card
    folder: Path | None

    @abstractmethod
    def open(
        self,
        inputs: Input | Source | Iterable[Any],
        options: PredictOptions,
        findings: Findings | None = None,
    ) -> Source:
        """See ``Model``."""

    @abstractmethod
    def session(self, *, measuring: bool = False) -> Session: ...
