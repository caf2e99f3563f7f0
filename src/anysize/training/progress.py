"""What a run reports while it goes: standard error, ``training.jsonl`` and TensorBoard."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TextIO

from anysize.core.files import disk_errors
from anysize.core.progress import clock, worth_telling
from anysize.training.checkpoint import drop_after
from anysize.training.job import Job

LOG = "training.jsonl"
_PLAIN_SECONDS = 10.0
_LIVE_SECONDS = 0.2


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


class Display(Protocol):
    """Shows a run to a person."""

    def show(self, moment: Moment) -> None: ...

    def say(self, sentence: str) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Shows nothing."""

    def show(self, moment: Moment) -> None:
        pass

    def say(self, sentence: str) -> None:
        pass

    def close(self) -> None:
        pass


class Plain:
    """A line every ten seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = -_PLAIN_SECONDS

    def show(self, moment: Moment) -> None:
        now = time.monotonic()
        if now - self._last >= _PLAIN_SECONDS:
            self._last = now
            self.say(moment.sentence())

    def say(self, sentence: str) -> None:
        print(sentence, file=self._stream, flush=True)

    def close(self) -> None:
        pass


class Live:
    """A progress bar that stays on one line."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            BarColumn(), TextColumn("{task.description}"), console=Console(stderr=True)
        )
        self._line = self._bar.add_task("starting", total=1.0)
        self._last = -_LIVE_SECONDS
        self._bar.start()

    def show(self, moment: Moment) -> None:
        now = time.monotonic()
        if now - self._last >= _LIVE_SECONDS:
            self._last = now
            self._bar.update(self._line, completed=moment.progress, description=moment.sentence())

    def say(self, sentence: str) -> None:
        self._bar.console.print(sentence, highlight=False, markup=False)

    def close(self) -> None:
        self._bar.stop()


def make_display(quiet: bool) -> Display:
    """A live bar on a terminal, plain lines elsewhere."""
    if quiet:
        return Silent()
    if sys.stderr.isatty():
        return Live()
    return Plain(sys.stderr)


class Journal:
    """The lines of ``training.jsonl``, and TensorBoard scalars where asked for.

    Args:
        job: the run; its folder gets ``training.jsonl`` and ``tensorboard/``.
        display: says where TensorBoard is missing.
        step: committed steps; lines that a killed run wrote after them are removed.
    """

    def __init__(self, job: Job, display: Display, step: int) -> None:
        self._path = job.out / LOG
        drop_after(self._path, step)
        self._file = self._path.open("a" if step else "w", encoding="utf-8")
        self._board: Any = None
        if job.recipe.tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                display.say(
                    "no TensorBoard scalars: pip install 'anysize[tensorboard]' brings them"
                )
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
