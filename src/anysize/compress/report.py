"""The report of a compression: a page with the Pareto front, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from anysize.compress.verdict import Candidate, Judgement, pareto
from anysize.core.memory import format_size
from anysize.evaluate.markup import section
from anysize.evaluate.plots import ACCENT, INK, MUTED, SECOND, canvas, svg
from anysize.evaluate.report import page, replace_text, short_name

JSON, PAGE = "compression.json", "compression.html"
FILES = (JSON, PAGE)
_MOST_LAYERS = 25

COLUMNS = (
    "method", "verdict", "runtime", "size", "peak memory", "latency p50 / p95", "windows/s",
    "speed", "metric", "drop (95 %)", "agreement",
)  # fmt: skip


def write(judgement: Judgement, folder: Path) -> None:
    """Writes both files into a folder that exists.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    body = _summary(judgement) + _front(judgement) + _table(judgement) + _sensitivity(judgement)
    title = "Compression" if judgement.chosen else "Compression: nothing passes"
    subtitle = " · ".join(filter(None, (judgement.task, short_name(judgement.data or ""))))
    text = json.dumps(judgement.to_json(), ensure_ascii=False, indent=2) + "\n"
    replace_text(folder / JSON, text)
    replace_text(folder / PAGE, page(title, subtitle, body))


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


def _row(judgement: Judgement, each: Candidate) -> tuple[str, ...]:
    verdict = "shipped" if each is judgement.chosen else "passes" if each.passes else "refused"
    found = each.figures
    if found is None:
        return (each.chain, "failed", *[""] * (len(COLUMNS) - 2))
    drop = "" if each.drop is None else f"{each.drop:+.4f}"
    if each.paired is not None:
        drop += f" ({each.paired.interval.low:+.4f} … {each.paired.interval.high:+.4f})"
    return (
        each.chain, verdict, f"{found.runtime} {found.precision}", format_size(found.size),
        format_size(found.peak_memory),
        _times(found.latency_p50, found.latency_p95), f"{found.throughput:,.1f}",
        f"{each.speed:.2f}", _number(found.metric), drop,
        "" if each.agreement is None else f"{each.agreement:.4f}",
    )  # fmt: skip


def _times(median: float, high: float) -> str:
    return f"{1000 * median:.1f} / {1000 * high:.1f} ms"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _summary(judgement: Judgement) -> str:
    chosen = judgement.chosen
    if chosen is None or chosen.figures is None:
        words = "No candidate is smaller, not slower and not worse than allowed."
        return f'<div class="notice">{escape(words)}</div>'
    part = chosen.figures.size / judgement.original.size
    cards = [
        ("method", "", chosen.chain),
        ("size", "of the original's", f"{part:.2f}"),
        ("speed", "times the original's throughput", f"{chosen.speed:.2f}"),
    ]
    if chosen.drop is not None:
        cards.append((judgement.metric, "drop", f"{chosen.drop:+.4f}"))
    boxes = "".join(
        f'<div class="card"><div class="name">{escape(name)}</div>'
        f'<div class="value">{escape(value)}</div><div class="note">{escape(note)}</div></div>'
        for name, note, value in cards
    )
    return f'<div class="cards">{boxes}</div>'


def _front(judgement: Judgement) -> str:
    ran = [each for each in judgement.candidates if each.figures is not None]
    plot = _plot(judgement, ran)
    words = (
        "Each point is a candidate; its area is its size on disk. Filled points are on the Pareto "
        "front: nothing else is smaller, faster and better at once."
    )
    return section("Speed against quality", words, plot)


def _plot(judgement: Judgement, ran: Sequence[Candidate]) -> str:
    """Speed against the metric (against size where there is none), areas by size."""
    figure, axes = canvas(9.4, 4.2)
    before = judgement.original
    level = before.metric
    front = pareto(list(ran))

    def height(candidate: Candidate) -> float:
        assert candidate.figures is not None
        if level is not None:
            return candidate.figures.metric or 0.0
        return candidate.figures.size / before.size

    place = (1.0, 1.0 if level is None else level)
    axes.scatter(*place, s=220, color=MUTED, alpha=0.5)
    axes.annotate("original", place, xytext=(9, 6), textcoords="offset points", color=INK,
                  fontsize=9)  # fmt: skip
    for each in ran:
        assert each.figures is not None
        colour = ACCENT if each.passes else SECOND
        filled = any(each is other for other in front)
        axes.scatter(
            [each.speed], [height(each)], s=220 * each.figures.size / before.size,
            color=colour if filled else "none", edgecolors=colour, linewidths=1.5,
        )  # fmt: skip
        axes.annotate(each.chain, (each.speed, height(each)), xytext=(9, -11),
                      textcoords="offset points", color=INK, fontsize=9)  # fmt: skip
    if level is not None:
        axes.axhline(level - judgement.max_drop, color=MUTED, linewidth=1,
                     linestyle=(0, (4, 3)))  # fmt: skip
    axes.axvline(1, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.margins(x=0.18, y=0.18)
    axes.set(
        xlabel="throughput as a multiple of the original's",
        ylabel="size as a part of the original's" if level is None else judgement.metric,
    )
    return svg(figure, "Candidates by speed and quality")


def _table(judgement: Judgement) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows(judgement)
    )
    why = "".join(f"<li>{escape(line)}</li>" for line in reasons(judgement))
    words = (
        f"{judgement.metric} may drop by {judgement.max_drop:g}. The interval of the drop is a "
        "paired bootstrap over the records. Times are medians of rounds that alternate with the "
        "original's."
    )
    listed = f'<ul class="small">{why}</ul>' if why else ""
    return section("Candidates", words, f'<div class="scroll"><table><thead><tr>{head}</tr>'
                   f"</thead><tbody>{body}</tbody></table></div>{listed}")  # fmt: skip


def _sensitivity(judgement: Judgement) -> str:
    if not judgement.sensitivity:
        return ""
    body = "".join(
        f"<tr><td>{escape(str(each['layer']))}</td><td>{each['error']:.4f}</td>"
        f"<td>{100 * each['changed']:.1f} %</td></tr>"
        for each in judgement.sensitivity[:_MOST_LAYERS]
    )
    words = (
        f"The {min(_MOST_LAYERS, len(judgement.sensitivity))} most sensitive of "
        f"{len(judgement.sensitivity)} layers: each was quantized alone, and the error of the "
        "output taken as a part of its spread."
    )
    return section(
        "Sensitivity to int8",
        words,
        '<div class="scroll"><table><thead><tr><th>layer</th><th>error</th><th>changed</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div>",
    )
