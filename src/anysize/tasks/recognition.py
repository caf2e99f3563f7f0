"""What the recognition tasks share: identities, the margin loss, verification as the measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from anysize.core.errors import DataError
from anysize.core.protocols import Meter
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.models.network import Network
from anysize.recognition.pairs import numbered, pair_counts, unit_vectors
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.classification import Classification
from anysize.tasks.protocols import LossBatch

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import Tensors

IDENTITY = ColumnSpec(
    role="identity",
    kind="target",
    names=("identity", "person", "speaker", "subject", "name", "label", "class", "client_id", "id"),
    required=False,
)

STRANGER = -1
"""Target of a record whose identity the network does not know: to measure by, not to train on."""


class Recognition(Classification):
    """Identities that the network has not seen are distinguished by their embeddings.

    Data are divided by identity, not by record: people of the training part are in no other.
    """

    main_metric = "verification_accuracy"
    by_target = True
    takes: ClassVar[Mapping[str, Sequence[str]]] = ONE_WAY

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        if record.target is None:
            raise DataError(record.id, "has no identity")
        return labels.index(record.target) if record.target in labels else STRANGER

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        from anysize.models.margin import mean_directions

        if STRANGER in batch.targets:
            raise DataError(
                "training data", "hold an identity that is not among the network's labels"
            )
        embeddings = outputs["embeddings"]
        targets = torch.tensor(batch.targets, device=embeddings.device)
        directions = mean_directions(embeddings, batch.weights, batch.owners, len(targets))
        head: Any = network.module.head
        logits = head(directions, targets)
        return cross_entropy(
            logits, targets, reduction="sum", label_smoothing=batch.options.label_smoothing
        )

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return VerificationMeter()


class VerificationMeter:
    """One minus the equal error rate over all pairs of samples."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._vectors: list[list[float]] = []

    def add(self, result: Result, target: str) -> None:
        found = result.details["found"]
        if found:
            self._names.append(target)
            self._vectors.append(found[0]["embedding"])

    def state(self) -> tuple[list[str], list[list[float]]]:
        return self._names, self._vectors

    def join(self, states: Sequence[tuple[list[str], list[list[float]]]]) -> None:
        self._names = [name for names, _ in states for name in names]
        self._vectors = [vector for _, vectors in states for vector in vectors]

    def score(self) -> tuple[float, float]:
        """The metric, and how far impostor scores are above genuine ones on average."""
        _, identities = numbered(self._names)
        vectors = unit_vectors(np.array(self._vectors, np.float64).reshape(len(identities), -1))
        counts = pair_counts(vectors, identities)
        rate, _ = counts.rates().equal_error()
        same, all_pairs = counts.genuine, counts.genuine + counts.impostor
        sums = np.zeros((identities.max() + 1, vectors.shape[1]))
        np.add.at(sums, identities, vectors)
        total = float((sums.sum(axis=0) ** 2).sum() - len(vectors)) / 2
        own = float((sums**2).sum() - len(vectors)) / 2
        return 1 - rate, (total - own) / (all_pairs - same) - own / same
