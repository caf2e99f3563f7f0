"""What is odd about the answers of a data set, counted and named before work starts."""

from __future__ import annotations

from collections import Counter, defaultdict

from anysize.core.errors import DataError
from anysize.core.findings import Findings, Level
from anysize.core.progress import counted
from anysize.core.records import Source
from anysize.tasks.answer_columns import CONTEXT, IMPOSSIBLE, QUESTION, START
from anysize.tasks.answer_targets import Wanted, wanted

_NAMED = 5
# By how answers were found: the code, the level, what is said and the remedy.
_SAID: dict[str, tuple[str, Level, str, str]] = {
    "moved": (
        "answer-start-repaired",
        "warning",
        f"answers are not where {START.role} says; the nearest place with their text is taken",
        f"check {START.role}: it counts characters of the context, from 0",
    ),
    "nearly": (
        "answer-found-nearly",
        "warning",
        "answers differ from their context in case or blanks; the place that fits is taken",
        "write them as they are in the context",
    ),
    "missing": (
        "answer-not-in-context",
        "warning",
        "answers are not in their context: nothing is learned from them, and a model cannot give "
        "them",
        "check the columns of contexts and answers",
    ),
    "first of several": (
        "answer-place-guessed",
        "note",
        "answers occur more than once in their context, and the data do not say which place is "
        "meant; the first one is taken",
        f"add a column {START.role}",
    ),
    "impossible": (
        "answer-of-impossible",
        "warning",
        f"questions have answers although {IMPOSSIBLE.role} says that there are none; they count "
        "as questions without an answer",
        f"correct {IMPOSSIBLE.role} or the answers",
    ),
    "nothing": (
        "question-without-target",
        "warning",
        "questions have no answers, and the data do not say that there is none; they are left out",
        f"write an empty list, or true in a column {IMPOSSIBLE.role}, where the context does not "
        "answer the question",
    ),
    "asks nothing": (
        "question-missing",
        "warning",
        "records have no question",
        f"name the column with --columns {QUESTION.role}=NAME",
    ),
}


def note_answers(source: Source, findings: Findings) -> None:
    """Reads every record's answers and looks for them in its context.

    Records that cannot be read are left to those who read them later.

    Args:
        source: questions with contexts and answers.
        findings: takes what is found.
    """
    counts: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    indices = range(len(source))
    for index in counted(indices, f"looking for the answers of {source.name}", len(source)):
        try:
            record = source[index]
            odd = _odd(wanted(record, CONTEXT.role))
            if QUESTION.role not in record.fields:
                odd["asks nothing"] += 1
        except DataError:
            continue
        counts.update(odd)
        for name in odd:
            if len(examples[name]) < _NAMED:
                examples[name].append(record.id)
    for name, (code, level, message, remedy) in _SAID.items():
        if counts[name]:
            unit = "records" if name in ("impossible", "nothing", "asks nothing") else "answers"
            findings.add(
                code,
                message,
                level=level,
                count=counts[name],
                unit=unit,
                examples=examples[name],
                remedy=remedy,
            )


def _odd(found: Wanted | None) -> Counter[str]:
    """What is odd about a record's answers, and how often; equal ones count once."""
    if found is None:
        return Counter(["nothing"])
    if found.impossible:
        return Counter(["impossible"])
    return Counter(one.how for one in set(found.answers) if one.how in _SAID)
