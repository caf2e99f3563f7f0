"""The trial of an order: its candidates one after the other, each measured beside the original."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.compression.chain import Step, describe
from anysize.compression.measuring import Measured, side_by_side
from anysize.compression.pace import Round
from anysize.compression.protocols import Context
from anysize.compression.request import Judging, shares
from anysize.compression.verdict import Candidate, Judgement, beside, judge, too_few
from anysize.core.errors import AnysizeError, BudgetError, ConfigurationError
from anysize.core.findings import Findings
from anysize.core.memory import format_size, resident
from anysize.evaluation.choice import evaluator_of
from anysize.evaluation.hearing import judged_task
from anysize.evaluation.paired_sums import Summing
from anysize.models.bundle import is_bundle
from anysize.models.spec import open_network
from anysize.training import Stopped

if TYPE_CHECKING:
    from anysize.compression.judge import CompressionOrder
    from anysize.models.bundle import Card

_SENSITIVITY = "sensitivity.json"


class Trial:
    """The candidates of one order, one after the other."""

    def __init__(
        self,
        order: CompressionOrder,
        original: Path,
        card: Card,
        work: Path,
        say: Callable[[str], None],
        recogniser: str = "",
    ) -> None:
        self._order, self._original, self._work, self._say = order, original, work, say
        self._task = judged_task(tasks.of(card))
        evaluator = evaluator_of(self._task)
        self._of_sums = evaluator.metric_of_sums if isinstance(evaluator, Summing) else None
        validation, test = shares(card, order.data)
        self._judging = Judging(
            task=card.task,
            original=str(original) if is_bundle(original) else "",
            data=order.data,
            columns=dict(order.columns),
            encoding=order.encoding,
            records=order.records,
            validation=validation,
            test=test,
            memory=budget_of_one(order.memory),
            seed=order.seed,
            labels=card.labels,
            recogniser=recogniser,
        )
        self._findings = Findings()
        deciding = self._judging.deciding(self._findings)
        self._findings.checked()
        self._data = None if deciding is None else deciding.name
        self._context = Context(
            task=tasks.of(card),
            original=original,
            memory=order.memory // 2,
            seed=order.seed,
            say=say,
            data=order.data,
            columns=order.columns,
            encoding=order.encoding,
            training=self._judging.training(),
        )
        # What chains begin with, by its methods; the original begins them all.
        self._parts = {"": original}
        # What methods say of what they made, by the chain up to them.
        self._said: dict[str, list[str]] = {}
        self._candidates: list[Candidate] = []
        self._chosen: Candidate | None = None
        self.best: Path | None = None
        say("measuring the original")
        self._before = self._measured(original, "original")
        # Candidates are run as the original is, where they can be.
        self._judging = dataclasses.replace(
            self._judging,
            timed=(self._before.entries["runtime"], self._before.entries["precision"]),
            scored=tuple(self._before.entries.get("scored", self._judging.scored)),
        )
        self._rounds: list[Round] = []
        if deciding is not None:
            self._note_few(len(deciding))

    def _note_few(self, records: int) -> None:
        """Says where what decides is too little to show so small a drop."""
        entries = self._before.entries
        count, unit = entries.get("observed", records), entries.get("unit", "records")
        few = too_few(count, self._order.max_drop, unit)
        if few is None:
            return
        self._findings.add(
            "too-few-records",
            few,
            unit=unit,
            count=count,
            remedy="give more labelled data, or a larger --max-drop",
        )
        self._say(few)

    def close(self) -> None:
        """Ends the process that measures the original."""
        self._before.close()

    def run(self, chains: Sequence[tuple[Step, ...]]) -> Judgement:
        """Tries all chains, and milder forms of those that cost too much."""
        for steps in chains:
            candidate = self._try(steps)
            for milder in self._milder(steps) if _too_costly(candidate) else ():
                if not _too_costly(self._try(milder)):
                    break
        rounds = self._rounds or [self._before.round() for _ in range(3)]
        original = self._before.figures(rounds)
        found = {id(each): beside(original, each) for each in self._candidates}
        return Judgement(
            task=self._task.name,
            metric=self._task.main_metric,
            max_drop=self._order.max_drop,
            lower=self._task.lower_is_better,
            timed=str(self._before.entries.get("timed", "")),
            heard=self._judging.recogniser,
            data=self._data,
            findings=tuple(self._findings),
            original=original,
            candidates=tuple(found.values()),
            chosen=None if self._chosen is None else found[id(self._chosen)],
            sensitivity=tuple(
                {"network": begin or "original", **layer}
                for begin in self._parts
                for layer in self._sensitivity(begin)
            ),
        )

    def _try(self, steps: tuple[Step, ...]) -> Candidate:
        chain = describe(steps)
        self._say(f"trying {chain}")
        folder = self._work / f"candidate-{len(self._candidates)}"
        try:
            self._apply(steps, folder)
            candidate = self._measure(chain, folder)
        except Stopped as error:
            # Its checkpoint is in a scratch folder, and the user wants an end of it all.
            raise KeyboardInterrupt from error
        except AnysizeError as error:
            candidate = Candidate(chain=chain, figures=None, reasons=(str(error),))
        parts = [describe(steps[: place + 1]) for place in range(len(steps))]
        notes = tuple(note for part in parts for note in self._said.get(part, ()))
        candidate = dataclasses.replace(candidate, notes=notes)
        self._candidates.append(candidate)
        verdict = "passes" if candidate.passes else "; ".join(candidate.reasons)
        self._say(f"{chain}: {verdict}")
        self._keep(candidate, folder)
        return candidate

    def _apply(self, steps: tuple[Step, ...], folder: Path) -> None:
        for place in range(1, len(steps)):
            begin = describe(steps[:place])
            if begin not in self._parts:
                part = self._work / f"part-{len(self._parts)}"
                self._step(describe(steps[: place - 1]), steps[place - 1], part)
                self._parts[begin] = part
        self._step(describe(steps[:-1]), steps[-1], folder)

    def _step(self, begin: str, step: Step, out: Path) -> None:
        """Applies one more method to what a chain begins with."""
        source = self._parts[begin]
        network, card = open_network(str(source))
        if problems := step.method.problems(network, card):
            raise ConfigurationError([f"{step.method.key}: {each}" for each in problems])
        del network
        own = describe((step,))
        notes = self._said[f"{begin}, {own}" if begin else own] = []
        context = dataclasses.replace(self._context, work=self._notes(begin), note=notes.append)
        step.method.apply(source, out, step.options, context)

    def _notes(self, begin: str) -> Path:
        """A scratch folder for all that is tried on the same bundle."""
        folder = self._work / f"notes-{list(self._parts).index(begin)}"
        folder.mkdir(exist_ok=True)
        return folder

    def _measure(self, chain: str, folder: Path) -> Candidate:
        with self._measured(folder, folder.name) as measured:
            rounds, own, pace = side_by_side(self._before, measured)
            self._rounds += rounds
            if pace.busy:
                self._say(f"the machine is busy: {pace.busy}; {pace.speed.pairs} pairs of rounds")
                self._findings.add(
                    "busy-machine",
                    "the machine was busy while speed was measured",
                    unit="times",
                    examples=(f"{chain}: {pace.busy}",),
                    remedy="measure again when it is quiet",
                )
            return judge(
                chain,
                (self._before.figures(rounds), self._before.answers),
                (measured.figures(own), measured.answers),
                pace=pace,
                max_drop=self._order.max_drop,
                metric=self._task.main_metric,
                lower=self._task.lower_is_better,
                of_sums=self._of_sums,
            )

    def _measured(self, folder: Path, name: str) -> Measured:
        """The measuring process of a bundle; all limits that are too low for it are named."""
        try:
            return Measured(folder, self._judging, self._work, name)
        except BudgetError as error:
            smallest = _budget_of_all(error.smallest)
            raise BudgetError(
                f"memory {format_size(self._order.memory)} is not enough: this process and two "
                f"that measure need {format_size(smallest)} (--memory {-(-smallest >> 20)}MiB)",
                smallest,
            ) from error

    def _keep(self, candidate: Candidate, folder: Path) -> None:
        """Keeps the fastest that passes; disk space is for one."""
        better = candidate.passes and (self._chosen is None or candidate.speed > self._chosen.speed)
        if not better:
            shutil.rmtree(folder, ignore_errors=True)
            return
        if self.best is not None:
            shutil.rmtree(self.best)
        self._chosen, self.best = candidate, folder

    def _milder(self, steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
        """The same chain with ever more layers in higher precision, up to half of them."""
        last = steps[-1]
        if last.method.key != "int8" or last.options.keep:
            return
        keep, begin = 1, describe(steps[:-1])
        while True:
            options = dataclasses.replace(last.options, keep=keep)
            yield (*steps[:-1], Step(last.method, options))
            keep *= 2
            if 2 * keep > len(self._sensitivity(begin)):
                return

    def _sensitivity(self, begin: str) -> list[dict[str, Any]]:
        path = self._notes(begin) / _SENSITIVITY
        if not path.is_file():
            return []
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return found


def budget_of_one(memory: int) -> int:
    """What each of two measuring processes may take beside this one, in bytes."""
    return max((memory - resident()) // 2, 1)


def _budget_of_all(one: int) -> int:
    """The budget of which a measuring process gets so much."""
    return resident() + 2 * one


def _too_costly(candidate: Candidate) -> bool:
    """Whether the metric is the only obstacle: more precision is never faster nor smaller."""
    return len(candidate.reasons) == 1 and candidate.worse
