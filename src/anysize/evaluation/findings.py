"""Findings as a table for the terminal, and as words for a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anysize.core.findings import Finding

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


def details(one: Finding) -> str:
    """Examples, remedy and code of a finding, as a report shows them below its message."""
    shown = ", ".join(one.examples)
    parts = [f"for example {shown}" if shown else "", one.remedy, f"[{one.code}]"]
    return "; ".join(part for part in parts if part)
