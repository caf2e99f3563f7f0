"""Evaluation of speech recognition: word and character error rates by jiwer.

Errors are summed over the records (Koehn 2004 resamples them for the intervals); how texts are made
comparable is in ``tasks.transcripts.normalizing``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.excerpts import Excerpt
from anysize.core.highest import Highest
from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import pages, transcript_rendering
from anysize.evaluation.differences import marked_as_compared
from anysize.evaluation.excerpts import excerpt_at
from anysize.evaluation.intervals import Interval, percentiles, resamples
from anysize.evaluation.numbers import percent
from anysize.evaluation.passing import Passed
from anysize.evaluation.seams import SeamCounter, times_of
from anysize.evaluation.transcript_rendering import bounds, by_distance, distance
from anysize.evaluation.transcript_result import ShownTranscript, TranscriptEvaluation
from anysize.tasks.transcripts.normalizing import unspaced_share, words
from anysize.tasks.transcripts.word_errors import (
    Aligned,
    Errors,
    alignment,
    character_errors,
    error_counts,
    word_errors,
    written_errors,
)

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["OBSERVED", "measure", "metric_of_sums", "observed", "record_sums", "write_report"]

PROVIDES = ("automatic-speech-recognition",)
OBSERVED = "words"

_SHOWN = 12
_CHARACTERS = 1500
_NAMED = 20
_MOST_PAIRS = 200_000  # of which rare ones are forgotten beyond

transcript_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> TranscriptEvaluation:
    """Scores a stream of results against the transcripts of their records.

    Args:
        results: one a record, in the order of ``source``. Where the words of their segments have
            times (``seams.times_of``), and their details name ``seams`` in milliseconds, errors
            are counted by the distance from a seam.
        card: of the bundle.
        source: of the recordings with their transcripts.

    Raises:
        DataError: there is nothing to score.
        MissingExtraError: jiwer is not installed.
    """
    run = _Run(source)
    for index, result, target, _ in run.passed.scored(results):
        run.add(index, result, str(target))
    if not run.counts:
        run.passed.refuse("a transcript to compare with; name its column with --columns text=NAME")
    return run.finish()


def record_sums(result: Result, target: Any) -> NDArray[Any]:
    """What a record adds to the error rates; see ``paired_sums.Summing``."""
    return error_counts(str(result.prediction), str(target))


def metric_of_sums(sums: NDArray[Any]) -> float:
    """The word error rate of summed records."""
    return float(_rate(np.asarray(sums)[None, :4])[0])


def observed(sums: NDArray[Any]) -> int:
    """How many words the references of summed records have; see ``paired_sums.Observing``."""
    return int(sums[:3].sum())


def write_report(
    evaluation: TranscriptEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def excerpt(shown: ShownTranscript) -> Excerpt:
        return excerpt_at(lambda place: source[place], shown.index)

    write_pages(evaluation, folder, card=card, source=source, excerpt=excerpt)


def write_pages(
    evaluation: TranscriptEvaluation,
    folder: Path,
    *,
    card: Mapping[str, Any],
    source: Source,
    excerpt: Callable[[ShownTranscript], Excerpt],
    cards: Sequence[tuple[str, str, str]] = (),
    notices: Sequence[str] = (),
) -> None:
    """As `write_report`.

    Args:
        evaluation: that is shown.
        folder: takes both files.
        card: of the bundle.
        source: of the records.
        excerpt: what is heard of a record.
        cards: numbers at the top, behind the error rates: name, value, note.
        notices: sentences behind those about all transcripts.
    """
    pages.report(
        "evaluation/templates/transcripts.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=[*_cards(evaluation), *cards],
        notices=[*_notices(evaluation), *notices, *evaluation.notices("transcript")],
        plot=by_distance(evaluation.seams) if evaluation.seams else "",
        seams=[
            (
                distance(each), percent(each.rate), each.substitutions, each.deletions,
                each.insertions, f"{each.reference:,}",
            )
            for each in evaluation.seams
        ],
        records=[{**_shown(each), "excerpt": excerpt(each)} for each in evaluation.worst],
    )  # fmt: skip


class _Run:
    """What is kept while results stream past: a few numbers of each, and some records."""

    def __init__(self, source: Source) -> None:
        self.passed = Passed(source)
        self.counts: list[NDArray[np.int64]] = []
        self._unspaced = 0
        self._milliseconds = 0
        self._untimed = 0
        self._seams = SeamCounter()
        self._wrong: dict[str, Counter[tuple[str, str]]] = {
            name: Counter() for name in ("substitute", "delete", "insert")
        }
        self._worst = Highest[ShownTranscript](_SHOWN)

    def add(self, index: int, result: Result, target: str) -> None:
        prediction = str(result.prediction)
        self.counts.append(error_counts(prediction, target))
        own, wanted = words(prediction), words(target)
        self._unspaced += unspaced_share(wanted) > 0.5
        self._milliseconds += int((result.receipt.counts or {}).get("milliseconds", 0))
        steps = alignment(own, wanted)
        self._note(steps, own, wanted)
        timed = times_of(result.details)
        seams = [each / 1000 for each in result.details.get("seams", ())]
        if timed is not None and seams:
            by_time = steps if timed[0] == own else alignment(timed[0], wanted)
            self._seams.add(by_time, timed[1], seams)
        elif seams:
            self._untimed += 1
        errors = word_errors(self.counts[-1])
        wrong = errors.substitutions + errors.deletions + errors.insertions
        if not wrong:
            return
        shown = ShownTranscript(
            index=index,
            id=result.id,
            wer=errors.rate,
            wrong=wrong,
            prediction=prediction[:_CHARACTERS],
            reference=target[:_CHARACTERS],
            speech=result.details.get("speech"),
        )
        self._worst.add((wrong, errors.rate), index, shown)

    def _note(self, steps: list[Aligned], own: list[str], wanted: list[str]) -> None:
        for step in steps:
            if step.operation == "equal":
                continue
            pair = (
                "" if step.operation == "insert" else wanted[step.reference],
                "" if step.operation == "delete" else own[step.found],
            )
            counter = self._wrong[step.operation]
            counter[pair] += 1
            if len(counter) > _MOST_PAIRS:
                for rare in [each for each, times in counter.items() if times == 1]:
                    del counter[rare]

    def finish(self) -> TranscriptEvaluation:
        rows = np.stack(self.counts)
        whole = rows.sum(0)
        named = {name: counter.most_common(_NAMED) for name, counter in self._wrong.items()}
        return TranscriptEvaluation(
            words=word_errors(whole),
            characters=character_errors(whole),
            written=written_errors(whole),
            intervals=_intervals(rows),
            unspaced=self._unspaced,
            seams=self._seams.bins(),
            untimed=self._untimed,
            substituted=tuple((*pair, times) for pair, times in named["substitute"]),
            deleted=tuple((wanted, times) for (wanted, _), times in named["delete"]),
            inserted=tuple((found, times) for (_, found), times in named["insert"]),
            worst=tuple(self._worst.entries()),
            seconds=self._milliseconds / 1000,
            **self.passed.account(),
        )


def _rate(sums: NDArray[Any]) -> NDArray[np.float64]:
    """Error rates of counts ``[n, 4]``."""
    wrong = sums[:, 1:].sum(1)
    found: NDArray[np.float64] = wrong / np.maximum(sums[:, :3].sum(1), 1)
    return found


def _intervals(rows: NDArray[np.int64]) -> dict[str, Interval]:
    """The percentile intervals over resampled records; of a single record there are none."""
    count = len(rows)
    if count < 2:
        return {}
    sums = np.stack([times @ rows for times in resamples(count)])
    return {"wer": percentiles(_rate(sums[:, :4])), "cer": percentiles(_rate(sums[:, 4:8]))}


def _cards(evaluation: TranscriptEvaluation) -> list[tuple[str, str, str]]:
    intervals = evaluation.intervals
    return [
        ("WER", percent(evaluation.words.rate), _split(evaluation.words, intervals.get("wer"))),
        (
            "CER",
            percent(evaluation.characters.rate),
            _split(evaluation.characters, intervals.get("cer")),
        ),
        (
            "WER as written",
            percent(evaluation.written.rate),
            "case and punctuation count",
        ),
        (
            "recordings",
            f"{evaluation.receipts.records:,}",
            f"{evaluation.seconds / 60:,.1f} minutes",
        ),
    ]


def _split(errors: Errors, interval: Interval | None) -> str:
    words_of = (
        f"{errors.substitutions:,} substituted, {errors.deletions:,} deleted, "
        f"{errors.insertions:,} inserted of {errors.reference:,}"
    )
    return words_of if interval is None else f"{bounds(interval)}; {words_of}"


def _notices(evaluation: TranscriptEvaluation) -> list[str]:
    lines = [evaluation.rule]
    if evaluation.unspaced:
        lines.append(
            f"{evaluation.unspaced:,} of {evaluation.receipts.records:,} references are in a "
            "script without spaces: the character error rate is the one to look at, and the word "
            "error rate is that of characters without blanks."
        )
    if evaluation.untimed:
        lines.append(
            f"{number_of(evaluation.untimed, 'recording was', 'recordings were')} read in several "
            "windows, and the words found have no times: errors near seams are not told apart "
            "(--words gives times)."
        )
    if evaluation.receipts.records == 1:
        lines.append("One recording alone has no interval: a bootstrap draws recordings.")
    return lines


def _shown(each: ShownTranscript) -> dict[str, Any]:
    """A record with what differs between its transcript and the reference marked."""
    prediction, reference = marked_as_compared(each.prediction, each.reference, words)
    return {
        "id": each.id,
        "note": f"{number_of(each.wrong, 'error', 'errors')}, {percent(each.wer)}",
        "text": "",
        "prediction": prediction,
        "reference": reference,
    }
