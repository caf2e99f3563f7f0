"""Beam search gives what ``generate`` of transformers gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions
from anysize.core.steps import Generation
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.runtimes.torch_generation import TorchGenerator


@pytest.fixture(scope="module")
def module() -> MarianMTModel:
    torch.manual_seed(3)
    config = MarianConfig(
        vocab_size=23, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=None,
        max_position_embeddings=64, init_std=0.9,
    )  # fmt: skip
    module = MarianMTModel(config).eval()
    module.final_logits_bias[0, 1] = 12.0  # so that sequences end in different places
    module.generation_config = GenerationConfig(
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, bad_words_ids=[[0]]
    )
    return module


@pytest.fixture(scope="module")
def generator(module: MarianMTModel) -> TorchGenerator:
    network = Network(module=module, spec="tiny", settings=TextSettings(window=64))
    return TorchGenerator(network, "float32", torch.device("cpu"))


def _examples(count: int = 10) -> list[Example]:
    random = np.random.default_rng(0)
    found = []
    for ordinal in range(count):
        length = int(random.integers(3, 12))
        ids = np.append(random.integers(2, 23, length), 1).astype(np.int32)
        span = Span(0, length)
        window = Window(record=str(ordinal), index=0, region=span, core=span, last=True)
        arrays = {"input_ids": ids}
        found.append(Example(ordinal=ordinal, window=window, arrays=arrays, cost=length + 1))
    return found


@pytest.mark.parametrize(
    ("beams", "penalty", "no_repeat", "begin"),
    [
        (4, 1.0, 0, ()),
        (3, 0.6, 0, ()),
        (5, 2.0, 2, ()),
        (2, 0.0, 0, ()),
        (1, 1.0, 2, ()),
        (3, 1.0, 0, (0, 7)),
    ],
)
def test_it_gives_what_transformers_gives(
    module: MarianMTModel, generator: TorchGenerator, beams: int, penalty: float, no_repeat: int,
    begin: tuple[int, ...],
) -> None:  # fmt: skip
    examples = _examples()
    if begin:
        start = {"decoder_input_ids": np.array(begin, np.int32)}
        for example in examples:
            object.__setattr__(example, "arrays", {**example.arrays, **start})
    options = GenerationOptions(most=16, beams=beams, length_penalty=penalty, no_repeat=no_repeat)
    found = {each.row: each for each in generator.generate(examples, options)}
    lengths = set()
    for row, example in enumerate(examples):
        given = {"decoder_input_ids": torch.tensor([begin])} if begin else {}
        theirs = module.generate(
            torch.from_numpy(example.arrays["input_ids"][None].astype(np.int64)),
            num_beams=beams, length_penalty=penalty, no_repeat_ngram_size=no_repeat,
            max_new_tokens=16, do_sample=False, **given,
        )[0, max(len(begin), 1) :].tolist()  # fmt: skip
        wanted = [token for token in theirs if token > 1]
        assert found[row].tokens.tolist() == wanted
        assert found[row].ending == ("end" if 1 in theirs else "length")
        lengths.add(len(wanted))
    assert len(lengths) > 2, "sequences of different lengths, or little is shown"


def test_a_row_does_not_depend_on_the_others(generator: TorchGenerator) -> None:
    examples = _examples(6)
    options = GenerationOptions(most=12, beams=3)
    together = {each.row: each for each in generator.generate(examples, options)}
    for row, example in enumerate(examples):
        (alone,) = generator.generate([example], options)
        assert alone.tokens.tolist() == together[row].tokens.tolist()
        assert alone.score == pytest.approx(together[row].score, abs=1e-4)


def test_each_example_has_its_own_limit(generator: TorchGenerator) -> None:
    examples = _examples(4)
    options = GenerationOptions(most=12, least=12, beams=2)
    limits = [3, 12, 5, 1]
    found = {each.row: each for each in generator.generate(examples, options, limits=limits)}
    assert [len(found[row].tokens) for row in range(4)] == limits


def test_probabilities_that_are_no_numbers_fail_their_row(module: MarianMTModel) -> None:
    broken = MarianMTModel(module.config).eval()
    broken.final_logits_bias[:] = float("nan")
    network = Network(module=broken, spec="broken", settings=TextSettings(window=64))
    generator = TorchGenerator(network, "float32", torch.device("cpu"))
    found = list(generator.generate(_examples(2), GenerationOptions(most=4, beams=2)))
    assert len(found) == 2
    assert all("not numbers" in str(each.problem) for each in found)


def test_beams_cost_and_are_refused_beside_sampling() -> None:
    plain = Generation(options=GenerationOptions(most=10))
    assert Generation(options=GenerationOptions(most=10, beams=4)).cost(5) == 4 * plain.cost(5)
    assert Generation(options=GenerationOptions(most=90), per_unit=2, spare=3).new_tokens(5) == 13
    with pytest.raises(ConfigurationError, match=r"beams must be 1 where tokens are drawn"):
        GenerationOptions(beams=2, temperature=1.0)
    with pytest.raises(ConfigurationError, match=r"beams must be at least 1, not 0"):
        GenerationOptions(beams=0)
