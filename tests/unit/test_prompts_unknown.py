"""Words of a prompt that a model's vocabulary does not have are counted as not read."""

from __future__ import annotations

import pytest

from anysize.core.records import Record
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models.network import BuildRequest
from anysize.models.spec import build
from anysize.readers.text import Text
from anysize.tasks.continuation_options import AnswerOptions
from anysize.tasks.text_continuation import TextContinuation


@pytest.mark.parametrize(
    ("prompt", "unknown", "reason"),
    [
        ("the cat sat", 0, None),
        ("the dog sat", 1, "1 token of the prompt is not in the model's vocabulary"),
        ("a dog barks", 3, "3 tokens of the prompt are not in the model's vocabulary"),
    ],
)
def test_words_that_are_not_known_are_said(prompt: str, unknown: int, reason: str | None) -> None:
    request = BuildRequest(
        task="text-generation", labels=(), wishes=TextOptions(window=24),
        facts=TextFacts(texts=lambda: iter(["the cat sat on the mat"] * 3)),
        options={"hidden_size": "16", "num_layers": "1", "tokenizer": "word"},
    )  # fmt: skip
    preprocess = TextContinuation(AnswerOptions()).preprocess(build("lstm-lm", request))
    (example,) = preprocess(0, Record(id="a", fields={"text": Text(prompt, "a")}), None)
    facts = example.facts
    assert facts is not None and (facts.unread, facts.reason) == (unknown, reason)
