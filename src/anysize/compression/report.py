"""The report of a compression: a page with the Pareto front, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from anysize.compression.answers import RATES
from anysize.compression.verdict import Candidate, Judgement, pareto
from anysize.core.files import write_json, write_text
from anysize.core.memory import format_size
from anysize.evaluation.pages import page, short_name
from anysize.evaluation.plots import ACCENT, INK, MUTED, SECOND, canvas, svg

JSON, PAGE = "compression.json", "compression.html"
FILES = (JSON, PAGE)
_MOST_LAYERS = 25
# Of the original's point in the plot.
_AREA = 220

COLUMNS = (
    "method", "verdict", "runtime", "size", "peak memory", "latency p50 / p95", "windows/s",
    "speed (95 %)", "metric", "drop (95 %)", "agreement",
)  # fmt: skip


def write(judgement: Judgement, folder: Path) -> None:
    """Writes both files into a folder that exists.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    by_network: dict[str, list[Mapping[str, Any]]] = {}
    for each in judgement.sensitivity:
        by_network.setdefault(str(each["network"]), []).append(each)
    ran = [each for each in judgement.candidates if each.figures is not None]
    text = page(
        "compression/templates/compression.html",
        title="Compression" if judgement.chosen else "Compression: nothing passes",
        subtitle=" · ".join(filter(None, (judgement.task, short_name(judgement.data or "")))),
        cards=_cards(judgement),
        plot=_plot(judgement, ran),
        ran=ran,
        words=_words(judgement),
        columns=COLUMNS,
        rows=rows(judgement),
        reasons=reasons(judgement),
        sensitivity=by_network,
        most_layers=_MOST_LAYERS,
        findings=judgement.findings,
        provenance={},
    )
    write_json(folder / JSON, judgement.to_json())
    write_text(folder / PAGE, text)


def rows(judgement: Judgement) -> list[tuple[str, ...]]:
    """The table's cells as text, the original first; see ``COLUMNS``."""
    before = judgement.original
    first = (
        "original", "", f"{before.runtime} {before.precision}", format_size(before.size),
        format_size(before.peak_memory),
        _times(before.latency_p50, before.latency_p95), f"{before.throughput:,.1f}", "1.00",
        _number(before.metric), "", "",
    )  # fmt: skip
    return [first, *(_row(judgement, each) for each in judgement.candidates)]


def reasons(judgement: Judgement) -> list[str]:
    """Why each candidate that is not shipped is not, a line each."""
    found = []
    for each in judgement.candidates:
        if each.reasons:
            found.append(f"{each.chain}: {'; '.join(each.reasons)}")
        elif each is not judgement.chosen:
            found.append(f"{each.chain}: passes, but another one is faster")
    return found


def notes(judgement: Judgement) -> list[str]:
    """What the table's figures do not say of themselves, a line each."""
    ran = [each for each in judgement.candidates if each.figures is not None]
    found = [f"{each.chain}: {note}" for each in judgement.candidates for note in each.notes]
    if judgement.timed:
        found.append(f"speed is that of prediction: a window is {judgement.timed}")
    if judgement.heard:
        found.append(
            f"{judgement.metric} is of what {judgement.heard} hears: its own errors are in it, and "
            "its memory is in the peaks"
        )
    if judgement.original.metric is None:
        return [*found, "without data only size and speed are judged"]
    if judgement.lower:
        part = "in points" if judgement.metric in RATES else "as a part of the original's"
        found.append(f"of {judgement.metric} lower is better: its drop is what it rises by, {part}")
    if any(each.paired is not None for each in ran) or not ran:
        return found
    return [
        *found,
        f"{judgement.metric} is no mean over records: its drop on these "
        f"{judgement.original.records} has no interval, and answers are not compared one by one",
    ]


def _row(judgement: Judgement, each: Candidate) -> tuple[str, ...]:
    verdict = "shipped" if each is judgement.chosen else "passes" if each.passes else "refused"
    found = each.figures
    if found is None:
        return (each.chain, "failed", *[""] * (len(COLUMNS) - 2))
    drop = "" if each.drop is None else f"{each.drop:+.4f}"
    if each.paired is not None:
        drop += f" ({each.paired.interval.low:+.4f} … {each.paired.interval.high:+.4f})"
    elif each.drop is not None:
        drop += " (no interval)"
    return (
        each.chain, verdict, f"{found.runtime} {found.precision}", format_size(found.size),
        format_size(found.peak_memory),
        _times(found.latency_p50, found.latency_p95), f"{found.throughput:,.1f}",
        _pace(each), _number(found.metric), drop,
        "" if each.agreement is None else f"{each.agreement:.4f}",
    )  # fmt: skip


