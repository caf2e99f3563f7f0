"""The task of translation: segments joined, second tries, pairs and their loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from anysize import api
from anysize.core.batches import BatchPlan
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.steps import Generation
from anysize.modalities.texts.pairs import PairedText
from anysize.modalities.texts.settings import TextFacts
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build
from anysize.readers.text import Text
from anysize.sources.memory import FieldSource
from anysize.tasks.protocols import LossBatch, LossOptions
from anysize.tasks.translation import Translation
from anysize.tasks.translation_meter import (
    BleuMeter,
    bleu_counts,
    chrf_counts,
    chrf_of,
    tokenizer_for,
)
from anysize.tasks.translation_options import TranslationOptions
from anysize.tasks.translation_step import Translating
from anysize.training.probing import set_checkpointing

_SENTENCES = ["A man in a blue shirt.", "Zwei Hunde spielen im Schnee.", "两个人在公园里走路。"]
_SIZES = {"vocabulary": "300", "hidden_size": "16", "num_layers": "1", "decoder_layers": "1",
          "num_heads": "2", "intermediate_size": "16", "dropout": "0.1"}  # fmt: skip


def _built(**options: str) -> Network:
    request = BuildRequest(
        task="translation",
        labels=(),
        facts=TextFacts(texts=lambda: iter(_SENTENCES * 3)),
        options={**_SIZES, **options},
    )
    return build("transformer-mt", request)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return _built()


class _Mapped:
    """A runtime whose translation of a text is what a function makes of it."""

    name, precision, packed, token_bytes = "mapped", "float32", False, 1

    def __init__(self, network: Network, function: Callable[[str, GenerationOptions], str]) -> None:
        self._tokenizer: Any = network.tokenizer
        self._function = function
        self.asked: list[str] = []

    def generate(
        self,
        examples: Sequence[Example],
        options: GenerationOptions,
        *,
        limits: Sequence[int] | None = None,
        partial: bool = False,
    ) -> Iterator[Growth]:
        for row, example in enumerate(examples):
            source = self._tokenizer.decode(example.arrays["input_ids"].tolist())
            self.asked.append(source)
            ids = self._tokenizer.encode(self._function(source, options)).ids[:-1]
            yield Growth(row, np.array(ids, np.int32), 0.0, "end")

    def close(self) -> None:
        pass


def _translated(
    network: Network,
    runtime: _Mapped,
    texts: Sequence[str],
    options: TranslationOptions,
    **plan: int,
) -> list[Result]:
    task = Translation(options)
    source = FieldSource("source", [Text(text) for text in texts])
    found = predict(
        source,
        [Position(place, place) for place in range(len(texts))],
        task.preprocess(network),
        runtime,
        task.new_merger(()),
        BatchPlan(**{"budget": 4000, "look_ahead": 8000, **plan}),
        step=task.step(network),
    )
    results = list(found)
    assert all(isinstance(each, Result) for each in results), results
    return results  # type: ignore[return-value]


_PIECES = st.sampled_from(
    [*_SENTENCES, "# ", "- ", "> ", "\n", "\n\n", "\r\n", "  ", "\t", "```\ncode\n```\n", "<b>",
     "</p>", "https://a.b/c?d=1", "{name}", "%d", "12,345.6", "...", "“Is it?” she asked.", "|",
     "\u3000", "é", "e\u0301", "☃"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=25).map("".join))
@settings(max_examples=25)
def test_an_identity_translator_gives_any_text_back(text: str) -> None:
    # Newlines that are dropped, code that is translated, characters that are normalised.
    network = _identity_network()
    (result,) = _translated(
        network, _Mapped(network, lambda source, _: source), [text], TranslationOptions()
    )
    assert result.prediction == text
    receipt = result.receipt
    assert (receipt.extent, receipt.covered, receipt.dropped) == (len(text), 1.0, 0)


_KEPT: list[Network] = []


def _identity_network() -> Network:
    if not _KEPT:
        torch.manual_seed(0)
        _KEPT.append(_built())
    return _KEPT[0]


def test_segments_of_several_documents_are_batched_and_each_gets_its_own(network: Network) -> None:
    texts = [f"Text {number} is here. And it ends, {number}.\n\nLast." for number in range(10, 22)]
    runtime = _Mapped(network, lambda source, _: source.upper())
    found = _translated(network, runtime, texts, TranslationOptions(guard=False), most=5)
    assert [each.prediction for each in found] == [text.upper() for text in texts]
    assert all(each.receipt.counts == {"segments": 3} for each in found)


def test_sentences_longer_than_the_model_are_cut_and_none_is_lost(network: Network) -> None:
    # CTranslate2 cuts its input at 1,024 tokens in silence (PR#605).
    network = dataclasses.replace(
        network, settings=dataclasses.replace(network.settings, window=16)
    )
    text = " ".join(f"word{number:04}," for number in range(200)) + " and the last."
    runtime = _Mapped(network, lambda source, _: source)
    (result,) = _translated(network, runtime, [text], TranslationOptions())
    assert result.prediction == text
    assert len(runtime.asked) > 50
    unbroken = "x" * 500
    assert _translated(network, runtime, [unbroken], TranslationOptions())[0].prediction == unbroken


def test_a_loop_is_tried_again_without_repetition(network: Network) -> None:
    def loops(source: str, options: GenerationOptions) -> str:
        return "the good translation" if options.no_repeat else "no no no no no no no"

    (result,) = _translated(
        network, _Mapped(network, loops), ["Etwas Neues ist hier."], TranslationOptions(beams=1)
    )
    assert result.prediction == "the good translation"
    assert result.receipt.counts == {"segments": 1, "tried_again": 1}
    assert "doubtful" not in result.details


def test_what_is_lost_comes_back_in_fragments(network: Network) -> None:
    def loses(source: str, options: GenerationOptions) -> str:
        return source.replace("{name}", "").replace("2024", "").replace("Hello", "Hallo")

    text = "Hello {name}, this is 2024 again."
    runtime = _Mapped(network, loses)
    (result,) = _translated(network, runtime, [text], TranslationOptions())
    assert result.prediction == "Hallo {name}, this is 2024 again."
    assert result.receipt.counts == {"segments": 1, "tried_again": 1, "in_fragments": 1}


def test_what_stays_doubtful_is_marked_with_its_place(network: Network) -> None:
    runtime = _Mapped(network, lambda source, _: "ja " * 60 if "Bad" in source else source.upper())
    (result,) = _translated(
        network, runtime, ["A good one is here. A Bad one is there."], TranslationOptions()
    )
    (marked,) = result.details["doubtful"]
    assert (marked["start"], marked["end"]) == (20, 39)
    assert "repeats itself" in marked["problems"]
    assert result.receipt.counts == {"segments": 2, "tried_again": 1, "doubtful": 1}
    assert "1 of 2 segments are doubtful" in result.receipt.notes[0]
    (plain,) = _translated(
        network, runtime, ["A Bad one is there."], TranslationOptions(guard=False)
    )
    assert plain.receipt.counts == {"segments": 1} and not plain.details


def test_wrapped_lines_reach_the_model_as_one_sentence(network: Network) -> None:
    runtime = _Mapped(network, lambda source, _: source.upper())
    text = "This sentence of quite some words goes on and on and ends \nin the next line. Yes."
    (result,) = _translated(network, runtime, [text], TranslationOptions(guard=False))
    assert runtime.asked[0].endswith("ends in the next line.")
    assert result.prediction.endswith("NEXT LINE. YES.")


def test_the_step_is_the_same_where_its_options_are(network: Network) -> None:
    one, same = (Translation().step(network) for _ in range(2))
    assert one == same and repr(one) == repr(same)
    other = Translation(TranslationOptions(beams=2)).step(network)
    assert isinstance(other, Translating) and isinstance(other.generation, Generation)
    assert other != one and other.cost(10) < one.cost(10)
    # A poor model in training would have everything tried again.
    assert one.quick().cost(10) * 4 == one.cost(10) and not one.quick().guard


def _pair(network: Network, source: str, target: str) -> Example:
    record = Record(id="a", fields={"source": Text(source)}, target=target)
    (example,) = Translation().preprocess(network)(0, record, 0)
    return example


def test_the_loss_is_taken_once_of_every_target_token(network: Network) -> None:
    examples = [_pair(network, *pair) for pair in (_SENTENCES[:2], _SENTENCES[1:], ("a", "b"))]
    outputs = PairedText(network, torch.device("cpu"))(examples)
    batch = LossBatch(
        examples=examples,
        owners=torch.arange(3),
        weights=torch.ones(3),
        targets=[0, 0, 0],
        options=LossOptions(label_smoothing=0.1),
    )
    loss = Translation().loss(network, outputs, batch)
    wanted = 0.0
    module: Any = network.module
    for example in examples:
        labels = torch.from_numpy(example.arrays["labels"].astype(np.int64))[None]
        ids = torch.from_numpy(example.arrays["input_ids"].astype(np.int64))[None]
        logits = module(input_ids=ids, labels=labels).logits[0].detach()
        wanted += float(cross_entropy(logits, labels[0], reduction="sum", label_smoothing=0.1))
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-5)
    assert len(outputs["target_logits"]) == sum(len(each.arrays["labels"]) for each in examples)


def test_a_pair_that_is_too_long_says_so(network: Network) -> None:
    with pytest.raises(DataError, match=r"tokens and its translation .* reads 512: divide"):
        _pair(network, "word " * 2000, "Wort")
    with pytest.raises(DataError, match="has no target"):
        Translation().encode_target(Record(id="a", fields={}, target=" "), ())


def test_a_vocabulary_gives_its_texts_back() -> None:
    for kind in ("bpe", "unigram"):
        network = _built(subwords=kind)
        tokenizer: Any = network.tokenizer
        for text in (*_SENTENCES, "  Two\n spaces", "ſ☃\u00a0x", "UPPER lower 12.5"):
            assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode("a").tokens[-1] == "</s>"


def test_options_of_the_model_that_are_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        _built(subwords="words", dropout="2", num_heads="0", width="3")
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigurationError, match="hidden_size must be a multiple of twice"):
        _built(hidden_size="18")
    with pytest.raises(ConfigurationError, match="target_lang must be left out"):
        Translation(TranslationOptions(target_lang="de")).preprocess(_identity_network())


def test_bleu_and_chrf_are_sacrebleus(tmp_path: Path) -> None:
    references = ["Ein Mann geht nach Hause.", "Zwei Hunde spielen im tiefen Schnee."]
    outputs = ["Ein Mann geht heim.", "Zwei Hunde spielen im Schnee heute."]
    meter, other = BleuMeter(), BleuMeter()
    for each, output, reference in zip((meter, other), outputs, references, strict=True):
        result = Result(id="", prediction=output, score=None, receipt=None)  # type: ignore[arg-type]
        each.add(result, reference)
    meter.join([meter.state(), other.state()])
    assert meter.score()[0] == pytest.approx(sacrebleu.corpus_bleu(outputs, [references]).score)
    summed = sum(chrf_counts(*pair) for pair in zip(outputs, references, strict=True))
    assert chrf_of(summed) == pytest.approx(sacrebleu.corpus_chrf(outputs, [references]).score)
    assert tokenizer_for("今天天气很好！A") == "zh" and tokenizer_for("これは本です") == "char"
    assert bleu_counts("今天天气好", "今天天气很好")[0] == 5


@pytest.mark.parametrize(
    ("task", "columns", "counted"),
    [
        ("translation", "source\ttarget", {"with a translation": 2}),
        ("summarization", "text\tsummary", {"with a summary": 2}),
    ],
)
def test_inspect_counts_targets_and_does_not_list_them(
    task: str, columns: str, counted: dict[str, int], tmp_path: Path
) -> None:
    data = tmp_path / "pairs.tsv"
    data.write_text(f"{columns}\nOne.\tEins.\nTwo.\tZwei.\nThree.\t\n", encoding="utf-8")
    found = api.statistics(data, task=task)
    assert found.labels == counted
    assert found.unlabelled == 1


def test_activations_that_are_computed_again_give_the_same_gradient() -> None:
    for rate in ("0", "0.1"):
        network = _built(dropout=rate)
        module: Any = network.module
        examples = [_pair(network, *pair) for pair in (_SENTENCES[:2], _SENTENCES[1:])]
        module.train()
        found = []
        for again in (False, True):
            set_checkpointing(module, again)
            module.zero_grad()
            outputs = PairedText(network, torch.device("cpu"))(examples)
            outputs["target_logits"].square().sum().backward()
            found.append(module.get_input_embeddings().weight.grad.clone())
        # Dropout draws other numbers there.
        assert torch.allclose(*found, rtol=1e-4, atol=1e-5) is (rate == "0")
        assert torch.isfinite(found[1]).all() and found[1].any()
