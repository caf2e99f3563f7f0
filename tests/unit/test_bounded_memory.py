"""Decoders whose memory is bounded: prompts read in parts, tokens let go, positions right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from anysize.core.examples import Example
from anysize.core.generation import SINKS, GenerationOptions
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.runtimes import decoder_only, ragged_decoding
from anysize.runtimes.decoder_only import Causal
from anysize.runtimes.decoder_weights import DecoderWeights, supports
from anysize.runtimes.forgetting import Turning, kept_columns
from anysize.runtimes.ragged_decoding import Ragged
from anysize.runtimes.torch_generation import TorchGenerator

CPU = torch.device("cpu")


def llama(layers: int = 2, **changes: Any) -> Any:
    torch.manual_seed(2)
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, eos_token_id=49,
        pad_token_id=0, **changes,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def gpt2() -> Any:
    torch.manual_seed(2)
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=24, eos_token_id=49,
        bos_token_id=49,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config).eval()


def prompts(*lengths: int) -> list[dict[str, np.ndarray[Any, Any]]]:
    random = np.random.default_rng(5)
    return [{"input_ids": random.integers(1, 49, each, dtype=np.int32)} for each in lengths]


def fresh(module: Any, ids: Any) -> torch.Tensor:
    """What the model says after these tokens and no others."""
    with torch.no_grad():
        logits: torch.Tensor = module(input_ids=torch.tensor([list(map(int, ids))])).logits[0, -1]
    return logits


def padded(module: Any, bound: int | None = None) -> Any:
    return Causal(module, CPU, bfloat16=False, bound=bound)


def ragged(module: Any, bound: int | None = None) -> Any:
    weights = DecoderWeights(module, torch.float32)
    return Ragged(weights, None if bound is None else Turning.of(module), bound, 1)


@pytest.mark.parametrize(("make", "kind"), [(llama, padded), (gpt2, padded), (llama, ragged)])
@pytest.mark.parametrize("part", [4, 16])
def test_a_prompt_in_parts_is_the_prompt_at_once(
    make: Any, kind: Any, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, given = make(), prompts(21, 3, 10)
    for place in (decoder_only, ragged_decoding):
        monkeypatch.setattr(place, "PART", part)
    batch = kind(module)
    batch.begin(given)
    for row, each in enumerate(given):
        wanted = fresh(module, each["input_ids"])
        torch.testing.assert_close(batch.logits[row], wanted, atol=1e-5, rtol=1e-4)
    following = torch.tensor([7, 8, 9])
    logits = batch.advance(following)
    for row, each in enumerate(given):
        wanted = fresh(module, [*each["input_ids"], following[row]])
        torch.testing.assert_close(logits[row], wanted, atol=1e-5, rtol=1e-4)
    assert batch.lost == [0, 0, 0]


@pytest.mark.parametrize("kind", [padded, ragged])
@pytest.mark.parametrize("part", [1, 5, 512])
def test_what_stays_is_where_the_model_has_positions_for_it(
    part: int, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one layer a key depends on its token and place alone: a fresh reading gives the same."""
    module, given = llama(1), prompts(50, 6, 23)
    for place in (decoder_only, ragged_decoding):
        monkeypatch.setattr(place, "PART", part)
    batch = kind(module, 20)
    batch.begin(given)
    texts = [each["input_ids"].tolist() for each in given]
    size = len(batch.logits) * 20
    for token in range(1, 30):
        for row, text in enumerate(texts):
            lost = batch.lost[row]
            seen = text if not lost else [*text[:SINKS], *text[SINKS + lost :]]
            assert len(seen) <= 20
            wanted = fresh(module, seen)
            torch.testing.assert_close(batch.logits[row], wanted, atol=2e-5, rtol=1e-4)
            text.append(token)
        batch.logits = batch.advance(torch.tensor([token] * len(texts)))
        assert batch.size() <= size * 2 * 2 * 8 * 4  # two kinds, two heads of eight, float32
        if token == 20:
            batch.keep([0, 2])
            texts = [texts[0], texts[2]]
            batch.logits = batch.logits[[0, 2]]
    assert all(batch.lost) and batch.unread == [0, 0]


def test_what_cannot_be_moved_is_read_again() -> None:
    """GPT-2 adds places to tokens: the model sees what stays as if it had read nothing else."""
    module, given = gpt2(), prompts(60, 5)
    batch = Causal(module, CPU, bfloat16=False, bound=24)
    batch.begin(given)
    assert batch.unread[0] > 0 and batch.unread[1] == 0
    texts = [each["input_ids"].tolist() for each in given]
    for token in range(1, 40):
        for row, text in enumerate(texts):
            lost = batch.lost[row]
            seen = [*text[:SINKS], *text[SINKS + lost :]] if lost else text
            assert len(seen) <= 24
            wanted = fresh(module, seen)
            torch.testing.assert_close(batch.logits[row], wanted, atol=1e-5, rtol=1e-4)
            text.append(token)
        batch.logits = batch.advance(torch.tensor([token, token]))


