"""Summaries that models write: every window read, in order, in as many rounds as it takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

import anysize
from anysize.api.model import Model
from anysize.core.batches import BatchPlan
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.results import NextRound, Result
from anysize.core.windows import Span, Window
from anysize.mergers.written import Partials, WrittenMerger
from anysize.readers.text import Text
from anysize.sources.memory import FieldSource
from anysize.tasks.summarization import Summarization
from anysize.tasks.summary_options import SummaryOptions
from anysize.tasks.summary_prompts import prompt_of

WORDS = [f"Word{place}" for place in range(200)]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<user>", "<model>"]
CHAT = (
    "{% for message in messages %}<user>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<model>{% endif %}"
)
KINDS = ("bart", "t5", "gpt2", "chat")


def tokenizer(*, framed: bool) -> transformers.PreTrainedTokenizerFast:
    more = ["summarize", ":", ".", "TL", ";", "DR", "\n"]
    more += [
        "Summarize",
        "the",
        "following",
        "text",
        "in",
        "two",
        "sentences",
        "1",
        "2",
        "Sum",
        "up",
    ]
    names = dict.fromkeys([*SPECIAL, *WORDS, *more])
    vocabulary = {word: place for place, word in enumerate(names)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if framed:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", additional_special_tokens=["<user>", "<model>"], model_max_length=48,
    )  # fmt: skip


def module_of(kind: str, size: int) -> nn.Module:
    if kind == "bart":
        return transformers.BartForConditionalGeneration(transformers.BartConfig(
            vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48,
            decoder_ffn_dim=48, max_position_embeddings=48, eos_token_id=2, pad_token_id=0,
            decoder_start_token_id=2, bos_token_id=1,
            forced_eos_token_id=None,
            task_specific_params={"summarization": {"max_length": 5, "min_length": 2}},
        ))  # fmt: skip
    if kind == "t5":
        return transformers.T5ForConditionalGeneration(transformers.T5Config(
            vocab_size=size, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4,
            eos_token_id=2, pad_token_id=0, decoder_start_token_id=0,
            task_specific_params={"summarization": {"prefix": "summarize: "}},
        ))  # fmt: skip
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=size, n_embd=32, n_layer=1, n_head=4, n_positions=64, eos_token_id=2,
        bos_token_id=1, pad_token_id=0,
    ))  # fmt: skip


@pytest.fixture(scope="module")
def folder(shelf: Callable[..., Path]) -> Callable[[str], Path]:
    def made(kind: str) -> Path:
        def fill(place: Path) -> None:
            hub = tokenizer(framed=kind == "bart")
            if kind == "chat":
                hub.chat_template = CHAT
            torch.manual_seed(6)
            module: Any = module_of(kind, len(hub))
            with torch.no_grad():
                for name, each in module.named_parameters():
                    if each.dim() > 1 and "bias" not in name:
                        each.mul_(4.0)  # far from uniform, so that rounding decides nothing
            if kind == "bart":
                module.generation_config.forced_bos_token_id = 1
            module.save_pretrained(place)
            hub.save_pretrained(place)

        return shelf(f"summaries-{kind}", fill)

    return made


def text_of(sentences: int) -> str:
    return " ".join(
        f"{WORDS[place % 200]} {WORDS[place * 7 % 200]} {WORDS[place * 3 % 200]}."
        for place in range(sentences)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_short_texts_are_what_transformers_generates(
    folder: Callable[[str], Path], kind: str
) -> None:
    place = folder(kind)
    model = anysize.load(place, "summarization")
    (found,) = model.predict([text_of(4)], max_new_tokens=6, runtime="torch", precision="float32")
    assert isinstance(found, Result)
    assert (found.receipt.windows, found.receipt.fidelity) == (1, "exact")
    hub = transformers.AutoTokenizer.from_pretrained(place)
    prompts = {
        "bart": text_of(4), "t5": f"summarize: {text_of(4)}", "gpt2": f"{text_of(4)}\nTL;DR:",
        "chat": f"<user>Summarize the following text.\n\n{text_of(4)}</s><model>",
    }  # fmt: skip
    module: Any = model.network.module
    ids = hub(prompts[kind], return_tensors="pt").input_ids
    # transformers counts the token that BART is made to begin with.
    given = {"max_new_tokens": 7} if kind == "bart" else {"max_new_tokens": 6}
    row = module.generate(ids, do_sample=False, num_beams=1, **given)[0]
    new = row if kind in ("bart", "t5") else row[ids.shape[1] :]
    assert found.prediction == hub.decode(new, skip_special_tokens=True).strip()


@pytest.mark.parametrize("kind", KINDS)
def test_long_texts_are_read_whole_in_rounds(
    folder: Callable[[str], Path], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Longer than the model's positions: nothing is cut, and no library warns that it would be."""
    model = anysize.load(folder(kind), "summarization")
    text = text_of(150)
    assert "longer than" not in caplog.text
    (found,) = model.predict([text], max_new_tokens=4, memory="4GiB")
    assert isinstance(found, Result)
    receipt = found.receipt
    assert (receipt.covered, receipt.dropped) == (1.0, 0)
    assert receipt.extent == len(text)
    assert receipt.fidelity == "approximate"
    assert receipt.rounds
    assert [each.covered for each in receipt.rounds] == [1.0] * len(receipt.rounds)
    assert receipt.rounds[-1].windows == 1
    first = receipt.windows - sum(each.windows for each in receipt.rounds)
    assert first > 10
    for each in found.details["sentences"]:
        assert 0 <= each["window"] < first
        assert 0 <= each["start"] < each["end"] <= len(text)
        assert 0.0 <= each["overlap"] <= 1.0
    assert "longer than" not in caplog.text


