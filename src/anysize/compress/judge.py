"""The judge: tries chains of methods, measures each beside the original, ships what is proved.

What is shipped is smaller, not slower, and not worse than allowed, all measured on this machine.
Where ``int8`` costs too much of the metric, the layers that suffer most are kept in higher
precision: 1, 2, 4, … of them, up to half.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.compress import report
from anysize.compress.chain import Step, describe, load_method, parse
from anysize.compress.measuring import Measured, side_by_side
from anysize.compress.protocols import Context
from anysize.compress.request import Judging, shares
from anysize.compress.verdict import Candidate, Judgement, judge
from anysize.core.errors import AnysizeError, BudgetError, ConfigurationError
from anysize.core.files import scratch
from anysize.core.findings import Findings
from anysize.core.locks import only_writer_of
from anysize.core.memory import format_size, resident
from anysize.models import bundle
from anysize.models.spec import open_network
from anysize.train import Stopped

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network

# Tried where no method is named: none of them trains.
_DEFAULT = ("bf16", "int8", "int8-dynamic", "int8-weights")
_SENSITIVITY = "sensitivity.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be compressed, by what, and what it may cost.

    Attributes:
        model: a bundle, a Hugging Face folder, or another spec with a ready head.
        out: folder of the compressed bundle; must not hold anything yet.
        task: where the model does not tell it.
        data: to calibrate, train and judge on; None judges size and speed alone.
        methods: chains to try, each as ``method(name=value), method, …``; none tries those that
            need no training.
        max_drop: what the task's main metric may lose.
        memory: budget in bytes of this process and the measuring ones together.
        columns: column of a table for each role.
        encoding: of text files.
        records: how many records decide, at most; 0 is all of them.
        seed: of everything random.
    """

    model: str
    out: Path
    memory: int
    task: str | None = None
    data: str | None = None
    methods: tuple[str, ...] = ()
    max_drop: float = 0.01
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    records: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if not self.max_drop >= 0:
            problems.append(f"max_drop must not be negative, not {self.max_drop!r}")
        if self.records < 0:
            problems.append(f"records must not be negative, not {self.records}")
        if self.data is None and len(self.methods) != 1:
            problems.append("without data only one method can be applied: give --data or --method")
        if _taken(self.out):
            problems.append(f"out must be a new folder, but {self.out} holds something already")
        if problems:
            raise ConfigurationError(problems)


def compress(order: Order, say: Callable[[str], None] = lambda _line: None) -> Judgement:
    """Tries, measures, and ships the fastest that passes.

    ``compression.json`` and ``compression.html`` are written into ``order.out`` whether or not
    there is a bundle to go with them.

    Args:
        order: what to do.
        say: hears what goes on.

    Raises:
        ConfigurationError: a method does not fit the model; all faults are named.
        DataError: the data cannot be used.
        RunError: the original itself cannot be measured.
        KeyboardInterrupt: a signal ended the training of a candidate; nothing is left behind.
    """
    network, card = open_network(order.model, order.task)
    network.ask()
    chains = _chains(order, network, card)
    _check_place(order.out)
    with only_writer_of(order.out), scratch(order.out.absolute().parent, "compress") as work:
        if _taken(order.out):
            raise ConfigurationError(f"out: {order.out} was made by another process meanwhile")
        original = _as_bundle(order, network, card, work)
        del network
        trial = _Trial(order, original, card, work, say)
        try:
            judgement = trial.run(chains)
        finally:
            trial.close()
        _ship(judgement, trial.best, order.out)
    return judgement


