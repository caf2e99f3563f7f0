"""The verbs as functions and methods, with the same names and defaults as the command line."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from anysize import tasks
from anysize.core import memory as memory_sizes
from anysize.core import plugins
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.records import Field, Source
from anysize.core.results import ErrorResult, Result

if TYPE_CHECKING:
    from anysize.evaluate.protocols import Evaluator, Measured
    from anysize.evaluate.statistics import ImageStatistics, TextStatistics
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.plan import PredictionPlan
    from anysize.recognition.enrolment import Collected, Comparison, Enrolment
    from anysize.recognition.gallery import Gallery
    from anysize.tasks.protocols import Task
    from anysize.train import TrainReport
    from anysize.train.planning import TrainingPlan
    from anysize.train.recipe import Recipe

Input: TypeAlias = str | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """How to predict. ``None`` and ``auto`` leave the choice to the bundle or the planner.

    Attributes:
        memory: budget in bytes, or as ``2GiB``; None is 70 % of what the machine has free.
        merge: ``mean``, ``max`` or ``attention``.
        window, overlap: tokens of a text window, and tokens that neighbours share.
        tiles: when pictures are cut into tiles; ``tile`` is a tile's side in picture pixels.
        crop: how much of a picture that is not tiled is read, as a part of its shorter side; 0
            reads all of it.
        runtime: ``torch``, ``openvino``, or the faster of them by measurement.
        precision: ``float32``, ``bfloat16``, or the faster that the processor has.
        threads: reader threads.
        strict: stop at the first record that cannot be read.
        columns: column of a table for each role (``{"text": "review"}``).
        encoding: of text files.
        gallery: of a recognition task: the folder of those who are known by name.
        threshold: of the gallery: the lowest cosine that is accepted, instead of its own.
    """

    memory: int | str | None = None
    merge: str | None = None
    window: int | None = None
    overlap: int | None = None
    tiles: str | None = None
    tile: int | None = None
    crop: float | None = None
    runtime: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    strict: bool = False
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    encoding: str = "utf-8"
    gallery: str | Path | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be one of {', '.join(allowed)}, not {value!r}"
            for name, value, allowed in (
                ("tiles", self.tiles, ("auto", "always", "never")),
                ("runtime", self.runtime, ("auto", *plugins.keys("runtimes"))),
                ("precision", self.precision, ("auto", "float32", "bfloat16")),
                ("merge", self.merge, tuple(plugins.keys("mergers"))),
            )
            if value is not None and value not in allowed
        ]
        problems += [
            f"{name} must be at least {least}, not {value}"
            for name, value, least in (
                ("window", self.window, 4),
                ("overlap", self.overlap, 0),
                ("tile", self.tile, 1),
                ("crop", self.crop, 0),
                ("threads", self.threads, 0),
            )
            if value is not None and value < least
        ]
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            problems.append(f"threshold must be a cosine from -1 to 1, not {self.threshold}")
        if self.memory is not None:
            try:
                memory_sizes.parse_size(self.memory)
            except ConfigurationError as error:
                problems += error.problems
        if problems:
            raise ConfigurationError(problems)


def load(spec: str | Path, task: str | None = None) -> Model:
    """Opens a bundle, a Hugging Face folder or a hub id.

    Args:
        spec: where the model is.
        task: needed only where the model's configuration does not tell it.

    Raises:
        BundleError: nothing usable there.
    """
    from anysize.models.spec import open_network

    network, card = open_network(str(spec), task)
    folder = Path(spec) if Path(spec).is_dir() else None
    return Model(network, card, folder)


def train(
    task: str,
    data: str | Path,
    *,
    model: str,
    out: str | Path | None = None,
    memory: int | str | None = None,
    resume: bool = False,
    **settings: Any,
) -> Model:
    """Trains a model and opens the bundle that it leaves.

    Args:
        task: the task's name.
        data: a table or a folder.
        model: model spec.
        out: folder of the run; None is ``runs/TASK``.
        memory: budget of all processes together, in bytes or as ``2GiB``; None is 70 % of
            what the machine has free.
        resume: go on from the last checkpoint of ``out``.
        settings: any other field of ``anysize.Recipe``.

    Raises:
        ConfigurationError, DataError, BudgetError: before any work starts.
        RunError: the run failed; the last checkpoint stays.
    """
    from anysize.train.recipe import from_mapping

    entries = {"task": task, "data": str(data), "model": model, **settings}
    entries["out"] = str(out if out is not None else Path("runs") / task)
    if memory is not None:
        entries["memory"] = memory_sizes.parse_size(memory)
    report = train_report(from_mapping(entries, origin="train"), resume=resume)
    return load(report.bundle)


def train_report(recipe: Recipe, *, resume: bool = False) -> TrainReport:
    """Trains what the recipe says; the report says where the bundle is and what it took."""
    from anysize.train import run

    return run(recipe, resume=resume)


def card(spec: str | Path) -> dict[str, Any]:
    """What a bundle's card says; of a Hugging Face folder, what its configuration tells."""
    from anysize.models.bundle import is_bundle, read_card

    if is_bundle(spec):
        return read_card(spec).to_json()
    return load(spec).card.to_json()


