"""The judge: tries chains of methods, measures each beside the original, ships what is proved.

What is shipped is smaller, not slower, and not worse than allowed, all measured on this machine.
Where ``int8`` costs too much of the metric, the layers that suffer most are kept in higher
precision: 1, 2, 4, … of them, up to half.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from anysize import tasks
from anysize.compression import graph_weights, report
from anysize.compression.chain import Step, load_method, parse
from anysize.compression.trial import Trial
from anysize.compression.verdict import Judgement
from anysize.core.errors import ConfigurationError
from anysize.core.files import scratch
from anysize.core.locks import only_writer_of
from anysize.evaluation.hearing import judged_task, recogniser_spec
from anysize.models import bundle
from anysize.models.spec import open_network
from anysize.tasks.abilities import Audible
from anysize.tasks.protocols import Answering
from anysize.tasks.timing import Timed

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network

# Tried where no method is named: none of them trains.
_DEFAULT = ("bf16", "int8", "int8-dynamic", "int8-ctranslate2", "int8-weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionOrder:
    """What is to be compressed, by what, and what it may cost.

    Attributes:
        model: a bundle, a Hugging Face folder, or another spec with a ready head.
        out: folder of the compressed bundle; must not hold anything yet.
        task: where the model does not name it.
        data: a path, a pattern or several, to calibrate, train and judge on; None judges size and
            speed alone.
        methods: chains to try, each as ``method(name=value), method, …``; none tries those that
            need no training.
        max_drop: what the task's main metric may lose; where lower is better, what it may rise by
            as a part of the original's.
        memory: budget in bytes of this process and the measuring ones together.
        columns: column of a table for each role.
        encoding: of text files.
        records: how many records decide, at most; 0 is all of them.
        recogniser: spec of the model that hears a voice; None is the usual one for English.
        seed: of everything random.
    """

    model: str
    out: Path
    memory: int
    task: str | None = None
    data: str | tuple[str, ...] | None = None
    methods: tuple[str, ...] = ()
    max_drop: float = 0.01
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    records: int = 0
    recogniser: str | None = None
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


def compress(order: CompressionOrder, say: Callable[[str], None] = lambda _line: None) -> Judgement:
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
    recogniser = _listener(order, network, card)
    chains = _chains(order, network, card)
    _check_place(order.out)
    with only_writer_of(order.out), scratch(order.out.absolute().parent, "compress") as work:
        if _taken(order.out):
            raise ConfigurationError(f"out: {order.out} was made by another process meanwhile")
        original = _as_bundle(order, network, card, work)
        del network
        trial = Trial(order, original, card, work, say, recogniser)
        try:
            judgement = trial.run(chains)
        finally:
            trial.close()
        _ship(judgement, trial.best, order.out, card.licence)
    return judgement


def _listener(order: CompressionOrder, network: Network, card: Card) -> str:
    """Spec of the model that hears what the network speaks; empty where there is nothing to hear.

    Raises:
        ConfigurationError: none is known, one is named where nothing is spoken, or the task answers
            otherwise than it is measured and does not say what is timed.
    """
    task = judged_task(tasks.of(card))
    if isinstance(task, Audible):
        return "" if order.data is None else recogniser_spec(network, order.recogniser)
    if order.recogniser is not None:
        raise ConfigurationError(
            f"recogniser hears what a voice speaks, and this model is for {card.task}: leave it out"
        )
    if isinstance(task, Answering) and not isinstance(task, Timed):
        raise ConfigurationError(
            f"models for {card.task} cannot be compressed: what they are measured by is not what "
            "they do in prediction, and the task does not say what of that is to be timed"
        )
    return ""


def _chains(order: CompressionOrder, network: Network, card: Card) -> list[tuple[Step, ...]]:
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


def _as_bundle(order: CompressionOrder, network: Network, card: Card, work: Path) -> Path:
    """The model as a bundle's folder, or that of a graph file; written where it is none."""
    if bundle.is_bundle(order.model):
        return Path(order.model)
    if files := graph_weights.files_of(network):
        # Opened again, such a folder is the same model; a card beside it would make it another.
        folder = work / "original"
        folder.mkdir()
        for path in files:
            shutil.copyfile(path, folder / path.name)
        return folder
    return bundle.save(work / "original", network, card)


def _taken(out: Path) -> bool:
    """Whether something is there that is not the report of an earlier try."""
    if not out.exists():
        return False
    return not out.is_dir() or any(path.name not in report.FILES for path in out.iterdir())


def _ship(judgement: Judgement, folder: Path | None, out: Path, licence: str) -> None:
    """Moves the chosen bundle to its place, with the report and the licence of the original."""
    if folder is None or judgement.chosen is None:
        out.mkdir(exist_ok=True)
        report.write(judgement, out)
        return
    report.write(judgement, folder)
    if bundle.is_bundle(folder):
        card = bundle.read_card(folder)
        measured = {**judgement.chosen.to_json(), "original": judgement.original.to_json()}
        bundle.write_card(folder, dataclasses.replace(card, compression=measured))
    else:
        graph_weights.name_licence(folder, licence)
    if out.exists():
        shutil.rmtree(out)  # the report of an earlier try
    folder.replace(out)
