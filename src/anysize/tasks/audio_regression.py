"""Audio regression: a number for each recording of any length."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from anysize.heads.options import HeadOptions, NumberOptions
from anysize.tasks import audio_classification
from anysize.tasks.abilities import Format
from anysize.tasks.audio_classification import AUDIO, AudioClassification
from anysize.tasks.regression import TARGET, Regression

OPTIONS = (HeadOptions, NumberOptions)
PROVIDES = ("audio-regression",)
# Which of the two a folder is for is said by its configuration's problem_type.
ARCHITECTURE = dataclasses.replace(audio_classification.ARCHITECTURE, suffixes=())


class AudioRegression(Regression, AudioClassification):
    """Windows of frames along time, whose numbers are pooled."""

    name = "audio-regression"
    columns = (AUDIO, TARGET)
    formats: ClassVar[Mapping[str, Format]] = {}
    augmentation = "none"  # loudness, for one, may be what is estimated


def make(name: str) -> AudioRegression:
    """The task."""
    return AudioRegression()
