"""What the judge asks of a measuring process, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from anysize import tasks
from anysize.core.errors import DataError
from anysize.core.files import write_json
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.evaluation.hearing import judged_task
from anysize.evaluation.learned import divided_for_training
from anysize.models.bundle import Card, read_card
from anysize.sources import Subset, open_splits
from anysize.sources.inputs import open_split
from anysize.sources.opening import Paths, called
from anysize.sources.splits import SHARE, Splits
from anysize.tasks.inputs import columns_of
from anysize.tasks.protocols import Task
from anysize.tasks.understanding import with_classes
from anysize.training.order import Permutation


def shares(card: Card, data: Paths | None) -> tuple[float, float]:
    """The parts for validation and for test: of a model's own training data those kept out."""
    if data is not None and divided_for_training(card, data):
        return card.shares()
    return SHARE, SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """The data that decide, and the budget.

    Attributes:
        task: the task's name.
        original: folder of the bundle that is compressed, which knows its columns; empty where
            there is none.
        data: a path, a pattern or several; None measures speed on made-up windows and judges
            nothing else.
        columns: column of a table for each role.
        encoding: of text files.
        records: how many records decide, at most; 0 is all of them.
        validation: the share that training kept out of data without splits of its own.
        test: the same.
        memory: budget of one measuring process, in bytes.
        seed: of the choice of records.
        timed: runtime and precision that the original is timed with, so that candidates are run
            alike where they can be; no runtime leaves both to the planner.
        scored: the same of what the metric is taken from, where another step is timed.
        labels: of the model, in whatever spelling the data have them.
        recogniser: spec of the model that hears speech; empty where there is none to hear. Nothing
            is learned from the data then: they are texts, and all that ``evaluate`` takes decide.
    """

    task: str
    data: Paths | None
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    records: int = 0
    validation: float = SHARE
    test: float = SHARE
    memory: int
    seed: int = 0
    timed: tuple[str, str] = ("", "auto")
    scored: tuple[str, str] = ("", "auto")
    original: str = ""
    labels: Sequence[str] = ()
    recogniser: str = ""

    def training(self) -> Source | None:
        """The records to calibrate on and to train with.

        Raises:
            DataError: there are none beside those that decide.
        """
        if self.data is None or self.recogniser:
            return None
        found = self._splits()
        if found.train is None or not len(found.train):
            raise DataError(called(self.data), "has no training records to calibrate on")
        return found.train

    def deciding(self, findings: Findings | None = None) -> Source | None:
        """The records that decide: the test part, else the validation part.

        Args:
            findings: takes what is guessed, repaired or left out of the data.
        """
        if self.data is None:
            return None
        if self.recogniser:
            return self._drawn(self._texts(findings))
        found = self._splits(findings)
        source = found.test or found.validation
        if source is None or not len(source):
            kept = "; the model learned from all of it" if not self.test + self.validation else ""
            raise DataError(
                called(self.data),
                f"has no test or validation records to judge by{kept}; give data with a test part",
            )
        return self._drawn(source)

    def _drawn(self, source: Source) -> Source:
        """As many records as decide."""
        if not 0 < self.records < len(source):
            return source
        drawn = Permutation(len(source), self.seed, 0)
        chosen = np.array([drawn(place) for place in range(self.records)])
        return Subset(
            source,
            lambda start, stop: np.isin(np.arange(start, stop), chosen),
            f"{source.name} ({self.records} records)",
        )

    def _texts(self, findings: Findings | None) -> Source:
        """What is spoken: the test part where the data have parts, or a part is all that is new."""
        assert self.data is not None
        task, card = self._of()
        learned = card is not None and divided_for_training(card, self.data)
        source = open_split(
            self.data,
            "test" if learned and self.test else None,
            roles=task.columns if card is None else columns_of(task, card),
            columns=self.columns,
            encoding=self.encoding,
            validation=self.validation,
            test=self.test,
            findings=findings,
        ).source
        if not len(source):
            raise DataError(called(self.data), "has no texts to judge by")
        return source

    def _of(self) -> tuple[Task, Card | None]:
        """The task that the bundle is judged by, and its card where it has one."""
        card = read_card(self.original) if self.original else None
        return judged_task(tasks.load(self.task) if card is None else tasks.of(card)), card

    def _splits(self, findings: Findings | None = None) -> Splits:
        assert self.data is not None
        task, card = self._of()
        splits = open_splits(
            self.data,
            roles=task.columns if card is None else columns_of(task, card),
            columns=self.columns,
            encoding=self.encoding,
            validation=self.validation,
            test=self.test,
            by_target=task.by_target,
            findings=findings,
        )
        return with_classes(splits, task, self.labels) if self.labels else splits

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    @staticmethod
    def read(path: Path) -> Judging:
        return Judging(**json.loads(path.read_text(encoding="utf-8")))
