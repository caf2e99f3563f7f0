"""Classification of numbers: vectors (a row of a table), or sequences of any length."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.moments import Moments
from anysize.core.protocols import Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import FeaturesField, Record, Source
from anysize.core.windows import Span, Window
from anysize.heads.options import ClassOptions, HeadOptions
from anysize.modalities.numbers.columns import learned
from anysize.modalities.numbers.settings import FeatureSettings
from anysize.models.architectures import Architecture
from anysize.models.columns import TableEncoding
from anysize.models.columns.encoder import RowEncoder
from anysize.models.network import Network
from anysize.readers.cells import Cells
from anysize.sources import ColumnSpec
from anysize.sources.profile.reading import spread_of
from anysize.tasks.classification import LABEL, Classification
from anysize.tasks.refusals import refuse_augmentation
from anysize.windows.features import FeatureWindows

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

OPTIONS = (HeadOptions, ClassOptions)
PROVIDES = ("tabular-classification", "time-series-classification")
ARCHITECTURE = Architecture(auto="AutoModel")

FEATURES = ColumnSpec(
    role="features",
    kind="features",
    names=(
        "features", "feature", "vector", "embedding", "sequence", "series", "signal", "values",
        "file_name", "file", "path", "filename",
    ),
)  # fmt: skip


class FeatureClassification(Classification):
    """Vectors as they are; sequences whole, or by windows along time whose logits are pooled."""

    role = "features"
    columns = (FEATURES, LABEL)
    augmentation = "none"

    def __init__(self, name: str) -> None:
        self.name = name
        self.sequences = name.startswith("time-series")
        self.unit = "steps" if self.sequences else "features"
        features, target = type(self).columns
        axes = 2 if self.sequences else 1
        self.columns = (dataclasses.replace(features, axes=axes), target)

    @property
    def takes(self) -> Mapping[str, Sequence[str]]:
        """See ``abilities.Selective``: a row has no windows."""
        rows = {} if self.sequences else {"merge": (), "window": (), "overlap": ()}
        return {**super().takes, **rows}

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Notes the columns that the network is trained with, and gives it their statistics.

        Args:
            network: a fresh one that begins with a normalisation gets its means and variances;
                one that was loaded keeps its own.
            source: the training data.
            labels: of the network.

        Raises:
            DataError: no record can be read.
        """
        settings = self._settings(network)
        spread = spread_of(source) if settings.steps else None
        if spread is not None:
            network.settings = settings = dataclasses.replace(settings, series=spread.names)
        if settings.encoding is None and not settings.names and not settings.steps:
            encoding = learned(source, raw=True)
            if encoding is not None:
                network.settings = settings = _with_columns(settings, encoding, source)
        if settings.encoding is not None and not settings.encoding.raw:
            return
        first: DataError | None = None
        for index in range(len(source)):
            try:
                field = source[index].features("features")
                next(iter(FeaturePreprocess(settings)(0, source[index])))
            except DataError as error:
                first = first or error
                continue
            if not settings.names and len(field.names) == settings.width:
                network.settings = dataclasses.replace(settings, names=field.names)
            break
        else:
            raise first or DataError(source.name, "has no record that can be read")
        module: Any = network.module
        if getattr(module, "starts_from_data", False) and not module.name_or_path:
            module.start_from(*self._moments(network, source))

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        return FeaturePreprocess(self._settings(network))

    def _settings(self, network: Network) -> FeatureSettings:
        settings = network.reads(FeatureSettings)
        if bool(settings.steps) != self.sequences:
            kind, stem = ("sequences", "time-series") if settings.steps else ("vectors", "tabular")
            other = f"{stem}-{self.family}"
            raise ConfigurationError(
                f"model {network.spec!r} reads {kind}: use it for {other}, not for {self.name}"
            )
        return settings

    def _moments(self, network: Network, source: Source) -> tuple[Any, Any, int]:
        """Mean and variance of each feature, and of how many vectors or steps."""
        preprocess = self.preprocess(network)
        width = self._settings(network).width
        moments = Moments(width)
        for index in range(len(source)):
            try:
                for example in preprocess(index, source[index]):
                    moments.add(example.arrays["features"].reshape(-1, width))
            except DataError:
                continue  # counted and named when training reads it
        return moments.mean, moments.variance, moments.count


class FeaturePreprocess:
    """A record's ``features`` to examples of numbers."""

    def __init__(self, settings: FeatureSettings) -> None:
        self._settings = settings
        self._windows = _windows(settings)
        self._encoder = None if settings.encoding is None else RowEncoder(settings.encoding)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        field = record.features("features")
        if self._encoder is not None:
            cells = _cells(field, self._encoder.encoding.names)
            if cells is not None:
                yield self._encoded(ordinal, record, cells, self._encoder, draw)
                return
        elif self._settings.names and isinstance(field, Cells):
            field = field.only(self._settings.names)
        for index, (region, core, values, last) in enumerate(self._windows.stream(field)):
            yield Example(
                ordinal=ordinal,
                window=Window(record=record.id, index=index, region=region, core=core, last=last),
                arrays={"features": values},
                cost=len(values) if self._settings.steps else 1,
            )

    @staticmethod
    def _encoded(
        ordinal: int,
        record: Record,
        cells: Mapping[str, Any],
        encoder: RowEncoder,
        draw: int | None,
    ) -> Example:
        """A row as one window, which owns each of its columns."""
        values, whole = encoder(cells)
        notes = () if whole or draw is not None else encoder.notes(cells)
        span = Span(0, len(encoder.encoding.columns))
        return Example(
            ordinal=ordinal,
            window=Window(record=record.id, index=0, region=span, core=span, last=True),
            arrays={"features": values},
            cost=1,
            facts=Facts(notes=notes) if notes else None,
        )


def _cells(field: FeaturesField, names: tuple[str, ...]) -> Mapping[str, Any] | None:
    """A record's values by column; None where it is something else than a row of them."""
    if isinstance(field, Cells):
        return field.cells
    shape = field.shape
    if len(shape) == 2 and shape[0] == 1:
        shape = shape[1:]
    if shape != (len(names),):
        return None
    values = field.read(0, field.shape[0]).reshape(-1)
    return dict(zip(field.names or names, values.tolist(), strict=True))


def _with_columns(
    settings: FeatureSettings, encoding: TableEncoding, source: Source
) -> FeatureSettings:
    """The settings of a network that scales numbers itself, with the columns of its data."""
    if encoding.width != settings.width:
        raise DataError(
            source.name,
            f"has {encoding.width} columns of numbers ({', '.join(encoding.names[:20])}), and the "
            f"model reads {settings.width}: name them with --columns features=A+B+C",
        )
    return dataclasses.replace(settings, names=encoding.names, encoding=encoding)


def _windows(settings: FeatureSettings) -> FeatureWindows:
    return FeatureWindows(
        width=settings.width,
        steps=settings.steps,
        least=settings.least,
        overlap=settings.overlap,
        names=settings.names,
    )


def make(name: str) -> FeatureClassification:
    """The task."""
    return FeatureClassification(name)
