"""From results with embeddings to results with names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from anysize.core.results import ErrorResult, Result
from anysize.recognition.gallery import UNKNOWN
from anysize.recognition.matching import Matcher

EMBEDDING = "embedding"


def named(
    results: Iterable[Result | ErrorResult], matcher: Matcher
) -> Iterator[Result | ErrorResult]:
    """Names what was found in each record.

    The prediction is the name of the first thing found (of faces the largest), ``unknown`` for a
    stranger, and None where nothing was found; the score is its cosine, 0 at least. Every entry of
    ``found`` gets ``name``, ``nearest``, ``similarity`` and ``threshold``, and loses its embedding.
    The lines of a ``timeline`` are given the names of their speakers, and its prediction, how many
    there are, stays.
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
        entries: list[dict[str, Any]] = [
            {key: value for key, value in entry.items() if key != EMBEDDING} | match.to_json()
            for entry, match in zip(found, matches, strict=True)
        ]
        details = {**result.details, "found": entries}
        if "timeline" in details:
            yield dataclasses.replace(result, details=_with_names(details))
            continue
        yield dataclasses.replace(
            result,
            prediction=matches[0].name,
            score=max(0.0, matches[0].score),
            details=details,
        )


def _with_names(details: dict[str, Any]) -> dict[str, Any]:
    """A timeline whose speakers are called by name where they have one."""
    names = {
        entry["speaker"]: entry["name"] for entry in details["found"] if entry["name"] != UNKNOWN
    }
    lines = [
        {**line, "speaker": names.get(line["speaker"], line["speaker"])}
        for line in details["timeline"]
    ]
    return {**details, "timeline": lines}