class _Trial:
    """The candidates of one order, one after the other."""

    def __init__(
        self, order: Order, original: Path, card: Card, work: Path, say: Callable[[str], None]
    ) -> None:
        self._order, self._original, self._work, self._say = order, original, work, say
        self._task = tasks.load(card.task)
        validation, test = shares(card, order.data)
        self._judging = Judging(
            task=card.task,
            original=str(original),
            data=order.data,
            columns=dict(order.columns),
            encoding=order.encoding,
            records=order.records,
            validation=validation,
            test=test,
            memory=_budget_of_one(order.memory),
            seed=order.seed,
            labels=card.labels,
        )
        self._findings = Findings()
        deciding = self._judging.deciding(self._findings)
        self._findings.checked()
        self._data = None if deciding is None else deciding.name
        self._context = Context(
            task=self._task,
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
        self._candidates: list[Candidate] = []
        self._chosen: Candidate | None = None
        self.best: Path | None = None
        say("measuring the original")
        self._before = self._measured(original, "original")

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
        rounds = [self._before.round() for _ in range(3)]
        return Judgement(
            task=self._task.name,
            metric=self._task.main_metric,
            max_drop=self._order.max_drop,
            data=self._data,
            findings=tuple(self._findings),
            original=self._before.figures(rounds),
            candidates=tuple(self._candidates),
            chosen=self._chosen,
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
        context = dataclasses.replace(self._context, work=self._notes(begin))
        step.method.apply(source, out, step.options, context)

    def _notes(self, begin: str) -> Path:
        """A scratch folder for all that is tried on the same bundle."""
        folder = self._work / f"notes-{list(self._parts).index(begin)}"
        folder.mkdir(exist_ok=True)
        return folder

    def _measure(self, chain: str, folder: Path) -> Candidate:
        with self._measured(folder, folder.name) as measured:
            rounds, own, speed, latency = side_by_side(self._before, measured)
            return judge(
                chain,
                (self._before.figures(rounds), self._before.answers),
                (measured.figures(own), measured.answers),
                speed=speed,
                latency=latency,
                max_drop=self._order.max_drop,
                metric=self._task.main_metric,
            )

    def _measured(self, folder: Path, name: str) -> Measured:
        """The measuring process of a bundle; what is too little for it is told of all of them."""
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


def _budget_of_one(memory: int) -> int:
    """What each of two measuring processes may take beside this one, in bytes."""
    return max((memory - resident()) // 2, 1)


def _budget_of_all(one: int) -> int:
    """The budget of which a measuring process gets so much."""
    return resident() + 2 * one


def _chains(order: Order, network: Network, card: Card) -> list[tuple[Step, ...]]:
    """The chains to try, each known to fit the model by its first method.

    Raises:
        ConfigurationError: one that was asked for does not fit.
    """
    if not order.methods:
        methods = [load_method(key) for key in _DEFAULT]
        fitting = [each for each in methods if not each.problems(network, card)]
        return [(Step(each, each.options()),) for each in fitting]
    chains, faults = [], []
    for text in order.methods:
        try:
            steps = parse(text)
        except ConfigurationError as error:
            faults += error.problems
            continue
        first = steps[0].method
        faults += [f"{first.key}: {each}" for each in first.problems(network, card)]
        if order.data is None:
            faults += [
                f"method {step.method.key!r} needs data: give --data"
                for step in steps
                if step.method.needs_data
            ]
        faults += [
            f"{step.method.key} must be the last method, not followed by {after.method.key}: it "
            "leaves a compiled form without weights"
            for step, after in pairwise(steps)
            if step.method.compiles
        ]
        chains.append(steps)
    if faults:
        raise ConfigurationError(faults)
    return chains


def _check_place(out: Path) -> None:
    """Raises a ``ConfigurationError`` where nothing can be written beside ``out``."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch(out.absolute().parent, "compress"):
            return
    except OSError as error:
        raise ConfigurationError(
            f"out must be in a folder that can be written to, but {out.parent} is not: "
            f"{error.strerror or error}"
        ) from error


def _as_bundle(order: Order, network: Network, card: Card, work: Path) -> Path:
    """The model as a bundle's folder, written where it is none."""
    if bundle.is_bundle(order.model):
        return Path(order.model)
    return bundle.save(work / "original", network, card)


def _too_costly(candidate: Candidate) -> bool:
    """Whether the metric alone stands against it: more precision is never faster nor smaller."""
    return len(candidate.reasons) == 1 and candidate.worse


def _taken(out: Path) -> bool:
    """Whether something is there that is not the report of an earlier try."""
    if not out.exists():
        return False
    return not out.is_dir() or any(path.name not in report.FILES for path in out.iterdir())


def _ship(judgement: Judgement, folder: Path | None, out: Path) -> None:
    """Moves the chosen bundle to its place, with the report."""
    if folder is None or judgement.chosen is None:
        out.mkdir(exist_ok=True)
        report.write(judgement, out)
        return
    report.write(judgement, folder)
    card = bundle.read_card(folder)
    measured = {**judgement.chosen.to_json(), "original": judgement.original.to_json()}
    bundle.write_card(folder, dataclasses.replace(card, compression=measured))
    if out.exists():
        shutil.rmtree(out)  # the report of an earlier try
    folder.replace(out)
