"""Networks with a CTC head: windows on the grid of their steps, whose outputs are joined.

A window reads more than it owns on both sides; what the model gives there is dropped, so that every
step of the recording is taken from a window that sees what is around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from anysize.augmentation.sounds import SoundChanges
from anysize.core.ctc import BestPath, Search, Steps
from anysize.core.ctc_beam import BeamOptions, BeamSearch, LanguageModel
from anysize.core.ctc_words import Reading
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.protocols import Runtime
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.core.steps import ONE_RUN, Ability, Answer
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.ctc_vocabulary import CTCTokens, least_steps
from anysize.models.network import Network
from anysize.models.step_grid import StepGrid
from anysize.tasks.recordings import MISSING, missing, placed, recording_of
from anysize.tasks.speech.language import BundleLanguage, is_bundle
from anysize.tasks.speech.ngram import NGram
from anysize.tasks.speech.options import SpeechOptions, foreign

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

ROWS, TARGET = "rows", "target"
"""Beside an example: which steps its window owns; in training, the ids of its transcript."""

_KEPT = 24
_OF_WHISPER = ("language", "translate", "voice", "guard", "delay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Runs the model once, and keeps of each step what a search needs.

    Args:
        blank: the token that is nothing.
        beams: texts of a beam search; 1 takes the best path.
        exact: whether what windows share is all that a step depends on.
        rate: samples a second that windows are counted in.
        options: of the beam search.
        reading: what tokens say.
        language: weighs the texts of the beam search.
    """

    blank: int
    beams: int
    exact: bool
    rate: int
    options: BeamOptions
    reading: Reading = field(repr=False, compare=False)
    language: LanguageModel | None = field(default=None, repr=False, compare=False)

    needs: ClassVar[Ability] = "run"

    def cost(self, own: int) -> int:
        """The example's own."""
        return own

    def quick(self) -> Listening:
        """The best path; see ``core.steps.Quickened``."""
        return Listening(
            blank=self.blank, beams=1, exact=self.exact, rate=self.rate, options=self.options,
            reading=self.reading,
        )  # fmt: skip

    def rehearse(self, runtime: Runtime, examples: Sequence[Example]) -> float | None:
        """See ``core.steps.Step``."""
        return ONE_RUN.rehearse(runtime, examples)

    def answers(
        self, runtime: Runtime, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """What the merger ``ctc`` joins, for each example."""
        for answer in ONE_RUN.answers(runtime, examples):
            if answer.problem is not None:
                yield answer
                continue
            logits = answer.output["logits"]
            if (rows := answer.example.aside.get(ROWS)) is not None:
                logits = logits[int(rows[0]) : int(rows[1])]
            steps = Steps.of(logits, self.blank, 1 if self.beams == 1 else _KEPT)
            output = {
                "steps": steps,
                "search": self.search,
                "reading": self.reading,
                "exact": self.exact,
                "rate": self.rate,
            }
            yield Answer(answer.example, output)

    def search(self) -> Search:
        """The search of one recording."""
        if self.beams == 1:
            return BestPath(self.blank)
        return BeamSearch(self.blank, self.options, self.language)


def step(network: Network, options: SpeechOptions) -> Listening:
    """What is done with a batch of windows.

    Raises:
        ConfigurationError: an option that is for other kinds of networks, or a language model
            without a beam search.
    """
    _check(network, options)
    tokens, grid = CTCTokens.of(network), StepGrid.of(network)
    language: LanguageModel | None = None
    if options.language_model is not None:
        kind = BundleLanguage if is_bundle(options.language_model) else NGram
        language = kind(options.language_model, tokens)
    return Listening(
        blank=tokens.blank,
        beams=options.beams,
        exact=grid.exact,
        rate=grid.rate,
        options=BeamOptions(
            beams=options.beams, weight=options.language_weight, bonus=options.token_bonus
        ),
        reading=Reading(
            pieces=tokens.pieces, step=1000 * grid.samples / grid.rate, words=options.words
        ),
        language=language,
    )


def _check(network: Network, options: SpeechOptions) -> None:
    problems = foreign(options, _OF_WHISPER, "models of Whisper", network.spec)
    if (
        options.language_model is None
        and options.language_weight != SpeechOptions().language_weight
    ):
        problems.append(
            "language_weight has no effect without a language model: add --language-model FILE"
        )
    if options.language_model is not None and options.beams == 1:
        problems.append("language_model needs beam search: add --beams 16")
    if problems:
        raise ConfigurationError(problems)


def preprocess(
    network: Network,
    options: SpeechOptions,
    *,
    augment: Augmentation | None = None,
    seed: int = 0,
) -> CTCPreprocess:
    """How a recording becomes windows and examples."""
    changes = None
    if augment is not None:
        rate = network.reads(AudioSettings).sample_rate
        changes = SoundChanges((*augment.steps, *augment.batch_steps), seed, rate)
    return CTCPreprocess(network, changes)


class CTCPreprocess:
    """A record's ``audio`` to examples of frames, with the steps that each window owns.

    Args:
        network: whose windows they are.
        changes: of training recordings; None changes nothing.
    """

    def __init__(self, network: Network, changes: SoundChanges | None = None) -> None:
        self._settings = settings = network.reads(AudioSettings)
        self._network = network
        self._changes = changes
        self._rate = settings.sample_rate
        self._hop = settings.front.hop
        self._grid = StepGrid.of(network)
        self._tokens: CTCTokens | None = None
        self._windows = self._grid.windows(settings)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        sound = recording_of(record, self._settings)
        target = None if draw is None else self.target(record)
        changes = None if draw is None else self._changes
        change = None if changes is None else changes.samples(draw or 0, record.id)
        for index, window in enumerate(self._windows.stream(sound, change)):
            frames = window.frames
            if changes is not None:
                frames = changes.frames(frames, draw or 0, record.id, index)
            aside: dict[str, Any] = {ROWS: self._grid.rows(window.region, window.core, window.last)}
            if target is not None:
                if not window.last:
                    raise DataError(record.id, self._too_long())
                self._check_target(record, target, len(frames))
                aside[TARGET] = target
            outside = missing(sound, self._rate) if window.last else 0
            yield Example(
                ordinal=ordinal,
                window=placed(record.id, index, window, outside),
                arrays={"frames": frames},
                cost=len(frames) * self._hop,
                facts=Facts(reason=MISSING) if outside else None,
                aside=aside,
            )

    def target(self, record: Record) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The ids of a record's transcript.

        Raises:
            DataError: it has none, or none that the vocabulary has.
        """
        if self._tokens is None:
            self._tokens = CTCTokens.of(self._network)
        ids, _ = self._tokens.encode(str(record.target or ""))
        if not ids:
            raise DataError(
                record.id, "has no transcript, or nothing of it is in the model's vocabulary"
            )
        return np.array(ids, np.int64)

    def _too_long(self) -> str:
        seconds = self._settings.window / self._rate
        return (
            f"is longer than a window of {seconds:g} seconds, and it is not known which words of "
            "its transcript are where: divide it, or raise --window"
        )

    def _check_target(
        self, record: Record, target: np.ndarray[Any, np.dtype[np.int64]], frames: int
    ) -> None:
        steps, least = self._grid.steps(frames), least_steps(target.tolist())
        if least > steps:
            raise DataError(
                record.id,
                f"has a transcript of {len(target)} tokens, which needs {least} steps, and its "
                f"recording gives {steps}: the transcript belongs to another recording, or "
                "the recording is cut off",
            )
