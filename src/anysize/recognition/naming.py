"""From results with embeddings to results with names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from anysize.core.results import ErrorResult, Result
from anysize.recognition.matching import Matcher

EMBEDDING = "embedding"


def named(
    results: Iterable[Result | ErrorResult], matcher: Matcher
) -> Iterator[Result | ErrorResult]:
    """Names what was found in each record.

    The prediction is the name of the first thing found (of faces the largest), ``unknown`` for a
    stranger, and None where nothing was found; the score is its cosine, 0 at least. Every entry of
    ``found`` gets ``name``, ``nearest``, ``similarity`` and ``threshold``, and loses its embedding.
    """
    for result in results:
        if isinstance(result, ErrorResult):
            yield result
            continue
        found: list[dict[str, Any]] = list(result.details["found"])
        if not found:
            yield dataclasses.replace(result, prediction=None, score=0.0)
            continue
        matches = matcher.match(np.array([entry[EMBEDDING] for entry in found]))
        entries = [
            {key: value for key, value in entry.items() if key != EMBEDDING} | match.to_json()
            for entry, match in zip(found, matches, strict=True)
        ]
        yield dataclasses.replace(
            result,
            prediction=matches[0].name,
            score=max(0.0, matches[0].score),
            details={**result.details, "found": entries},
        )
