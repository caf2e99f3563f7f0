"""What a run reports while it goes: standard error, ``training.jsonl`` and TensorBoard."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from anysize.core.files import disk_errors
from anysize.core.progress import clock, note, worth_telling
from anysize.training.checkpoint import drop_after
from anysize.training.job import Job

LOG = "training.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The progress of a run after a step.

    Attributes:
        step, epoch: from 1 and 0.
        records: used so far, over all epochs.
        loss: mean over the records since the last line.
        learning_rate: of the step.
        rate: records a second since the last line.
        progress: how much of the run is done, 0 to 1.
        left: seconds that are left.
    """

    step: int
    epoch: int
    records: int
    loss: float
    learning_rate: float
    rate: float
    progress: float
    left: float

    def sentence(self) -> str:
        told = (
            f"step {self.step}  epoch {self.epoch + 1}  loss {self.loss:.4f}  "
            f"{self.rate:.4g} records/s  {self.progress:.0%}"
        )
        to_do = 1 - self.progress
        seconds = self.left * self.progress / to_do if to_do > 0 else 0.0
        if to_do > 0 and not worth_telling(self.progress, seconds):
            return told
        return f"{told}  {clock(self.left)} left"


class Journal:
    """The lines of ``training.jsonl``, and TensorBoard scalars where asked for.

    Args:
        job: the run; its folder gets ``training.jsonl`` and ``tensorboard/``.
        step: committed steps; lines that a killed run wrote after them are removed.
    """

    def __init__(self, job: Job, step: int) -> None:
        self._path = job.out / LOG
        drop_after(self._path, step)
        self._file = self._path.open("a" if step else "w", encoding="utf-8")
        self._board: Any = None
        if job.recipe.tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                note("no TensorBoard scalars: pip install 'anysize[tensorboard]' brings them")
            else:
                self._board = SummaryWriter(str(job.out / "tensorboard"), purge_step=step)

    def moment(self, moment: Moment) -> None:
        """The progress of training."""
        entries = asdict(moment)
        kept = ("epoch", "records", "loss", "learning_rate", "rate")
        self.write(moment.step, {name: entries[name] for name in kept})

    def write(self, step: int, entries: dict[str, float]) -> None:
        """One line of numbers, with the step."""
        with disk_errors(self._path):
            self._file.write(json.dumps({"step": step, **entries}) + "\n")
            self._file.flush()
            if self._board is not None:
                for name, value in entries.items():
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        with disk_errors(self._path):
            self._file.close()
            if self._board is not None:
                self._board.close()