def statistics(
    data: str | Path,
    *,
    task: str | None = None,
    model: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> ImageStatistics | TextStatistics:
    """Counts, lengths or sizes, duplicates and unreadable records of a dataset.

    Args:
        data: a table or a folder.
        task: what to read it as; None looks for pictures first, then for text.
        model: a bundle whose tokenizer and window text lengths are compared with.
        columns: column of a table for each role.
        encoding: of text files.
    """
    from anysize.evaluate import statistics as counting
    from anysize.sources import open_source

    opened = load(model) if model is not None else None
    reading: dict[str, Any] = {"rename": columns or {}, "encoding": encoding}
    chosen = opened.task if opened is not None else _task_of(data, task, **reading)
    source = open_source(data, columns=chosen.columns, **reading)
    if chosen.role == "image":
        return counting.image_statistics(source)
    preprocess = None if opened is None else chosen.preprocess(opened.network)
    return counting.text_statistics(source, preprocess=preprocess)


def plan(recipe: Recipe) -> TrainingPlan:
    """What training would do with the recipe's memory budget, and why, without training."""
    from anysize.train import make_plan

    return make_plan(recipe)


class Model:
    """A trained network with its card.

    Attributes:
        card: task, labels, windows, merge rule, provenance.
        network: the weights and their preprocessing.
        folder: where it was loaded from, if it is a local folder.
    """

    def __init__(self, network: Network, card: Card, folder: Path | None = None) -> None:
        self.network = network
        self.card = card
        self.folder = folder

    def predict(
        self,
        inputs: Input | Source | Iterable[Any],
        options: PredictOptions | None = None,
        *,
        plan: PredictionPlan | None = None,
        on_windows: Callable[[int], None] | None = None,
    ) -> Iterator[Result | ErrorResult]:
        """Predicts, in input order, one result per record.

        Args:
            inputs: a path or several (files, folders, tables); or, one record each, strings of
                text for a text model and pictures (``PIL.Image``, uint8 arrays
                ``[height, width, 3]``) for a picture model; or a source.
            options: see ``PredictOptions``.
            plan: made by ``plan`` for the same inputs and options; None makes it now.
            on_windows: told how many windows went through the model, for progress.

        Yields:
            A ``Result``, or an ``ErrorResult`` for a record that cannot be read.

        Raises:
            BudgetError: before work starts, when the budget is too small.
        """
        options = options or PredictOptions()
        source = self.open(inputs, options)
        results = self._results(source, options, plan=plan, on_windows=on_windows)
        if options.gallery is None:
            return results
        from anysize.recognition.matching import Matcher
        from anysize.recognition.naming import named

        return named(results, Matcher(self._gallery(options.gallery), options.threshold))

    def evaluate(
        self,
        data: Input | Source,
        out: str | Path | None = None,
        options: PredictOptions | None = None,
        *,
        split: str | None = None,
        on_windows: Callable[[int], None] | None = None,
    ) -> Measured:
        """Measures the model on labelled data.

        Args:
            data: a path or a source.
            out: folder for ``metrics.json`` and ``report.html``; None writes nothing.
            options: see ``PredictOptions``.
            split: ``train``, ``validation`` or ``test``; None takes the test split where the data
                names one, else everything.
            on_windows: told how many windows went through the model, for progress.
        """
        evaluator = cast("Evaluator", plugins.load("evaluate", self.card.task))
        options = options or PredictOptions()
        source = self._split(data, options, split)
        results = self._results(source, options, keep_first=True, on_windows=on_windows)
        evaluation = evaluator.measure(results, card=self.card, source=source)
        if out is not None:
            evaluator.write_report(evaluation, Path(out), card=self.card.to_json(), source=source)
        return evaluation

    def enroll(
        self,
        out: str | Path,
        data: Input | Source | None = None,
        options: PredictOptions | None = None,
        *,
        remove: Sequence[str] = (),
        calibrate: Input | Source | None = None,
        false_accept_rate: float = 0.01,
    ) -> Enrolment:
        """Adds people to a gallery, or deletes some, and calibrates its thresholds anew.

        Args:
            out: folder of the gallery; made where there is none.
            data: the people to add: a folder for each, or a table with an ``identity`` column.
            options: see ``PredictOptions``.
            remove: names of people to delete.
            calibrate: other people, to calibrate the thresholds on; None takes everybody in the
                gallery as a stranger to the others.
            false_accept_rate: the share of strangers that may get a name.

        Raises:
            ConfigurationError, DataError: before the gallery is changed.
        """
        from anysize.recognition.enrolment import enroll

        options = options or PredictOptions()
        return enroll(
            out,
            self._fingerprint(),
            people=None if data is None else self._collected(data, options),
            remove=remove,
            strangers=None if calibrate is None else self._collected(calibrate, options),
            false_accept_rate=false_accept_rate,
        )

    def verify(self, first: Any, second: Any, options: PredictOptions | None = None) -> Comparison:
        """Whether two records show one identity.

        Args:
            first: a file, or a record's content.
            second: the same.
            options: ``threshold`` decides, else the threshold for pairs of ``gallery``; without
                either there is a similarity and no decision.

        Raises:
            DataError: one cannot be read, or nothing is found in it.
        """
        from anysize.recognition.enrolment import compare

        options = options or PredictOptions()
        gallery = None if options.gallery is None else self._gallery(options.gallery)
        found = list(self._results(self.open([first, second], options), options))
        return compare(*found, gallery=gallery, threshold=options.threshold)

    def _collected(self, data: Input | Source, options: PredictOptions) -> Collected:
        from anysize.recognition.enrolment import collect

        source = data if _is_source(data) else self._open_paths([data], options)  # type: ignore[list-item]
        source = cast(Source, source)
        results = self._results(source, options)
        return collect(
            (result, None if isinstance(result, ErrorResult) else source[ordinal].target)
            for ordinal, result in enumerate(results)
        )

    def _gallery(self, folder: str | Path) -> Gallery:
        from anysize.recognition.gallery import load as load_gallery

        gallery = load_gallery(folder)
        gallery.check_embedder(self._fingerprint(), str(folder))
        return gallery

    def _fingerprint(self) -> str:
        from anysize.recognition.gallery import embedder_fingerprint

        if self.folder is None or self.network.outputs != ("embeddings",):
            raise ConfigurationError(
                f"galleries are for bundles that embed (face-recognition); this one is for "
                f"{self.card.task}"
            )
        return embedder_fingerprint(self.folder)

    def plan(self, source: Source | None, options: PredictOptions) -> PredictionPlan:
        """What prediction will do with the budget: runtime, precision, batch, and why."""
        from anysize.plan import plan_prediction

        budget = _budget(options.memory)
        return plan_prediction(
            self._adapted(options)[0],
            self.task,
            source,
            memory=budget,
            runtime=options.runtime,
            precision=options.precision,
            folder=self.folder,
            threads=options.threads,
        )

    @property
    def task(self) -> Task:
        """What the model does."""
        return tasks.load(self.card.task)

    def _results(
        self,
        source: Source,
        options: PredictOptions,
        *,
        plan: PredictionPlan | None = None,
        keep_first: bool = False,
        on_windows: Callable[[int], None] | None = None,
    ) -> Iterator[Result | ErrorResult]:
        task = self.task
        network, merge = self._adapted(options)
        plan = plan or self.plan(source, options)
        runtime = plan.open_runtime()
        try:
            results = predict(
                source,
                (Position(index, index) for index in range(len(source))),
                task.preprocess(network),
                plan.guarded(runtime),
                task.new_merger(self.card.labels, merge, keep_first=keep_first),
                plan.batches,
                strict=options.strict,
                threads=plan.threads,
                on_windows=on_windows,
            )
            yield from results
        finally:
            runtime.close()

    def _adapted(self, options: PredictOptions) -> tuple[Network, str]:
        """The network with the caller's windows, and the merge rule."""
        network = dataclasses.replace(self.network)
        if network.text is not None:
            network.text = dataclasses.replace(
                network.text,
                **_given(window=options.window, overlap=options.overlap),
            )
        if network.image is not None:
            network.image = dataclasses.replace(
                network.image,
                **_given(
                    tiles=options.tiles,
                    tile=options.tile,
                    overlap=options.overlap,
                    crop=options.crop,
                ),
            )
        merge = options.merge or self.card.merge
        if merge == "attention" and network.pool is None:
            raise ConfigurationError(
                "merge 'attention' needs a model trained with it (--merge attention in training)"
            )
        return network, merge

    def open(self, inputs: Input | Source | Iterable[Any], options: PredictOptions) -> Source:
        """The inputs as one source; see ``predict``."""
        task = self.task
        if isinstance(inputs, Path) or (isinstance(inputs, str) and task.role == "image"):
            return self._open_paths([inputs], options)
        if isinstance(inputs, str):
            return _in_memory(task, [inputs])
        if _is_source(inputs):
            return inputs  # type: ignore[return-value]
        items = list(inputs)  # type: ignore[arg-type]
        paths = [_is_path(item, task) for item in items]
        if all(paths):
            return self._open_paths(items, options)
        if not any(paths):
            return _in_memory(task, items)
        from anysize.sources.concat import Concat

        groups = itertools.groupby(zip(paths, items, strict=True), key=lambda pair: pair[0])
        parts = [
            self._open_paths([item for _, item in group], options)
            if is_path
            else _in_memory(task, [item for _, item in group])
            for is_path, group in groups
        ]
        return Concat("inputs", parts)

    def _split(self, data: Input | Source, options: PredictOptions, split: str | None) -> Source:
        if _is_source(data):
            return data  # type: ignore[return-value]
        from anysize.sources.inputs import open_split

        return open_split(
            data,  # type: ignore[arg-type]
            split,
            columns=self.task.columns,
            rename=options.columns,
            encoding=options.encoding,
            by_target=self.task.by_target,
        )

    def _open_paths(self, paths: Sequence[Input], options: PredictOptions) -> Source:
        from anysize.sources import open_source

        if not paths:
            raise ConfigurationError("no input given: name files, folders or tables, or '-'")
        return open_source(
            paths, columns=self.task.columns, rename=options.columns, encoding=options.encoding
        )


def _task_of(data: str | Path, name: str | None, **arguments: Any) -> Task:
    """The task that a dataset can be read for: the one named, or the first that opens."""
    from anysize.sources import open_source

    if name is not None:
        return tasks.load(name)
    # A table of texts may well have a column named "file"; a folder of pictures has no texts.
    order = ["image-classification", "text-classification"]
    names = order if Path(data).is_dir() else order[::-1]
    problems = []
    for candidate in map(tasks.load, names):
        try:
            if len(open_source(data, columns=candidate.columns, **arguments)):
                return candidate
        except DataError as error:
            problems.append(f"{candidate.name}: {error.problem}")
    raise DataError(str(data), "cannot be read as data of any task: " + "; ".join(problems))


def _budget(memory: int | str | None) -> int:
    if memory is None:
        return memory_sizes.default_budget()
    return memory_sizes.parse_size(memory)


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _is_path(item: object, task: Task) -> bool:
    return isinstance(item, Path) or (isinstance(item, str) and task.role == "image")


def _is_source(item: object) -> bool:
    return hasattr(item, "fingerprint") and hasattr(item, "__getitem__")


def _in_memory(task: Task, items: Sequence[Any]) -> Source:
    from anysize.sources.memory import FieldSource

    fields: list[Field] = []
    for item in items:
        if task.role == "text" and isinstance(item, str):
            from anysize.readers.text import Text

            fields.append(Text(item, origin=f"text {len(fields)}"))
        elif task.role == "image":
            from anysize.readers.image import Image

            fields.append(Image.from_pixels(item, origin=f"picture {len(fields)}"))
        else:
            raise ConfigurationError(
                f"input {len(fields)} is a {type(item).__name__}; "
                f"{task.name} takes paths, or {'strings' if task.role == 'text' else 'pictures'}"
            )
    return FieldSource(task.role, fields)
