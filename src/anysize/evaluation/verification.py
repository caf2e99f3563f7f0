"""Evaluation of the recognition tasks: are two samples of one identity or of two?

It is free of any classifier: identities that the model was trained on are left out, so what is
measured is how it does on people whom it has never seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import RenderableType

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.excerpts import excerpt_reader
from anysize.evaluation.intervals import Interval
from anysize.evaluation.rendering import render
from anysize.evaluation.verification_result import FALSE_ACCEPT_RATES, Verification
from anysize.evaluation.verification_run import VerificationRun
from anysize.recognition.pairs import (
    bootstrap_equal_error,
    closed_set,
    extreme_pairs,
    numbered,
    pair_counts,
    rank_one,
    unit_vectors,
)

if TYPE_CHECKING:
    from anysize.models.bundle import Card

PROVIDES = ("face-recognition", "speaker-recognition")

_WORST_PAIRS = 8
# Above this the intervals and the identification rates would take minutes.
_MOST_SAMPLES = 2000


def measure(results: Iterable[Result | ErrorResult], *, card: Card, source: Source) -> Verification:
    """Compares every sample with every other one; see ``Verification``.

    Args:
        results: one a record, in the order of ``source``, with ``details["found"]``; of several
            faces the largest counts.
        card: of the bundle; its labels are the identities that the model was trained on.
        source: of the records.

    Raises:
        DataError: fewer than two unseen identities, or none with two samples.
    """
    run = VerificationRun(trained=frozenset(card.labels))
    for ordinal, result in enumerate(results):
        run.add(ordinal, result, source)
    known, identities = numbered(run.names)
    if len(known) < 2:
        raise DataError(source.name, run.nothing_to_score(len(known)))
    vectors = unit_vectors(np.array(run.vectors), source.name)
    counts = pair_counts(vectors, identities)
    rates = counts.rates()
    rate, threshold = rates.equal_error()
    interval: Interval | None = None
    ranks: tuple[float | None, float | None, float | None] = (None, None, None)
    if len(vectors) <= _MOST_SAMPLES:
        low, high = bootstrap_equal_error(vectors, identities)
        interval = Interval(low=low, high=high, level=0.95, method="bootstrap over identities")
        left_out, single, _ = rank_one(vectors, identities)
        ranks = left_out, single, closed_set(vectors, identities)
    hard = extreme_pairs(vectors, identities, _WORST_PAIRS)
    read = excerpt_reader(source.__getitem__)
    return Verification(
        eer=rate,
        eer_threshold=threshold,
        eer_interval=interval,
        operating=tuple(rates.at_false_accept(each) for each in FALSE_ACCEPT_RATES),
        rank1=ranks[0],
        rank1_single=ranks[1],
        closed_set=ranks[2],
        counts=counts,
        rates=rates,
        identities=len(known),
        samples=len(vectors),
        trained=(len(run.left_out), sum(run.left_out.values())),
        empty=run.empty,
        without_target=run.without_target,
        false_rejects=tuple(run.pair(*pair, read) for pair in hard[0]),
        false_accepts=tuple(run.pair(*pair, read) for pair in hard[1]),
        receipts=run.receipts.summary(),
        failure_count=run.failure_count,
        failures=tuple(run.failures),
    )


def write_report(
    evaluation: Verification, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and ``report.html``."""
    from anysize.evaluation.verification_report import write

    write(evaluation, folder, card=card, source=source)


@render.register
def _table(evaluation: Verification) -> RenderableType:
    from anysize.evaluation.verification_report import table

    return table(evaluation)
