"""What the recognition tasks share: identities, the margin loss, verification as the measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.protocols import Meter
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.network import Network
from anysize.recognition.pairs import numbered, pair_counts, unit_vectors
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.classification import Classification
from anysize.tasks.protocols import LossBatch, Task

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

_FITTED_AT_ONCE = 32


class Recognition(Classification):
    """Identities that the network has not seen are distinguished by their embeddings.

    Data are divided by identity, not by record: people of the training part are in no other.
    """

    main_metric = "verification_accuracy"
    by_target = True
    takes: ClassVar[Mapping[str, Sequence[str]]] = ONE_WAY

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        # The start is close already; larger steps learn the identities by heart (benchmarks.faces).
        return {
            "batch": 32, "learning_rate": 1e-5, "optimizer": "adamw", "weight_decay": 0.0,
            "schedule": "cosine", "warmup": 0.1, "clip": 1.0, "label_smoothing": 0.0,
            "epochs": 5.0, "progressive": 1.0,
        }  # fmt: skip

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        if record.target is None:
            raise DataError(record.id, "has no identity")
        return labels.index(record.target) if record.target in labels else STRANGER

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Gives a fresh embedder the projection that the training data ask for.

        Args:
            network: made for these labels; one that was loaded keeps its projection.
            source: the training data.
            labels: of the network.

        Raises:
            DataError: fewer than two identities can be read, or none has two samples.
        """
        import torch

        from anysize.models.whitening import WithinClassStatistics

        module: Any = network.module
        if not getattr(module, "starts_from_data", False) or module.name_or_path:
            return
        statistics = WithinClassStatistics(module.projection.in_features, len(labels))
        preprocess = cast(Task, self).preprocess(network)
        module.train(False)
        for start in range(0, len(source), _FITTED_AT_ONCE):
            examples, targets = [], []
            for index in range(start, min(start + _FITTED_AT_ONCE, len(source))):
                try:
                    record = source[index]
                    target = self.encode_target(record, labels)
                    found = list(preprocess(index, record, 0))
                except DataError:
                    continue  # counted and named when training reads it
                examples += found
                targets += [target] * len(found)
            if not examples:
                continue
            with torch.inference_mode():
                values = _normalised(network, examples)
                for picture in (values, values.flip(3)):
                    features = module.features(picture).double().numpy()
                    statistics.add(features, np.array(targets))
        projection, centres = statistics.projection(module.config.width)
        module.start_from(torch.from_numpy(projection).float(), torch.from_numpy(centres).float())

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


def _normalised(network: Network, examples: Sequence[Example]) -> Tensor:
    """Pictures ``[n, 3, height, width]`` as ``models.execution`` gives them to the module."""
    import torch

    settings = network.reads(ImageSettings)
    pixels = torch.from_numpy(np.stack([example.arrays["pixels"] for example in examples]))
    mean = 255 * torch.tensor(settings.mean).view(1, 3, 1, 1)
    deviation = 255 * torch.tensor(settings.std).view(1, 3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).float() - mean) / deviation


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
