"""A trained model: what the verbs do with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize import tasks
from anysize.api.compression import compress_report
from anysize.api.misplaced import refuse_live, refuse_recogniser
from anysize.api.people import People
from anysize.api.streaming import Streaming
from anysize.core import plugins
from anysize.core.errors import ConfigurationError, RunError
from anysize.core.findings import Finding, Findings
from anysize.core.locks import only_writer, only_writer_of
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.planning.options import PredictOptions, task_asked, with_settings
from anysize.tasks.inputs import Input, columns_of, open_inputs
from anysize.tasks.protocols import answering

if TYPE_CHECKING:
    from anysize.evaluation.protocols import Measured
    from anysize.export.protocols import Exporter
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.planning.prediction import PredictionPlan
    from anysize.planning.session import Session
    from anysize.sources.opening import Paths
    from anysize.tasks.protocols import Task


class Model(People, Streaming):
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
        self._used: dict[bool, Session] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the outputs."""
        return tuple(self.card.labels)

    def __repr__(self) -> str:
        labels = self.labels
        shown = ", ".join(labels[:5]) + (", …" if len(labels) > 5 else "")
        settings = self.network.settings
        place = "" if self.folder is None else f", folder={str(self.folder)!r}"
        return (
            f"Model(task={self.card.task!r}, model={self.card.model!r}, {len(labels)} labels "
            f"({shown}), windows of {settings.whole} {settings.unit}{place})"
        )

    def __call__(
        self,
        inputs: Input | Source | Iterable[Any],
        options: PredictOptions | None = None,
        **settings: Any,
    ) -> list[Result | ErrorResult]:
        """All results of ``predict`` as a list."""
        return list(self.predict(inputs, options, **settings))

    def predict_one(
        self, item: Any, options: PredictOptions | None = None, **settings: Any
    ) -> Result | ErrorResult:
        """The result for one record.

        Args:
            item: a text, a ``Path``, a picture, numbers, or a row of a table as a dictionary.
            options: see ``PredictOptions``.
            settings: its fields, one by one.

        Raises:
            ConfigurationError: it holds more records than one, or none.
        """
        results = list(itertools.islice(self.predict([item], options, **settings), 2))
        if len(results) != 1:
            raise ConfigurationError(
                f"predict_one takes one record, and {item!r:.80} holds "
                f"{'several' if results else 'none'}: use predict"
            )
        return results[0]

    def predict(
        self,
        inputs: Input | Source | Iterable[Any],
        options: PredictOptions | None = None,
        *,
        plan: PredictionPlan | None = None,
        on_windows: Callable[[int], None] | None = None,
        **settings: Any,
    ) -> Iterator[Result | ErrorResult]:
        """Predicts, in input order, one result per record.

        Args:
            inputs: a path or several (files, folders, tables); or, one record each, texts (strings)
                for a text model, pictures (``PIL.Image``, uint8 arrays ``[height, width, 3]``, the
                bytes of a file) for a picture model, and vectors or sequences of numbers; or a
                table in memory: a data frame (pandas, Polars, Arrow), a dictionary of columns, a
                list of dictionaries, a ``datasets.Dataset``; or a source. An iterator is drawn
                from as the results are asked for.
            options: see ``PredictOptions``.
            plan: made by ``plan`` for the same inputs and options; None takes the one that was made
                for an earlier prediction, where it holds, else makes it now.
            on_windows: called with how many windows went through the model, for progress.
            settings: fields of ``PredictOptions``, instead of ``options`` or to change them:
                ``model.predict(texts, memory="2GiB")``.

        Yields:
            A ``Result``, or an ``ErrorResult`` for a record that cannot be read.

        Raises:
            ConfigurationError, DataError: before work starts, what cannot be used.
            BudgetError: before work starts, when the budget is too small.
        """
        options = with_settings(options, settings, self.task)
        source = self.open(inputs, options)
        results = self.session().results(source, options, plan=plan, on_windows=on_windows)
        return self._finished(results, source, options)

    def evaluate(
        self,
        data: Any,
        out: str | Path | None = None,
        options: PredictOptions | None = None,
        *,
        split: str | None = None,
        on_windows: Callable[[int], None] | None = None,
        **settings: Any,
    ) -> Measured:
        """Measures the model on labelled data.

        Args:
            data: a path, a pattern (``data/*.csv``) or a list of these; a table in memory (see
                ``predict``); or a source.
            out: folder for ``metrics.json`` and ``report.html``; None writes nothing.
            options: see ``PredictOptions``.
            split: ``train``, ``validation`` or ``test``; None takes the test split where the data
                names one, else everything.
            on_windows: called with how many windows went through the model, for progress.
            settings: fields of ``PredictOptions``, as in ``predict``.

        Returns:
            The metrics: ``main()`` has those that are one number, by name, ``to_json()`` all.

        Raises:
            ConfigurationError, DataError: the data has no targets, or no such split.
            BudgetError: before work starts, when the budget is too small.
        """
        from anysize.api.measuring import evaluated

        options = with_settings(options, settings, self.task)
        self._check_not_matching(options)
        refuse_live(self, options)
        with nullcontext() if out is None else only_writer(Path(out)):
            return evaluated(self, data, out, options, split, on_windows)

    def compress(
        self,
        out: str | Path,
        *,
        data: Paths | None = None,
        methods: Sequence[str] = (),
        max_drop: float = 0.01,
        **settings: Any,
    ) -> Model:
        """A smaller, faster form of this model, as accurate as allowed.

        Args:
            out: folder for the bundle and its report.
            data: see ``compress_report``.
            methods: the same.
            max_drop: the same.
            settings: its other arguments.

        Raises:
            RunError: nothing is smaller, not slower and not worse than allowed; the report in
                ``out`` says why.
        """
        folder = self.folder or self.network.spec
        settings.setdefault("task", self.card.task)
        judgement = compress_report(
            folder, out, data=data, methods=methods, max_drop=max_drop, **settings
        )
        if judgement.chosen is None:
            from anysize.compression.report import reasons

            raise RunError("nothing passes: " + "; ".join(reasons(judgement)))
        from anysize.api.loading import load

        return load(out)

    def export(self, out: str | Path, file_format: str = "onnx", **options: str) -> Path:
        """Writes the model for other programs.

        Args:
            out: a folder, or the file itself where its suffix is the format's.
            file_format: ``onnx``, ``openvino``, ``huggingface``, …
            options: of the format (``opset="20"``).

        Returns:
            The file or folder that other programs open.

        Raises:
            ConfigurationError: no such format or option, or the model does not fit the format.
            RunError: what was written does not give what the model gives.
        """
        exporter = cast("Exporter", plugins.load("export", file_format))
        with only_writer_of(Path(out)):
            return exporter.export(
                self.network, self.card, Path(out), source=self.folder, options=options
            )

    def plan(
        self, source: Source | None, options: PredictOptions, *, thorough: bool = False
    ) -> PredictionPlan:
        """What prediction will do with the budget: runtime, precision, batch, and why.

        Args:
            source: what is predicted on, as ``open`` gives it; None plans without looking at it.
            options: see ``PredictOptions``.
            thorough: measure the runtimes even where this source is too small to be worth it.

        Raises:
            BudgetError: not even one window at a time fits.
        """
        return self.session().plan(source, options, thorough=thorough)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was guessed, repaired or left out of the data that the model was trained on."""
        return tuple(map(Finding.from_json, self.card.provenance.get("findings", ())))

    @property
    def task(self) -> Task:
        """What the model does."""
        return tasks.of(self.card)

    def session(self, *, measuring: bool = False) -> Session:
        """What predicts; the same one, with the plans it keeps, as long as these three stay."""
        from anysize.planning.session import Session

        now = (self.network, self.card, self.folder)
        used = self._used.get(measuring)
        if used is None or any(a is not b for a, b in zip(used.made_of, now, strict=True)):
            used = self._used[measuring] = Session(*now, measuring=measuring)
        return used

    def open(
        self,
        inputs: Input | Source | Iterable[Any],
        options: PredictOptions,
        findings: Findings | None = None,
    ) -> Source:
        """The inputs as one source.

        Args:
            inputs: see ``predict``.
            options: the same.
            findings: takes what opening them guesses, repairs or leaves out; None logs warnings.

        Raises:
            DataError: as ``predict``; with ``strict``, also where there is a warning.
        """
        refuse_live(self, options)
        refuse_recogniser(options)
        found = Findings() if findings is None else findings
        task = task_asked(answering(self.task), self.card, options)
        source = open_inputs(
            inputs,
            task,
            columns=options.columns,
            encoding=options.encoding,
            roles=columns_of(task, self.card),
            findings=found,
        )
        found.checked(strict=options.strict)
        return source
