"""Training of networks with a CTC head: what they learn from, and what cannot be learned."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.findings import Findings
from anysize.core.plurals import number_of
from anysize.core.progress import counted
from anysize.core.records import Record, Source
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.ctc_vocabulary import CTCTokens, least_steps
from anysize.models.network import Network
from anysize.models.step_grid import StepGrid
from anysize.readers.audio.sound import Sound
from anysize.tasks.audio_classification import AudioClassification
from anysize.tasks.speech.ctc import TARGET

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import Tensors
    from anysize.tasks.protocols import LossBatch

_SHOWN = 5


def begin(network: Network, source: Source) -> None:
    """Checks the vocabulary, and gives a fresh network the mean and variance of frames.

    Raises:
        BundleError: there is no vocabulary.
        DataError: no recording can be read.
    """
    CTCTokens.of(network)
    AudioClassification().begin(network, source, ())


def loss(network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
    """The mean over the tokens of each transcript, summed over the records.

    The loss of a transcript is minus the logarithm of the probability of all paths that collapse to
    it (Graves et al. 2006).
    """
    import torch
    from torch.nn.functional import ctc_loss
    from torch.nn.utils.rnn import pad_sequence

    assert batch.lengths is not None
    lengths = batch.lengths.cpu()
    rows = outputs["logits"].float().log_softmax(-1).split(lengths.tolist())
    targets = [torch.from_numpy(each.aside[TARGET]) for each in batch.examples]
    sizes = torch.tensor([len(each) for each in targets])
    found = ctc_loss(
        pad_sequence(list(rows)),
        torch.cat(targets).to(outputs["logits"].device),
        lengths,
        sizes,
        blank=int(network.module.config.pad_token_id or 0),
        reduction="none",
    )
    total: Tensor = (found / sizes.to(found.device)).sum()
    return total


def made_up(example: Example) -> Example:
    """An example of a probe with a transcript, one token for every 16 frames at most."""
    frames = len(example.arrays["frames"])
    hop = max(example.cost // max(frames, 1), 1)
    seconds = frames * hop / 16_000
    # Far fewer than there are steps, and never two equal ones side by side.
    target = 1 + np.arange(max(int(4 * seconds), 1), dtype=np.int64) % 2
    return dataclasses.replace(example, aside={**example.aside, TARGET: target})


def measure(network: Network, source: Source, findings: Findings) -> None:
    """Counts recordings that cannot be learned from; only headers and transcripts are read."""
    survey = _Survey(network)
    for index in counted(range(len(source)), f"looking through {source.name}", len(source)):
        try:
            survey.look(source[index])
        except DataError:
            continue  # named when it is read to be learned from
    survey.say(findings)


class _Survey:
    """What is found in training data, with a few examples of each."""

    def __init__(self, network: Network) -> None:
        self._grid, self._tokens = StepGrid.of(network), CTCTokens.of(network)
        settings = network.reads(AudioSettings)
        self._settings, self._rate = settings, settings.sample_rate
        self._found: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}
        self._unknown = 0

    def look(self, record: Record) -> None:
        """Looks at one record."""
        if record.target is None:
            return  # counted with the labels
        ids, unknown = self._tokens.encode(str(record.target))
        self._unknown += unknown
        if unknown:
            self._note("unknown", record.id)
        if not ids:
            self._note("empty", record.id)
            return
        sound: Any = record.fields.get("audio")
        if not isinstance(sound, Sound) or sound.header.samples is None:
            return
        samples = round(sound.header.samples * self._rate / sound.header.rate)
        frames = self._settings.front.frames(samples)
        if frames > self._grid.size * self._grid.frames:
            self._note("long", record.id)
        elif least_steps(ids) > self._grid.steps(frames):
            self._note("short", record.id)

    def _note(self, what: str, record: str) -> None:
        self._counts[what] = self._counts.get(what, 0) + 1
        shown = self._found.setdefault(what, [])
        if len(shown) < _SHOWN:
            shown.append(record)

    def say(self, findings: Findings) -> None:
        """Adds what was found."""
        seconds = self._settings.window / self._rate
        sentences = {
            "long": (
                "recording-longer-than-window",
                f"left out: longer than a window of {seconds:g} seconds, and it is not known which "
                "words of the transcript are where",
                "divide these recordings, or raise --window",
            ),
            "short": (
                "transcript-longer-than-recording",
                "left out: the transcript has more tokens than the recording has steps",
                "check that the transcript belongs to this recording, and that it is complete",
            ),
            "empty": (
                "transcript-empty",
                "left out: nothing of the transcript is in the vocabulary",
                "correct these transcripts",
            ),
            "unknown": (
                "characters-unknown",
                f"{number_of(self._unknown, 'token is', 'tokens are')} not in the vocabulary and "
                "cannot be learned",
                "raise vocabulary_size, or take a model whose vocabulary has them",
            ),
        }
        for what, count in self._counts.items():
            code, message, remedy = sentences[what]
            findings.add(
                code, message, count=count, unit="recordings", examples=self._found[what],
                remedy=remedy,
            )  # fmt: skip


def refuse(spec: str) -> None:
    """Says that a network is not trained.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(
        f"{spec} cannot be trained here. Speech recognition trains models with a CTC head: "
        "conformer-ctc-small, or a folder or hub id of wav2vec 2.0, HuBERT or WavLM"
    )
