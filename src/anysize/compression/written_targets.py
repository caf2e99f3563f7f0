"""What a teacher writes for the training records, as the targets that a student learns from.

Sequence-level distillation (Kim and Rush 2016, arXiv:1606.07947): what a trained model writes with
its search is easier to learn for a smaller one than what people wrote, who say the same in many
ways. The texts are written to the cache as they come. A run that was ended goes on where it
stopped, and another student of the same teacher and data finds them there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.core.files import sync_folder
from anysize.core.locks import only_writer_of
from anysize.core.progress import counted
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.models.bundle import files_of
from anysize.models.spec import open_network
from anysize.planning.options import PredictOptions
from anysize.planning.session import Session
from anysize.results.partial import Partial, place_of
from anysize.sources import Subset
from anysize.sources.cache import cache_folder, signature
from anysize.sources.retargeted import TARGET
from anysize.sources.sample import sample_digest
from anysize.tasks.distilling import Answered, Writing

UNUSABLE = "unusable"
"""Of a line: why what was written is no target."""

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTargets:
    """Targets in a file.

    Attributes:
        path: of the file; see ``sources.retargeted``.
        records: of the training data.
        written: those that have the teacher's target.
        unusable: how many of the others there are for each reason; they keep their own target.
        found: how many lines were there already.
    """

    path: Path
    records: int
    written: int
    unusable: Mapping[str, int] = field(default_factory=dict)
    found: int = 0

    def sentence(self) -> str:
        """What a student learns from."""
        left = self.records - self.written
        said = f"{self.written:,} of {self.records:,} targets are what the teacher wrote"
        if left:
            reasons = ", ".join(f"{reason} ({count:,})" for reason, count in self.unusable.items())
            said += f"; {left:,} records keep their own, because what it wrote was {reasons}"
        return said

    def to_json(self) -> dict[str, Any]:
        return {
            "records": self.records, "written": self.written, "unusable": dict(self.unusable),
            "file": str(self.path),
        }  # fmt: skip


def write_targets(teacher: Path, source: Source, context: Context) -> WrittenTargets:
    """Lets a teacher write a target for each record, or finds those that it has written.

    Args:
        teacher: a bundle.
        source: the training records.
        context: budget, task.

    Raises:
        ConfigurationError: another process writes the same.
        BudgetError: the budget is too small for the teacher.
    """
    work = _work(teacher, source)
    key = blake2b(json.dumps(work, sort_keys=True).encode(), digest_size=16).hexdigest()
    out = cache_folder() / f"targets-{key}.jsonl"
    with only_writer_of(out):
        found = len(source)
        if not out.is_file():
            found = _write(teacher, source, context, out, work)
        return _counted(out, found)


def _work(teacher: Path, source: Source) -> dict[str, Any]:
    """What decides what is written."""
    files = {}
    for path in files_of(teacher):
        with path.open("rb") as file:
            signed = signature(file)
        # A copy of the bundle has other times.
        files[path.name] = [signed["size"], signed["edges"]]
    return {
        "kind": "targets", "files": files, "data": source.fingerprint(),
        "sample": sample_digest(source), "records": len(source), "written by": _FORMAT,
    }  # fmt: skip


def _write(
    teacher: Path, source: Source, context: Context, out: Path, work: Mapping[str, Any]
) -> int:
    """Writes what is not there yet; gives back how many lines there were."""
    partial = _begun(out, work)
    found = partial.lines
    if found:
        context.say(f"distil: going on after {found:,} targets that were written before")
    rest = Subset(source, lambda start, stop: np.arange(start, stop) >= found, source.name)
    name = f"writing targets for {source.name}"
    try:
        for line in counted(target_lines(teacher, rest, context), name, len(rest)):
            partial.write(line)
    finally:
        partial.close()
    partial.path.replace(out)
    sync_folder(out.parent)
    partial.remove()
    return found


def _begun(out: Path, work: Mapping[str, Any]) -> Partial:
    """The lines that are there, to be gone on with, or none."""
    if place_of(out).exists():
        try:
            return Partial(out, work, resume=True)
        except ConfigurationError:
            pass  # damaged: the folder's name says that it is of this work
    return Partial(out, work, resume=False)


def target_lines(teacher: Path, source: Source, context: Context) -> Iterator[dict[str, Any]]:
    """What a teacher writes for records, a line each, as it comes."""
    if not len(source):
        return
    task = context.task
    assert isinstance(task, Writing | Answered)
    asked = task.asked(source) if isinstance(task, Answered) else source
    assert asked is not None
    network, card = open_network(str(teacher))
    session = Session(network, card, teacher)
    options = PredictOptions(memory=context.memory)
    plan = session.plan(asked, options)
    try:
        for result in session.results(asked, options, plan=plan):
            yield _line(task, result)
    finally:
        plan.close()


def _line(task: Writing | Answered, result: Result | ErrorResult) -> dict[str, Any]:
    if isinstance(result, ErrorResult):
        return {"id": result.id, UNUSABLE: "unreadable"}
    reason = task.unanswered(result) if isinstance(task, Answered) else task.unusable(result)
    if reason is not None:
        return {"id": result.id, UNUSABLE: reason}
    return {"id": result.id, TARGET: result.prediction}


def _counted(path: Path, found: int) -> WrittenTargets:
    """What is in a file that is complete."""
    reasons: Counter[str] = Counter()
    records = 0
    with path.open("rb") as file:
        for line in file:
            records += 1
            entries = json.loads(line)
            if UNUSABLE in entries:
                reasons[str(entries[UNUSABLE])] += 1
    return WrittenTargets(
        path=path, records=records, written=records - reasons.total(),
        unusable=dict(reasons.most_common()), found=found,
    )  # fmt: skip
