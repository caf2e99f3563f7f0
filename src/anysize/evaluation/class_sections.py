"""The report's sections about classes: the table and the confusion matrix."""

from __future__ import annotations

from html import escape

from anysize.evaluation import plots
from anysize.evaluation.evaluation import Evaluation
from anysize.evaluation.markup import percent, section
from anysize.evaluation.metrics import ClassRow, most_confused

LARGEST_TABLE = 30
"""A confusion matrix of more classes is drawn without names, beside its most confused pairs."""

_DENSE_ABOVE = 14
_UPRIGHT_ABOVE = 9
_STANDING = ' class="standing"'


def classes(evaluation: Evaluation) -> str:
    """Precision, recall and F1 of every class."""
    rows = "".join(_class_row(row) for row in evaluation.summary.classes)
    return section(
        "Classes",
        "Support is how many records of the data belong to the class.",
        '<div class="scroll"><table class="wide"><thead><tr><th class="name-cell">class</th>'
        "<th>precision</th><th>recall</th><th>F1</th><th>support</th><th>predicted</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>",
    )


def _class_row(row: ClassRow) -> str:
    precision = percent(row.precision) if row.predicted else "never predicted"
    recall = percent(row.recall) if row.support else "absent"
    f1 = percent(row.f1) if row.predicted or row.support else ""
    return (
        f'<tr><td class="name-cell">{escape(row.label)}</td><td>{precision}</td><td>{recall}</td>'
        f'<td>{f1}<span class="bar"><i style="width:{100 * row.f1:.1f}%"></i></span></td>'
        f"<td>{row.support:,}</td><td>{row.predicted:,}</td></tr>"
    )


def confusion(evaluation: Evaluation) -> str:
    """Which classes are taken for which."""
    summary = evaluation.summary
    pairs = most_confused(summary, 20)
    table = (
        '<h3>Most confused</h3><div class="scroll"><table><thead><tr>'
        '<th class="name-cell">in the data</th><th class="name-cell">predicted</th>'
        "<th>records</th><th>of the class</th></tr></thead><tbody>"
        + "".join(
            f'<tr><td class="name-cell">{escape(pair.target)}</td>'
            f'<td class="name-cell">{escape(pair.prediction)}</td>'
            f"<td>{pair.count:,}</td><td>{percent(pair.share)}</td></tr>"
            for pair in pairs
        )
        + "</tbody></table></div>"
    )
    if summary.confusion is None:
        return section("Confusion", "Not kept for so many classes.", "")
    if len(summary.classes) <= LARGEST_TABLE:
        body = f'<div class="across">{_confusion_table(evaluation)}</div>'
        words = "Rows are classes of the data, columns predictions; shaded by share of the row."
        if len(summary.classes) > _DENSE_ABOVE and pairs:
            body += f"<p></p>{table}"
    else:
        image = plots.confusion_image(summary.confusion)
        body = f'<div class="plot square">{image}</div>{table if pairs else ""}'
        words = (
            "Classes are numbered in the order of the table above; shaded by share of the row, "
            "rare confusions lifted."
        )
    return section("Confusion", words, body)


def _confusion_table(evaluation: Evaluation) -> str:
    counts = evaluation.summary.confusion
    if counts is None:
        return ""
    labels = evaluation.labels
    style = "confusion"
    if len(labels) > _UPRIGHT_ABOVE:
        style += " upright"
    if len(labels) > _DENSE_ABOVE:
        style += " dense"
    head = "".join(
        f"<th><div{_STANDING if _is_ideographic(label) else ''}>{escape(label)}</div></th>"
        for label in labels
    )
    rows = []
    for place, label in enumerate(labels):
        total = max(int(counts[place].sum()), 1)
        cells = "".join(
            _confusion_cell(int(count), int(count) / total, f"{label} → {labels[other]}")
            for other, count in enumerate(counts[place])
        )
        rows.append(f"<tr><th>{escape(label)}</th>{cells}</tr>")
    return (
        f'<table class="{style}"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _is_ideographic(label: str) -> bool:
    """Whether the label is in a script whose characters stand upright in a vertical line."""
    return any("\u2e80" <= character <= "\uffef" for character in label)


def _confusion_cell(count: int, share: float, title: str) -> str:
    strong = ' class="strong"' if share > 0.55 else ""
    shade = f"background:rgba(var(--heat),{0.06 + 0.9 * share:.3f})" if count else ""
    hint = escape(f"{title}: {count:,} ({percent(share)})", quote=True)
    return f'<td{strong} style="{shade}" title="{hint}">{count or ""}</td>'
