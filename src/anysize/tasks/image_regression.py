"""Image regression: a number for each picture of any size."""

from __future__ import annotations

import dataclasses

from anysize.heads.options import HeadOptions, NumberOptions
from anysize.tasks import image_classification
from anysize.tasks.image_classification import IMAGE, ImageClassification
from anysize.tasks.regression import TARGET, Regression

OPTIONS = (HeadOptions, NumberOptions)
PROVIDES = ("image-regression",)
# Which of the two a folder is for is said by its configuration's problem_type.
ARCHITECTURE = dataclasses.replace(image_classification.ARCHITECTURE, suffixes=())


class ImageRegression(Regression, ImageClassification):
    """The whole picture resized, its centre, or tiles whose numbers are pooled."""

    name = "image-regression"
    columns = (IMAGE, TARGET)


def make(name: str) -> ImageRegression:
    """The task."""
    return ImageRegression()
