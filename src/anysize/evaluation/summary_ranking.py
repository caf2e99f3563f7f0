"""The pretrained encoder's choice of sentences, as a baseline beside a model."""

from __future__ import annotations

import itertools

import torch

from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.steps import ONE_RUN
from anysize.models import extractive
from anysize.runtimes.torch import TorchRuntime, fast_bfloat16
from anysize.tasks import extraction
from anysize.tasks.summary_options import SummaryOptions

_METHOD = "sentence-ranking"
# Sentences that are read together.
_BATCH = 64


class Ranking:
    """Summarises a record with the sentences that the encoder finds most central.

    Raises:
        MissingExtraError: the package that carries the encoder's weights is not installed.
    """

    def __init__(self) -> None:
        network, _ = extractive.ready(_METHOD)
        fast = fast_bfloat16(torch.device("cpu"), network.module)
        self._runtime = TorchRuntime(network, "bfloat16" if fast else "float32", "cpu")
        self._preprocess = extraction.ExtractPreprocess(_METHOD, network)

    def __call__(self, record: Record, options: SummaryOptions) -> Result:
        """See ``tasks.extraction.extract``.

        Raises:
            DataError: the record cannot be read.
        """
        merger = extraction.merger(_METHOD, record.id, options)
        examples = self._preprocess(0, record)
        while some := list(itertools.islice(examples, _BATCH)):
            for answer in ONE_RUN.answers(self._runtime, some):
                merger.add(answer.example.window, answer.output)
        found = merger.finish()
        assert isinstance(found, Result)
        return found