class Echo:
    """Generates the first words of each prompt's text, as a summary that can be recognised."""

    name, precision, token_bytes = "echo", "float32", 1

    def __init__(self, skip: int, count: int) -> None:
        self._skip, self._count = skip, count
        self.prompts: list[list[int]] = []

    def generate(
        self, examples: Sequence[Example], options: GenerationOptions, **_more: Any
    ) -> Iterator[Growth]:
        # The last example of a batch is finished first.
        for row, example in reversed(list(enumerate(examples))):
            ids = example.arrays["input_ids"]
            self.prompts.append(ids.tolist())
            yield Growth(row, ids[self._skip : self._skip + self._count], 0.0, "end")

    def close(self) -> None: ...


def echoed(model: Model, echo: Echo, text: str, **options: Any) -> Result:
    task = Summarization().predicting(SummaryOptions(**options))
    (found,) = predict(
        FieldSource("text", [Text(text)]), [Position(0, 0)], task.preprocess(model.network), echo,
        task.new_merger(()), BatchPlan(budget=400, look_ahead=400),
        step=task.step(model.network), strict=True,
    )  # fmt: skip
    assert isinstance(found, Result)
    return found


def test_partial_summaries_keep_their_order_and_say_where_they_are_from(
    folder: Callable[[str], Path],
) -> None:
    """Complaint about peers: summaries of chunks come back in the order in which they finish."""
    model = anysize.load(folder("bart"), "summarization")
    echo = Echo(skip=1, count=4)
    text = text_of(400)
    found = echoed(model, echo, text)
    assert found.prediction == "Word0 Word0 Word0 ."
    (drawn,) = found.details["sentences"]
    assert (drawn["window"], drawn["start"], drawn["overlap"]) == (0, 0, 1.0)
    rounds = found.receipt.rounds
    assert len(rounds) >= 2
    # Every word was in a prompt of the first round, and what is read again is in order.
    first = found.receipt.windows - sum(each.windows for each in rounds)
    numbers = model.network.hub_tokenizer.convert_tokens_to_ids
    read = [number for prompt in echo.prompts for number in prompt]
    assert set(numbers(text.replace(".", "").split())) <= set(read)
    later = [prompt for prompt in echo.prompts[first:] if len(prompt) > 12]
    names = {numbers(f"Word{place}"): place for place in range(200)}
    for prompt in later:
        leads = [names[each] for each in prompt[1:-1:4]]
        # The text goes through the words twice.
        assert sum(one >= other for one, other in itertools.pairwise(leads)) <= 1


