"""Findings as a table for the terminal, and as a section of a report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from anysize.core.findings import Finding
from anysize.evaluation.markup import section

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {"refusal": "red", "warning": "yellow", "note": "dim"}


def findings_table(findings: Sequence[Finding]) -> Table:
    """A row for each finding: level, how many of what, and what, wrapped to the terminal."""
    from rich import markup
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("finding", no_wrap=True)
    table.add_column("how many", justify="right", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    for one in findings:
        style = _STYLES[one.level]
        words = markup.escape(f"{one.sentence()} [{one.code}]")
        table.add_row(f"[{style}]{one.level}[/{style}]", one.amount, words)
    return table


def findings_section(findings: Sequence[Finding]) -> str:
    """The report's section about the data; empty where there is nothing to say."""
    if not findings:
        return ""
    rows = "".join(
        f"<tr><td>{escape(one.level)}</td><td>{escape(one.amount)}</td>"
        f'<td class="name-cell">{escape(one.message)}'
        f'<div class="muted small">{escape(_details(one))}</div></td></tr>'
        for one in findings
    )
    return section(
        "Findings about the data",
        "What was guessed, repaired or left out.",
        '<div class="scroll"><table class="wide"><thead><tr><th>level</th><th>how many</th>'
        f'<th class="name-cell">what</th></tr></thead><tbody>{rows}</tbody></table></div>',
    )


def _details(one: Finding) -> str:
    shown = ", ".join(one.examples)
    parts = [f"for example {shown}" if shown else "", one.remedy, f"[{one.code}]"]
    return "; ".join(part for part in parts if part)
