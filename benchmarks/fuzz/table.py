"""What was found, as text."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from anysize.core.memory import format_size
from benchmarks.fuzz.harness import BROKEN, Limits, Outcome


def summary(kind: str, seed: int, found: Sequence[Outcome], limits: Limits) -> str:
    """A table of one row a count."""
    counts = Counter(outcome.answer for outcome in found)
    rows = [("inputs", str(len(found)))]
    rows += [(answer, str(counts[answer])) for answer in ("read", "refused", *BROKEN)]
    if found:
        seconds = [outcome.seconds for outcome in found]
        rows.append(("seconds, median", f"{statistics.median(seconds):.3f}"))
        rows.append(("seconds, most", f"{max(seconds):.2f} of {limits.seconds:g}"))
        most = format_size(max(outcome.peak for outcome in found))
        rows.append(("memory, most", f"{most} of {format_size(limits.bytes)}"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{kind}, seed {seed}", *(f"  {name:<{width}}  {value}" for name, value in rows)]
    return "\n".join(lines)


def offences(kind: str, seed: int, found: Sequence[Outcome]) -> str:
    """A line for each input that broke a rule, with how to make it again; empty where none did."""
    return "\n".join(
        f"  {outcome.answer}: --kind {kind} --seed {seed} --first {outcome.number} --count 1"
        f"  ({outcome.seconds:.1f} s, {format_size(outcome.peak)}) {outcome.message}"
        for outcome in found
        if outcome.broken
    )