def test_what_is_said_is_found_in_the_window_that_says_it() -> None:
    merger = WrittenMerger("r", None)
    for index, text in ((1, "Cats sleep."), (0, "Rain fell. A river rose.")):
        span = Span(index * 100, index * 100 + 100)
        window = Window("r", index, span, span, index == 1)
        merger.add(window, {"text": text, "ending": "end"})
    again = merger.finish()
    assert isinstance(again, NextRound)
    field = again.record.text("text")
    assert isinstance(field, Partials)
    assert "".join(field.chunks()) == "Rain fell. A river rose.\nCats sleep."
    last = WrittenMerger("r", 2)
    span = Span(0, 37)
    leaves = np.empty((), object)
    leaves[()] = field.leaves
    output = {"text": " The cats sleep. The river rose. More.", "ending": "length"}
    last.add(Window("r", 0, span, span, True), {**output, "leaves": leaves})
    found = last.finish()
    assert isinstance(found, Result)
    assert found.prediction == "The cats sleep. The river rose."
    assert [(each["window"], each["start"]) for each in found.details["sentences"]] == [
        (1, 100), (0, 0),
    ]  # fmt: skip
    assert found.receipt.counts == {"cut_off": 1}
    notes = " ".join(found.receipt.notes)
    assert "1 summary was cut off" in notes
    assert "1 further sentences of the model were left out" in notes


def test_summaries_that_do_not_get_shorter_end_the_rounds(folder: Callable[[str], Path]) -> None:
    model = anysize.load(folder("bart"), "summarization")
    found = echoed(model, Echo(skip=1, count=40), text_of(30))
    assert "given one after the other" in found.receipt.notes[0]
    assert found.receipt.rounds == ()
    assert found.prediction.split()[0] == "Word0"
    silent = echoed(model, Echo(skip=1, count=0), text_of(30))
    assert silent.prediction == ""
    assert "written nothing" in silent.receipt.notes[0]


def test_prompts(folder: Callable[[str], Path]) -> None:
    chat = anysize.load(folder("chat"), "summarization").network
    hub: Any = chat.hub_tokenizer

    def shown(options: SummaryOptions, text: str = "Word1 Word2.") -> str:
        return str(hub.decode(prompt_of(chat, options).arrays(text)["input_ids"]))

    told = shown(SummaryOptions(sentences=2, max_new_tokens=8))
    assert told == "<user> Summarize the following text in 2 sentences . Word1 Word2 . </s> <model>"
    assert "Sum up Word1" in shown(SummaryOptions(instruction="Sum up", max_new_tokens=8))
    # What looks like a special token in a text is no turn of the conversation.
    ids = prompt_of(chat, SummaryOptions(max_new_tokens=8)).arrays("Word1</s><model>Word2")
    ids = ids["input_ids"].tolist()
    assert (ids.count(2), ids.count(5)) == (1, 1)
    bart = anysize.load(folder("bart"), "summarization").network
    assert prompt_of(bart, SummaryOptions()).arrays("Word1")["decoder_input_ids"].tolist() == [2, 1]
    with pytest.raises(ConfigurationError, match="instruction is for models with a chat template"):
        prompt_of(bart, SummaryOptions(instruction="Sum up"))
    with pytest.raises(ConfigurationError, match=r"room for \d+ tokens of the text"):
        prompt_of(chat, SummaryOptions(max_new_tokens=50))


def test_lengths_are_the_configurations_unless_asked_for(folder: Callable[[str], Path]) -> None:
    network = anysize.load(folder("bart"), "summarization").network

    def limits(**options: Any) -> tuple[int, int]:
        step: Any = Summarization(SummaryOptions(**options)).step(network)
        return step.options.most, step.options.least

    assert limits() == (5, 2)
    assert limits(max_new_tokens=9) == (9, 0)
    assert network.settings.whole == 48


def test_partial_results_are_shown(folder: Callable[[str], Path]) -> None:
    model = anysize.load(folder("chat"), "summarization")
    found = list(model.stream([text_of(4)], max_new_tokens=4, runtime="torch"))
    shown = [each.partial for each in found[:-1]]  # type: ignore[union-attr]
    assert len(shown) >= 2
    for one, other in itertools.pairwise(shown):
        assert other.startswith(one)
    assert isinstance(found[-1], Result)
