"""Evaluations and statistics as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from anysize.core.plurals import number_of
from anysize.core.problems import without_name
from anysize.core.results import ErrorResult
from anysize.evaluation.audio_statistics import AudioStatistics
from anysize.evaluation.column_lines import ColumnLine
from anysize.evaluation.evaluation import Evaluation
from anysize.evaluation.feature_statistics import FeatureStatistics
from anysize.evaluation.findings import findings_table
from anysize.evaluation.numbers import between, percent, probability
from anysize.evaluation.object_statistics import ObjectStatistics
from anysize.evaluation.sketches import Distribution, Numbers
from anysize.evaluation.statistics import DataStatistics, ImageStatistics, TextStatistics

_MOST_LABELS = 20
_BAR = 32
_MOST_COLUMNS = 60


@singledispatch
def render(subject: object) -> RenderableType:
    """An ``Evaluation`` or a dataset's statistics as something that rich can print."""
    raise TypeError(f"cannot render {type(subject).__name__}")


@render.register
def _evaluation(evaluation: Evaluation) -> RenderableType:
    summary, receipts = evaluation.summary, evaluation.receipts
    table = blank_table("metric", "value", f"{evaluation.accuracy_interval.level:.0%} interval")
    table.add_row("accuracy", percent(summary.accuracy), between(evaluation.accuracy_interval))
    bounds = evaluation.macro_f1_interval
    table.add_row("macro_f1", percent(summary.macro_f1), between(bounds) if bounds else "")
    for name, value in summary.main().items():
        if name not in ("accuracy", "macro_f1"):
            table.add_row(name, f"{value:.3f}" if name == "log_loss" else percent(value), "")
    if evaluation.accuracy_without_copies is not None:
        table.add_row(
            "accuracy without "
            + number_of(evaluation.copies[0], "copy", "copies")
            + " of training records",
            percent(evaluation.accuracy_without_copies),
            "",
        )
    compared = blank_table("baseline", "accuracy", "model minus baseline, points", "p")
    for baseline in evaluation.baselines:
        gap = baseline.difference
        compared.add_row(
            escape(f"{baseline.name}: {baseline.description}"),
            percent(baseline.accuracy),
            f"{100 * gap.difference:+.1f} ({100 * gap.interval.low:+.1f} … "
            f"{100 * gap.interval.high:+.1f})",
            probability(gap.p_value),
        )
    words = (
        f"{read_in(summary.records, receipts.windows)}; "
        f"{receipts.longer_than_window:,} longer than one window, "
        f"{receipts.fully_covered:,} read completely"
    )
    parts: list[RenderableType] = [table, compared, Text(words)]
    if evaluation.unknown_label_records:
        names = ", ".join(list(evaluation.unknown_labels)[:10])
        parts.append(
            warning(
                f"{number_of(evaluation.unknown_label_records, 'record')} not scored: the model "
                f"does not know their labels ({names})"
            )
        )
    if evaluation.without_target:
        nameless = number_of(evaluation.without_target, "record")
        parts.append(warning(f"{nameless} without a label not scored"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)


@render.register
def _text(statistics: TextStatistics) -> RenderableType:
    parts = _head(statistics)
    lengths = {"characters": statistics.characters}
    if statistics.tokens is not None:
        lengths["tokens"] = statistics.tokens
    parts.append(_distributions(lengths))
    name, shown = list(lengths.items())[-1]
    parts.append(_histogram(name, shown))
    if statistics.longer_than_window is not None and statistics.windows is not None:
        share = statistics.longer_than_window / max(statistics.characters.count, 1)
        parts.append(
            Text(
                f"{number_of(statistics.longer_than_window, 'document')} ({percent(share)}) longer "
                f"than the model's window; {number_of(statistics.windows, 'window')} in all"
            )
        )
    if statistics.empty:
        parts.append(
            warning(number_of(statistics.empty, "document is empty", "documents are empty"))
        )
    return Group(*parts, *_tail(statistics))


@render.register
def _image(statistics: ImageStatistics) -> RenderableType:
    parts = _head(statistics)
    parts.append(
        _distributions(
            {
                "width": statistics.widths,
                "height": statistics.heights,
                "pixels": statistics.pixels,
            }
        )
    )
    more = statistics.different_sizes - 5
    sizes = ", ".join(f"{w} × {h} ({count:,})" for (w, h), count in statistics.sizes[:5])
    formats, modes = (
        ", ".join(f"{name} ({count:,})" for name, count in counts.items())
        for counts in (statistics.formats, statistics.modes)
    )
    parts.append(Text(f"sizes: {sizes}{f' and {more:,} more' if more > 0 else ''}"))
    parts.append(Text(f"formats: {formats}; modes: {modes}; grey to the eye: {statistics.grey:,}"))
    return Group(*parts, *_tail(statistics))


@render.register
def _objects(statistics: ObjectStatistics) -> RenderableType:
    table = blank_table("class", "boxes", "share", "pictures")
    for name, count in list(statistics.classes.items())[:_MOST_LABELS]:
        share = percent(count.objects / max(statistics.objects, 1))
        table.add_row(escape(name), f"{count.objects:,}", share, f"{count.pictures:,}")
    more = len(statistics.classes) - _MOST_LABELS
    words = (
        f"{number_of(statistics.objects, 'box', 'boxes')} of "
        f"{number_of(len(statistics.classes), 'class', 'classes')}"
        f"{f' ({more:,} not shown)' if more > 0 else ''}; "
        + ", ".join(f"{count:,} {name}" for name, count in statistics.areas.items())
        + f" (below 32² pixels, below 96², above); "
        f"{number_of(statistics.without_objects, 'picture')} without objects, "
        f"{number_of(statistics.crowds, 'crowd')}, {statistics.difficult:,} difficult"
    )
    boxes = {
        "boxes of a picture": statistics.per_picture,
        "box width": statistics.box_widths,
        "box height": statistics.box_heights,
        "% of the picture": statistics.shares,
    }
    return Group(table, Text(words), _distributions(boxes), _image(statistics))


@render.register
def _features(statistics: FeatureStatistics) -> RenderableType:
    parts = _head(statistics)
    parts.append(_distributions({"features": statistics.widths, "steps": statistics.steps}))
    if statistics.numbers:
        parts.append(_numbers("column", statistics.numbers))
    return Group(*parts, *_tail(statistics))


@render.register
def _audio(statistics: AudioStatistics) -> RenderableType:
    parts = _head(statistics)
    parts.append(_distributions({"milliseconds": statistics.milliseconds}))
    rates, channels, formats = (
        ", ".join(f"{name} ({count:,})" for name, count in counts.items())
        for counts in (
            {f"{rate:,} Hz": count for rate, count in statistics.rates.items()},
            statistics.channels,
            statistics.formats,
        )
    )
    parts.append(Text(f"rates: {rates}; channels: {channels}; formats: {formats}"))
    return Group(*parts, *_tail(statistics))


def _head(statistics: DataStatistics) -> list[RenderableType]:
    looked = f", {statistics.read:,} looked at" if statistics.read < statistics.records else ""
    parts: list[RenderableType] = [
        Text(f"{statistics.name}: {number_of(statistics.records, 'record')}{looked}", style="bold")
    ]
    if statistics.splits:
        shown = ", ".join(f"{name} {count:,}" for name, count in statistics.splits.items())
        parts.append(Text(f"parts: {shown}"))
    if statistics.labels:
        parts.append(_labels(statistics))
    if statistics.targets is not None:
        parts.append(_numbers("to estimate", {"target": statistics.targets}))
    return parts


def _labels(statistics: DataStatistics) -> Table:
    table = blank_table("label", "records", "share")
    top = max(statistics.labels.values())
    total = max(statistics.read - statistics.unreadable - statistics.unlabelled, 1)
    table.add_column("", justify="left")
    for label, count in list(statistics.labels.items())[:_MOST_LABELS]:
        bar = "█" * max(1, round(_BAR * count / top))
        table.add_row(escape(label), f"{count:,}", percent(count / total), bar)
    more = len(statistics.labels) - _MOST_LABELS
    if more > 0:
        rest = sum(list(statistics.labels.values())[_MOST_LABELS:])
        table.add_row(f"… {more:,} more labels", f"{rest:,}", percent(rest / total), "")
    return table


def _numbers(heading: str, numbers: Mapping[str, Numbers]) -> Table:
    table = blank_table(heading, "min", "max", "mean", "deviation")
    for name, entry in list(numbers.items())[:_MOST_LABELS]:
        table.add_row(
            escape(name),
            *(f"{value:.4g}" for value in (entry.low, entry.high, entry.mean, entry.deviation)),
        )
    return table


def _distributions(distributions: dict[str, Distribution]) -> Table:
    table = blank_table("length", "min", "5 %", "median", "95 %", "max", "mean", "total")
    for name, entry in distributions.items():
        quantiles = entry.quantiles
        table.add_row(
            name,
            f"{entry.smallest:,}",
            f"{quantiles[0.05]:,}",
            f"{quantiles[0.5]:,}",
            f"{quantiles[0.95]:,}",
            f"{entry.largest:,}",
            f"{entry.mean:,.1f}",
            f"{entry.total:,}",
        )
    return table


def _histogram(name: str, distribution: Distribution) -> Table:
    table = blank_table(name, "records")
    table.add_column("", justify="left")
    top = max((count for _, _, count in distribution.histogram), default=1)
    for low, high, count in distribution.histogram:
        span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        table.add_row(span, f"{count:,}", "█" * round(_BAR * count / max(top, 1)))
    return table


def _tail(statistics: DataStatistics) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if statistics.unlabelled and statistics.labels:
        parts.append(
            warning(
                number_of(statistics.unlabelled, "record has no label", "records have no label")
            )
        )
    duplicates = statistics.duplicates
    if duplicates.copies:
        about = "" if duplicates.exact else "about "
        conflicting = number_of(duplicates.conflicting, "content", "contents")
        conflict = f", {about}{conflicting} with different labels" if duplicates.conflicting else ""
        pairs = "; ".join(f"{one} = {two}" for one, two in statistics.duplicate_names[:3])
        parts.append(
            warning(f"{about}{number_of(duplicates.copies, 'copy', 'copies')}{conflict} ({pairs})")
        )
    parts += unreadable(statistics.unreadable, statistics.unreadable_named[:10])
    if statistics.columns:
        parts.append(_columns(statistics.columns))
    return parts + ([findings_table(statistics.findings)] if statistics.findings else [])


def _columns(lines: Sequence[ColumnLine]) -> Table:
    table = blank_table("column", "kind", "used as", "missing", "different", "range")
    for line in lines[:_MOST_COLUMNS]:
        low, high = (
            f"{end:.4g}" if isinstance(end, float) else end for end in (line.low, line.high)
        )
        table.add_row(
            escape(line.name),
            line.kind,
            ", ".join(filter(None, (line.role, line.reading))) or f"not used: {escape(line.why)}",
            f"{line.missing:,}" if line.missing else "",
            f"{line.distinct:,}",
            "" if low is None else f"{low} … {high}",
        )
    more = len(lines) - _MOST_COLUMNS
    if more > 0:
        table.add_row(f"… {more:,} more columns", *[""] * 5)
    return table


def read_in(records: int, windows: int) -> str:
    """How much was read: ``1 record in 3 windows``."""
    return f"{number_of(records, 'record')} in {number_of(windows, 'window')}"


def unreadable(count: int, named: Sequence[ErrorResult]) -> list[RenderableType]:
    """Records that could not be read, the first by name; nothing where there are none."""
    if not count:
        return []
    first = f"{number_of(count, 'record')} could not be read"
    lines = [first + ("; the first:" if named else "")]
    lines += [f"  {one.id}: {without_name(one.id, one.error)}" for one in named]
    return [warning("\n".join(lines))]


def warning(words: str) -> Text:
    """A line that is to be noticed."""
    return Text(words, style="yellow")


def blank_table(*columns: str) -> Table:
    """A table without lines whose first column is names."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    return table
