"""Text regression: a number for each document of any length."""

from __future__ import annotations

import dataclasses

from anysize.heads.options import HeadOptions, NumberOptions
from anysize.tasks import text_classification
from anysize.tasks.regression import TARGET, Regression
from anysize.tasks.text_classification import TEXT, TextClassification

OPTIONS = (HeadOptions, NumberOptions)
PROVIDES = ("text-regression",)
# Which of the two a folder is for is said by its configuration's problem_type.
ARCHITECTURE = dataclasses.replace(text_classification.ARCHITECTURE, suffixes=())


class TextRegression(Regression, TextClassification):
    """Windows of tokens over ``text``; the windows' numbers are pooled into the document's."""

    name = "text-regression"
    columns = (TEXT, TARGET)


def make(name: str) -> TextRegression:
    """The task."""
    return TextRegression()