def test_bfloat16_says_about_the_same() -> None:
    module, given = llama(), prompts(21, 3, 10)
    assert supports(module, CPU)
    batch = Ragged(DecoderWeights(module, torch.bfloat16), None, None, 1)
    batch.begin(given)
    texts = [each["input_ids"].tolist() for each in given]
    for token in range(1, 6):
        for row, text in enumerate(texts):
            wanted = fresh(module, text)
            nearness = torch.cosine_similarity(batch.logits[row], wanted, dim=0)
            assert float(nearness) > 0.999
            text.append(token)
        batch.logits = batch.advance(torch.tensor([token] * 3))


def test_rows_that_leave_give_their_place_to_others() -> None:
    """Every row that stays goes on as if it were alone, also when one with NaN has left."""
    module, given = llama(), prompts(9, 30, 4, 17, 22, 6)
    batch = ragged(module)
    batch.begin(given)
    texts = {row: each["input_ids"].tolist() for row, each in enumerate(given)}
    rows = list(texts)
    for part in batch._cache._row(0, 0):  # the longest prompt lies there
        part.fill_(torch.nan)
    for token, kept in ((3, [0, 2, 3, 4, 5]), (4, [1, 2, 4]), (5, [2, 0]), (6, [1])):
        rows = [rows[place] for place in kept]
        batch.keep(kept)
        logits = batch.advance(torch.tensor([token] * len(rows)))
        for place, row in enumerate(rows):
            texts[row].append(token)
            wanted = fresh(module, texts[row])
            torch.testing.assert_close(logits[place], wanted, atol=1e-5, rtol=1e-4)


def test_a_decoder_without_padding_searches_as_transformers_does() -> None:
    network = Network(module=llama(), spec="x", settings=TextSettings(window=16))
    generator = TorchGenerator(network, "float32", CPU)
    assert generator.ragged
    span, given = Span(0, 1), prompts(9, 30, 9, 4)
    examples = [
        Example(ordinal=place, window=Window(str(place), 0, span, span, last=True), arrays=arrays,
                cost=len(arrays["input_ids"]))
        for place, arrays in enumerate(given)
    ]  # fmt: skip
    options = GenerationOptions(most=10, beams=3, end=())
    found = {one.row: one.tokens.tolist() for one in generator.generate(examples, options)}
    for row, arrays in enumerate(given):
        ids = torch.from_numpy(arrays["input_ids"].astype(np.int64))[None]
        theirs = network.module.generate(  # type: ignore[operator]
            ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=3,
            max_new_tokens=10, eos_token_id=None,
        )[0, ids.shape[1] :].tolist()  # fmt: skip
        assert found[row] == theirs


def test_padding_goes_first() -> None:
    mask = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 1], [1] * 9])
    columns, lost = kept_columns(mask, 2)
    assert columns.tolist() == [[2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 6, 7, 8]]
    assert lost.tolist() == [[0], [2]]
    columns, lost = kept_columns(mask, 4)
    assert columns.tolist() == [[3, 4, 5, 6, 8], [0, 1, 2, 3, 8]]
    assert lost.tolist() == [[1], [4]]


@pytest.mark.parametrize(("make", "context"), [(llama, 20), (gpt2, 0), (gpt2, 4096)])
def test_generation_goes_on_beyond_the_bound(make: Any, context: int) -> None:
    network = Network(module=make(), spec="x", settings=TextSettings(window=16))
    generator = TorchGenerator(network, "float32", CPU)
    span = Span(0, 1)
    examples = [
        Example(ordinal=place, window=Window(str(place), 0, span, span, last=True), arrays=arrays,
                cost=len(arrays["input_ids"]))
        for place, arrays in enumerate(prompts(40, 4))
    ]  # fmt: skip
    options = GenerationOptions(most=50, end=(), context=context)
    found = {one.row: one for one in generator.generate(examples, options)}
    if not context:
        assert "24 positions" in str(found[0].problem) and len(found[1].tokens) == 20
        return
    assert [len(found[row].tokens) for row in (0, 1)] == [50, 50]
    assert found[0].lost > found[1].lost > 0
    assert bool(found[0].unread) == (make is gpt2)
