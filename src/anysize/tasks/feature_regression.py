"""Regression of numbers: a number for each row of a table, or for each sequence."""

from __future__ import annotations

from anysize.heads.options import HeadOptions, NumberOptions
from anysize.tasks import feature_classification
from anysize.tasks.feature_classification import FEATURES, FeatureClassification
from anysize.tasks.regression import TARGET, Regression

OPTIONS = (HeadOptions, NumberOptions)
PROVIDES = ("tabular-regression", "time-series-regression")
ARCHITECTURE = feature_classification.ARCHITECTURE


class FeatureRegression(Regression, FeatureClassification):
    """Vectors as they are; sequences whole, or by windows along time whose numbers are pooled."""

    columns = (FEATURES, TARGET)


def make(name: str) -> FeatureRegression:
    """The task."""
    return FeatureRegression(name)
