"""What a verification found: error rates over all pairs, and the hardest of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anysize.core.findings import Finding
from anysize.core.results import ErrorResult
from anysize.evaluation.intervals import Interval
from anysize.evaluation.lengths import ReceiptSummary
from anysize.evaluation.verification_run import Pair
from anysize.recognition.scores import Operating, Rates, ScoreCounts

FALSE_ACCEPT_RATES = (0.01, 0.001)

_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How well a model distinguishes identities that it was not trained on.

    Attributes:
        eer, eer_threshold: the equal error rate over all pairs, and where it is reached.
        eer_interval: bootstrap over identities; None above 2,000 samples.
        operating: TAR at each of ``FALSE_ACCEPT_RATES``.
        closed_set: share of samples whose identity's other samples, joined to one template, are
            more similar than any other identity's.
        rank1: share of samples whose most similar other sample is of the same identity.
        rank1_single: the same with one sample of each identity in the gallery, drawn at random,
            in expectation. All three None above 2,000 samples.
        counts, rates: of all pairs.
        identities, samples: that were scored.
        trained: identities left out because the model was trained on them, and their samples.
        empty: samples in which nothing was found.
        without_target: records without an identity.
        false_rejects, false_accepts: the hardest genuine and impostor pairs.
        receipts: what was read.
        failures: records that could not be read; the first are named.
        findings: what was guessed, repaired or left out of the data.
    """

    eer: float
    eer_threshold: float
    eer_interval: Interval | None
    operating: tuple[Operating, ...]
    closed_set: float | None
    rank1: float | None
    rank1_single: float | None
    counts: ScoreCounts
    rates: Rates
    identities: int
    samples: int
    trained: tuple[int, int]
    empty: int
    without_target: int
    false_rejects: tuple[Pair, ...]
    false_accepts: tuple[Pair, ...]
    receipts: ReceiptSummary
    failure_count: int
    failures: tuple[ErrorResult, ...]
    findings: tuple[Finding, ...] = ()

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        found = {"eer": self.eer}
        for rate, point in zip(FALSE_ACCEPT_RATES, self.operating, strict=True):
            found[f"tar_at_far_{rate:g}"] = point.true_accept_rate
        if self.closed_set is not None:
            found["closed_set_accuracy"] = self.closed_set
        if self.rank1 is not None and self.rank1_single is not None:
            found |= {"rank1": self.rank1, "rank1_single": self.rank1_single}
        return found

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "eer_threshold": self.eer_threshold,
            "intervals": {} if self.eer_interval is None else {"eer": self.eer_interval.to_json()},
            "operating_points": [
                {"asked": rate, **point.to_json()}
                for rate, point in zip(FALSE_ACCEPT_RATES, self.operating, strict=True)
            ],
            "identities": self.identities,
            "samples": self.samples,
            "genuine_pairs": self.counts.genuine,
            "impostor_pairs": self.counts.impostor,
            "trained_identities_left_out": self.trained[0],
            "trained_samples_left_out": self.trained[1],
            "samples_with_nothing_found": self.empty,
            "records_without_target": self.without_target,
            "failed_records": self.failure_count,
            "roc": self.curve(),
            "hardest_genuine_pairs": [pair.to_json() for pair in self.false_rejects],
            "hardest_impostor_pairs": [pair.to_json() for pair in self.false_accepts],
            "receipts": self.receipts.to_json(),
            "failures": [failure.to_json() for failure in self.failures],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def curve(self) -> list[dict[str, float]]:
        """The ROC curve at a bounded number of thresholds, close together where FAR is low."""
        rates = self.rates
        steps = np.unique(
            np.concatenate(
                [
                    np.linspace(0, len(rates.thresholds) - 1, _POINTS // 2),
                    np.searchsorted(
                        -rates.false_accept, -np.geomspace(1, 1e-5, _POINTS // 2), side="left"
                    ).clip(0, len(rates.thresholds) - 1),
                ]
            ).astype(int)
        )
        return [
            {
                "threshold": round(float(rates.thresholds[step]), 6),
                "far": float(rates.false_accept[step]),
                "tar": float(rates.true_accept[step]),
            }
            for step in steps
        ]
