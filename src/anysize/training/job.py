"""What a training run works on, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.findings import Findings
from anysize.training.recipe import Recipe

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation
    from anysize.core.records import Source
    from anysize.models.bundle import Card
    from anysize.models.lora import LoraSettings
    from anysize.models.network import Network
    from anysize.tasks.protocols import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run, prepared: everything is open and checked, nothing is trained yet.

    Attributes:
        recipe: resolved.
        task, network: what is trained; the network is on the CPU, in float32.
        card: the bundle's card as far as it is known before training.
        training, validation: the records; no validation where there is none.
        augmentation: changes training pictures; None changes nothing.
        fingerprint: of the training data.
        started: ``time.monotonic()`` of the moment that the run's clock starts.
        quiet: show no progress.
        findings: what was guessed, repaired or left out of the data.
        summary: what was read, what is used and what is left out, a line each; empty for a run that
            goes on.
        lora: the additions that are trained instead of the weights; None trains these.
    """

    recipe: Recipe
    task: Task
    network: Network
    card: Card
    training: Source
    validation: Source | None
    augmentation: Augmentation | None
    fingerprint: str
    started: float
    quiet: bool = False
    findings: Findings = field(default_factory=Findings, compare=False)
    summary: tuple[str, ...] = ()
    lora: LoraSettings | None = None

    @property
    def out(self) -> Path:
        return Path(self.recipe.out)

    @property
    def last(self) -> Path:
        """The checkpoint that a run is resumed from."""
        return self.out / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        """The weights of the best validation."""
        return self.out / "checkpoints" / "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a finished run has to say.

    Attributes:
        bundle: the folder with the trained bundle.
        steps: optimizer steps.
        records: records used, over all epochs.
        epochs: passes over the training set, the last one maybe in part.
        seconds: of the whole run, over all sessions.
        metric: name of the main metric.
        best: its value on the validation records, None without any.
        ended: ``epochs``, ``steps``, ``minutes`` (the limit) or ``patience``.
        failed: how many records could not be read.
        failures: the problem of each, by record (of the first thousand).
        peak_memory: of all workers together, in bytes.
        checkpointing: whether activations were computed again in the backward pass.
        findings: what was guessed, repaired or left out of the data, as JSON objects.
    """

    bundle: str
    steps: int
    records: int
    epochs: float
    seconds: float
    metric: str
    best: float | None
    ended: str
    failed: int
    failures: Mapping[str, str] = field(default_factory=dict)
    peak_memory: int = 0
    checkpointing: bool = False
    findings: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
