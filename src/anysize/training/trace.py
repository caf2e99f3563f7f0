"""Which records each step used: one line of JSON a step, for audits and for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

from anysize.core.files import disk_errors
from anysize.scale.protocols import Team
from anysize.training.checkpoint import drop_after
from anysize.training.order import Block


class Trace:
    """Appends ``{"step", "epoch", "records"}`` lines; steps count from 1.

    The records are those that the workers really took from their streams, gathered from all of
    them. Lines of steps that a killed run had not committed are removed on resuming.

    Args:
        path: the file; None writes nothing.
        team: whose records are gathered.
        step: steps that are committed.
    """

    def __init__(self, path: str | None, team: Team, step: int) -> None:
        self._on = path is not None
        self._team = team
        self._file: TextIO | None = None
        if path is not None and team.leads:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            drop_after(Path(path), step)
            self._file = Path(path).open(  # noqa: SIM115 - closed with the run
                "a" if step else "w", encoding="utf-8"
            )

    def write(self, block: Block, taken: list[int]) -> None:
        """Notes a step. ``taken``: indices of this worker's records."""
        if not self._on:
            return
        records = [index for each in self._team.gather(taken) for index in each]
        if self._file is not None:
            entries = {"step": block.step + 1, "epoch": block.epoch, "records": records}
            with disk_errors(Path(self._file.name)):
                self._file.write(json.dumps(entries) + "\n")
                self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
