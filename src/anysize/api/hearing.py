"""Speech that is measured by what another model hears of it: a round trip from text to text."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from anysize.api.misplaced import RECOGNISER
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.results import ErrorResult, Result
from anysize.core.transcripts import joined
from anysize.synthesis.rewriting import spoken
from anysize.tasks.abilities import Audible
from anysize.tasks.transcripts.numerals import in_words

if TYPE_CHECKING:
    from anysize.api.model import Model
    from anysize.core.records import Source
    from anysize.planning.options import PredictOptions

USUAL = "whisper-tiny.en"
"""The recogniser of voices of English."""
LONGEST = 20_000
"""Characters of a text that is compared."""
_OTHERWISE = {"cmn": "zh", "yue": "zh", "nb": "no"}
"""Languages that Whisper calls otherwise than espeak-ng."""


def without_recogniser(options: PredictOptions) -> PredictOptions:
    """The options of those who only speak."""
    own = {name: value for name, value in options.of_task.items() if name != RECOGNISER}
    return dataclasses.replace(options, of_task=own)


def recogniser_of(model: Model, task: Audible, options: PredictOptions) -> Model:
    """The model that hears a voice.

    Args:
        model: the voice.
        task: of it, with its options.
        options: of the evaluation; the recogniser is held to the same memory.

    Raises:
        ConfigurationError: nobody named one and the voice is not of English, or it is no model
            for recognition.
    """
    from anysize.api.loading import load

    language = language_of(model)
    spec = task.listener
    if spec is None and language != "en":
        heard = f"of the language {language}" if language else "of a language that it does not name"
        raise ConfigurationError(
            f"the voice is {heard}: name a model that hears it with --recogniser (whisper-base "
            "knows 99 languages)"
        )
    found = load(spec or USUAL, memory=options.budget)
    if found.card.task != "automatic-speech-recognition":
        raise ConfigurationError(
            f"--recogniser must name a model for automatic-speech-recognition, and {spec} is for "
            f"{found.card.task}"
        )
    return found


def language_of(model: Model) -> str:
    """The language of a voice by the code that Whisper has; empty where it does not say."""
    own = str(getattr(model.network.module, "language", "") or "").lower()
    code = own.partition("-")[0].partition("_")[0]
    return _OTHERWISE.get(code, "en" if code == "eng" else code)


def heard(
    results: Iterator[Result | ErrorResult],
    source: Source,
    recogniser: Model,
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
    recogniser: Model, result: Result, settings: Mapping[str, Any]
) -> tuple[str, dict[str, int]]:
    """What is heard, in constant memory, and what the recogniser counts about it.

    Raises:
        DataError: it cannot hear it.
    """
    speech = result.prediction
    if not speech.count:
        return "", {}
    texts, counts = [], dict[str, int]()
    found = recogniser.live(speech.pcm(), name=result.id, pcm_rate=speech.sample_rate, **settings)
    for part in found:
        if isinstance(part, ErrorResult):
            raise DataError(result.id, f"cannot be heard: {part.error}")
        texts.append(str(part.prediction))
        if isinstance(part, Result):
            guards = ("doubtful", "loops_cut", "silenced")
            own = part.receipt.counts or {}
            counts = {f"heard_{name}": own[name] for name in guards if name in own}
    return joined(texts), counts
