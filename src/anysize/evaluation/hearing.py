"""Speech that is measured by what another model hears of it: a round trip from text to text."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.results import ErrorResult, Result
from anysize.core.transcripts import joined
from anysize.models.spec import in_one_file, open_network
from anysize.planning.budget import refuse_early, weights_size
from anysize.planning.live import live_results
from anysize.planning.options import PredictOptions, with_settings
from anysize.planning.session import Session
from anysize.sources.stream import single
from anysize.synthesis.rewriting import spoken
from anysize.tasks.abilities import RECOGNISER, Audible
from anysize.tasks.protocols import Task, answering
from anysize.tasks.transcripts.numerals import in_words

if TYPE_CHECKING:
    from anysize.core.records import Source
    from anysize.models.network import Network
    from anysize.planning.prediction import PredictionPlan

USUAL = "whisper-tiny.en"
"""The recogniser of voices of English."""
LONGEST = 20_000
"""Characters of a text that is compared."""
_OTHERWISE = {"cmn": "zh", "yue": "zh", "nb": "no"}
"""Languages that Whisper calls otherwise than espeak-ng."""


def judged_task(task: Task) -> Task:
    """What a task is measured by: speech by what is heard of it, all else as it is trained."""
    spoken = answering(task)
    return spoken if isinstance(spoken, Audible) else task


def without_recogniser(options: PredictOptions) -> PredictOptions:
    """The options of those who only speak."""
    own = {name: value for name, value in options.of_task.items() if name != RECOGNISER}
    return dataclasses.replace(options, of_task=own)


def round_trip(
    session: Session,
    task: Audible,
    source: Source,
    options: PredictOptions,
    plan: PredictionPlan | None = None,
    on_windows: Callable[[int], None] | None = None,
) -> Iterator[Result | ErrorResult]:
    """Speaks the texts of a source and hears them; see `heard` for what comes of it.

    Args:
        session: of the voice, as it predicts.
        task: the session's, with the caller's options.
        source: the texts.
        options: of the evaluation.
        plan: for speaking; None makes it.
        on_windows: called with how many utterances were spoken.

    Raises:
        ConfigurationError: see `recogniser_of`.
    """
    recogniser = recogniser_of(session.network, task, options)
    asked, role = without_recogniser(options), session.task.role
    plan = plan or session.plan(source, asked)
    _open_voice(session, source, asked, plan, role)
    results = session.results(source, asked, plan=plan, on_windows=on_windows)
    return heard(results, source, recogniser, language_of(session.network), options, role)


def recogniser_of(network: Network, task: Audible, options: PredictOptions) -> Session:
    """The model that hears a voice, ready to predict.

    Args:
        network: the voice.
        task: of it, with its options.
        options: of the evaluation; the recogniser is held to the same memory.

    Raises:
        ConfigurationError: nobody named one and the voice is not of English, or it is no model
            for recognition.
    """
    spec = recogniser_spec(network, task.listener)
    refuse_early(f"loading {spec}", options.budget, weights_size(spec), training=False)
    found, card = open_network(spec)
    if card.task != "automatic-speech-recognition":
        raise ConfigurationError(
            f"--recogniser must name a model for automatic-speech-recognition, and {spec} is for "
            f"{card.task}"
        )
    folder = Path(spec) if Path(spec).is_dir() and not in_one_file(spec) else None
    return Session(found, card, folder)


def recogniser_spec(network: Network, named: str | None) -> str:
    """Spec of the model that hears a voice.

    Args:
        network: the voice.
        named: what the caller wishes; None is the usual one for English.

    Raises:
        ConfigurationError: nobody named one and the voice is not of English.
    """
    language = language_of(network)
    if named is None and language != "en":
        own = f"the language {language}" if language else "a language that it does not name"
        raise ConfigurationError(
            f"the voice is of {own}: name a model that hears it with --recogniser (whisper-base "
            "knows 99 languages)"
        )
    return named or USUAL


def language_of(network: Network) -> str:
    """The language of a voice by the code that Whisper has; empty where it does not say."""
    own = str(getattr(network.module, "language", "") or "").lower()
    code = own.partition("-")[0].partition("_")[0]
    return _OTHERWISE.get(code, "en" if code == "eng" else code)


def heard(
    results: Iterator[Result | ErrorResult],
    source: Source,
    recogniser: Session,
    language: str,
    options: PredictOptions,
    role: str,
) -> Iterator[Result | ErrorResult]:
    """What is heard of speech, with the text that was spoken as its target.

    In both, numbers, dates and abbreviations are written out as a voice reads them.

    Details have ``speech``, ``took`` (seconds that speaking took) and ``recogniser``.

    Args:
        results: speech, in the order of the source.
        source: the texts.
        recogniser: hears it.
        language: of the voice; empty where nobody knows.
        options: of the evaluation.
        role: the field of a record that is spoken.
    """
    from anysize.tasks.speech.kinds import knows_languages

    settings: dict[str, Any] = {"memory": options.memory}
    if language and knows_languages(recogniser.network):
        settings["language"] = language
    for ordinal, result, took in _timed(results):
        if isinstance(result, ErrorResult):
            yield result
            continue
        try:
            text = _comparable(_text(source, ordinal, role), language)
            said, counts = _said(recogniser, result, settings)
        except DataError as error:
            yield ErrorResult(id=result.id, error=str(error))
            continue
        speech = result.prediction
        known = {**(result.receipt.counts or {}), "milliseconds": round(1000 * speech.seconds)}
        details = {"speech": speech, "took": took, "recogniser": recogniser.network.spec}
        yield Result(
            id=result.id,
            prediction=_comparable(said, language),
            score=None,
            receipt=dataclasses.replace(result.receipt, counts={**counts, **known}),
            details=details,
            target=text,
        )


def _open_voice(
    session: Session, source: Source, options: PredictOptions, plan: PredictionPlan, role: str
) -> None:
    """Speaks the first text once, so that opening the voice is not timed with the others."""
    if not len(source):
        return
    with contextlib.suppress(DataError):  # it is named when its turn comes
        first = single(role, "first", source[0].fields[role])
        for _ in session.results(first, options, plan=plan):
            pass


def _comparable(text: str, language: str) -> str:
    """A text with its numbers as they are said, where rules for its language are known."""
    found = spoken(text, language)
    return in_words(found) if language == "en" else found


def _timed(
    results: Iterator[Result | ErrorResult],
) -> Iterator[tuple[int, Result | ErrorResult, float]]:
    """Results with their places and the seconds that they took."""
    ordinal = 0
    while True:
        begin = time.perf_counter()
        result = next(results, None)
        if result is None:
            return
        yield ordinal, result, time.perf_counter() - begin
        ordinal += 1


def _text(source: Source, ordinal: int, role: str) -> str:
    """What was spoken.

    Raises:
        DataError: it is too long to be compared.
    """
    record = source[ordinal]
    found, size = [], 0
    for chunk in record.text(role).chunks():
        size += len(chunk)
        if size > LONGEST:
            raise DataError(
                record.id,
                f"has more than {LONGEST:,} characters; speech is compared with texts up to that: "
                "divide it into rows of a table",
            )
        found.append(chunk)
    return "".join(found)


def _said(
    recogniser: Session, result: Result, settings: Mapping[str, Any]
) -> tuple[str, dict[str, int]]:
    """What is heard, in constant memory, and what the recogniser counts about it.

    Raises:
        DataError: it cannot hear it.
    """
    speech = result.prediction
    if not speech.count:
        return "", {}
    texts, counts = [], dict[str, int]()
    asked = {**settings, "pcm_rate": speech.sample_rate}
    options = with_settings(None, asked, tasks.of(recogniser.card))
    found = live_results(recogniser, speech.pcm(), options, name=result.id)
    for part in found:
        if isinstance(part, ErrorResult):
            raise DataError(result.id, f"cannot be heard: {part.error}")
        texts.append(str(part.prediction))
        if isinstance(part, Result):
            guards = ("doubtful", "loops_cut", "silenced")
            own = part.receipt.counts or {}
            counts = {f"heard_{name}": own[name] for name in guards if name in own}
    return joined(texts), counts