def _pace(each: Candidate) -> str:
    if each.pace is None:
        return ""
    speed = each.pace.speed
    told = f"{speed.value:.2f} ({speed.low:.2f} … {speed.high:.2f})"
    return f"{told}, same arithmetic" if each.pace.same else told


def _times(median: float, high: float) -> str:
    return f"{_milliseconds(median)} / {_milliseconds(high)} ms"


def _milliseconds(seconds: float) -> str:
    # Of small models one window takes some microseconds.
    return f"{1000 * seconds:.1f}" if seconds >= 1e-3 else f"{1000 * seconds:.3f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _cards(judgement: Judgement) -> list[tuple[str, str, str]]:
    """What the chosen candidate gains; nothing where there is none."""
    chosen = judgement.chosen
    if chosen is None or chosen.figures is None:
        return []
    part = chosen.figures.size / judgement.original.size
    cards = [
        ("method", chosen.chain, ""),
        ("size", f"{part:.2f}", "of the original's"),
        ("speed", f"{chosen.speed:.2f}", "times the original's throughput"),
    ]
    if chosen.drop is not None:
        cards.append((judgement.metric, f"{chosen.drop:+.4f}", "drop"))
    return cards


def _words(judgement: Judgement) -> str:
    """What the table's figures are, in sentences."""
    said = [*notes(judgement), "Times are medians of rounds that alternate with the original's"]
    if judgement.original.metric is not None:
        how = f"rise by {100 * judgement.max_drop:g} %"
        if not judgement.lower or judgement.metric in RATES:
            how = f"{'rise' if judgement.lower else 'drop'} by {judgement.max_drop:g}"
        said.insert(0, f"{judgement.metric} may {how}")
    if any(each.paired is not None for each in judgement.candidates):
        said.insert(1, "The interval of the drop is a paired bootstrap over the records")
    # The name of a metric stays as it is written everywhere.
    return " ".join(
        f"{line if line.startswith(judgement.metric) else line[0].upper() + line[1:]}."
        for line in said
    )


def _plot(judgement: Judgement, ran: Sequence[Candidate]) -> Markup:
    """Speed against the metric (against size where there is none), areas by size."""
    figure, axes = canvas(9.4, 4.2)
    before = judgement.original
    level = before.metric
    front = pareto(list(ran))
    place = (1.0, 1.0 if level is None else level)
    axes.scatter(*place, s=_AREA, color=MUTED, alpha=0.5, label="original")
    named = set()
    for number, each in enumerate(ran, 1):
        figures = each.figures
        assert figures is not None
        height = figures.size / before.size if level is None else figures.metric or 0.0
        colour, name = (ACCENT, "passes") if each.passes else (SECOND, "refused")
        filled = any(each is other for other in front)
        axes.scatter(
            [each.speed], [height], s=_AREA * figures.size / before.size,
            color=colour if filled else "none", edgecolors=colour, linewidths=1.5,
            label=None if name in named else name,
        )  # fmt: skip
        named.add(name)
        axes.annotate(str(number), (each.speed, height), xytext=(8, -4),
                      textcoords="offset points", color=INK, fontsize=9)  # fmt: skip
    dashed: dict[str, Any] = {"color": MUTED, "linewidth": 1, "linestyle": (0, (4, 3))}
    if (limit := judgement.limit) is not None:
        name = "highest allowed" if judgement.lower else "lowest allowed"
        axes.axhline(limit, label=name, **dashed)
    axes.axvline(1, **dashed)
    axes.margins(x=0.12, y=0.18)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper left",
                bbox_to_anchor=(1.01, 1.0), markerscale=0.6)  # fmt: skip
    axes.set(
        xlabel="throughput as a multiple of the original's",
        ylabel="size as a part of the original's" if level is None else judgement.metric,
    )
    return svg(figure, "Candidates by speed and quality")
