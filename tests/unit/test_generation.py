"""Generation in torch against transformers' own ``generate``, one prompt at a time."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.protocols import Generator
from anysize.core.steps import Generation
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.planning.candidates import candidates_for
from anysize.runtimes import torch as torch_runtime
from anysize.runtimes.rehearsal import STEPS
from anysize.runtimes.sampling import largest

VOCABULARY = 120
PROMPTS = [7, 1, 23, 12, 7]


def gpt2() -> nn.Module:
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64, eos_token_id=5,
        bos_token_id=1,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


def llama() -> nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, eos_token_id=5,
        pad_token_id=0,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def qwen2() -> nn.Module:
    config = transformers.Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=1, max_position_embeddings=64, eos_token_id=5,
        pad_token_id=0, tie_word_embeddings=True,
    )  # fmt: skip
    return transformers.Qwen2ForCausalLM(config)


def qwen3() -> nn.Module:
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=64, eos_token_id=5,
        pad_token_id=0, head_dim=8,
    )  # fmt: skip
    return transformers.Qwen3ForCausalLM(config)


def bloom() -> nn.Module:
    config = transformers.BloomConfig(
        vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4, eos_token_id=5, pad_token_id=0
    )
    return transformers.BloomForCausalLM(config)


def t5() -> nn.Module:
    config = transformers.T5Config(
        vocab_size=VOCABULARY, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        eos_token_id=5, pad_token_id=0, decoder_start_token_id=0,
    )  # fmt: skip
    return transformers.T5ForConditionalGeneration(config)


def bart() -> nn.Module:
    config = transformers.BartConfig(
        vocab_size=VOCABULARY, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48,
        decoder_ffn_dim=48, max_position_embeddings=64, eos_token_id=5, pad_token_id=1,
        decoder_start_token_id=5, bos_token_id=0, forced_eos_token_id=None,
        tie_word_embeddings=False,
    )  # fmt: skip
    return transformers.BartForConditionalGeneration(config)


MODELS: list[Callable[[], nn.Module]] = [gpt2, llama, qwen2, qwen3, bloom, t5, bart]


def network(make: Callable[[], nn.Module]) -> Network:
    torch.manual_seed(3)
    module = make().eval()
    with torch.no_grad():
        # Far from uniform, so that rounding decides nothing.
        for name, each in module.named_parameters():
            if each.dim() > 1 and "bias" not in name:
                each.mul_(4.0)
    return Network(module=module, spec=make.__name__, settings=TextSettings(window=32))


def prompts(lengths: Sequence[int] = PROMPTS, **arrays: Any) -> list[Example]:
    random = np.random.default_rng(5)
    found = []
    for ordinal, length in enumerate(lengths):
        span = Span(0, length)
        window = Window(record=f"r{ordinal}", index=0, region=span, core=span, last=True)
        ids = random.integers(6, VOCABULARY, length, dtype=np.int32)
        given = {"input_ids": ids, **arrays}
        found.append(Example(ordinal=ordinal, window=window, arrays=given, cost=length))
    return found


def opened(net: Network) -> Generator:
    return torch_runtime.open_generator(net, "float32")


def grown(
    generator: Generator, examples: Sequence[Example], options: GenerationOptions, **more: Any
) -> list[Growth]:
    """The finished sequences, in the order of the examples."""
    found = [one for one in generator.generate(examples, options, **more)
             if one.ending or one.problem]  # fmt: skip
    assert sorted(one.row for one in found) == list(range(len(examples)))
    return sorted(found, key=lambda one: one.row)


def reference(
    net: Network, example: Example, options: GenerationOptions
) -> tuple[list[int], float]:
    """What transformers generates for a prompt, greedily, and the sum of log-probabilities."""
    ids = torch.from_numpy(example.arrays["input_ids"].astype(np.int64))[None]
    ends = list(options.end) if options.end is not None else None
    module: Any = net.module
    with torch.no_grad():
        found = module.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=1,
            max_new_tokens=options.most, min_new_tokens=options.least or None,
            eos_token_id=ends, output_logits=True, return_dict_in_generate=True,
        )  # fmt: skip
    logits = torch.cat(found.logits)
    tokens = found.sequences[0, -len(logits) :].tolist()
    chances = torch.log_softmax(logits.float(), 1)
    score = sum(float(chances[place, token]) for place, token in enumerate(tokens))
    return tokens, score


@pytest.mark.parametrize("make", MODELS)
def test_a_batch_gives_what_transformers_gives_for_each_prompt(
    make: Callable[[], nn.Module],
) -> None:
    net = network(make)
    examples = prompts()
    options = GenerationOptions(most=20)
    free = [reference(net, example, options)[0] for example in examples]
    # Tokens that do occur end the sequences, so that rows leave at different steps.
    ends = (free[0][4], free[2][9], free[3][14])
    options = replace(options, end=ends)
    found = grown(opened(net), examples, options)
    assert len({len(one.tokens) for one in found}) > 1
    for one, example in zip(found, examples, strict=True):
        tokens, score = reference(net, example, options)
        ended = tokens[-1] in ends
        assert one.tokens.tolist() == (tokens[:-1] if ended else tokens)
        assert one.ending == ("end" if ended else "length")
        assert one.score == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("make", [gpt2, t5])
def test_limits_stops_and_the_least_number_of_tokens(make: Callable[[], nn.Module]) -> None:
    net = network(make)
    generator, examples = opened(net), prompts()
    free = [one.tokens.tolist() for one in grown(generator, examples, GenerationOptions(most=12))]
    limits = [1, 3, 12, 2, 5]
    limited = grown(generator, examples, GenerationOptions(most=12), limits=limits)
    assert [one.tokens.tolist() for one in limited] == [
        tokens[:limit] for tokens, limit in zip(free, limits, strict=True)
    ]
    stop = tuple(free[2][3:5])
    (stopped,) = grown(generator, examples[2:3], GenerationOptions(most=12, stop=(stop,)))
    place = next(i for i in range(11) if tuple(free[2][i : i + 2]) == stop)
    assert stopped.tokens.tolist() == free[2][:place]
    assert stopped.ending == "stop"
    ends = (free[2][0],)
    forced = GenerationOptions(most=12, least=6, end=ends)
    (least,) = grown(generator, examples[2:3], forced)
    assert len(least.tokens) >= 6
    assert not set(least.tokens[:6].tolist()) & set(ends)
    assert least.tokens.tolist() == [
        token for token in reference(net, examples[2], forced)[0] if token not in ends
    ]


@pytest.mark.parametrize("make", [llama, bart])
def test_what_is_drawn_depends_on_the_seed_and_the_record_alone(
    make: Callable[[], nn.Module],
) -> None:
    generator, examples = opened(network(make)), prompts([9] * 6)
    options = GenerationOptions(most=8, temperature=1.5, top_k=40, top_p=0.95, seed=4, end=())
    together = [one.tokens.tolist() for one in grown(generator, examples, options)]
    alone = [grown(generator, [each], options)[0].tokens.tolist() for each in examples]
    assert together == alone
    other = replace(options, seed=5)
    assert [one.tokens.tolist() for one in grown(generator, examples, other)] != together
    same = [replace(each, arrays=examples[0].arrays) for each in examples]
    drawn = {tuple(one.tokens.tolist()) for one in grown(generator, same, options)}
    assert len(drawn) > 1


def test_draws_follow_the_probabilities() -> None:
    """First tokens of many records, against the softmax that they are drawn from."""
    net = network(gpt2)
    (example,) = prompts([6])
    many = [replace(example, window=replace(example.window, record=str(i))) for i in range(3000)]
    options = GenerationOptions(most=1, temperature=2.0, top_k=4, seed=1)
    drawn = [int(one.tokens[0]) for one in grown(opened(net), many, options) if len(one.tokens)]
    ids = torch.from_numpy(example.arrays["input_ids"].astype(np.int64))[None]
    with torch.no_grad():
        logits = net.module(input_ids=ids).logits[0, -1]
    best = logits.topk(4)
    shares = torch.softmax(best.values / 2.0, 0)
    assert set(drawn) <= {*best.indices.tolist(), 5}
    for token, share in zip(best.indices.tolist(), shares.tolist(), strict=True):
        if token != 5:
            assert drawn.count(token) / 3000 == pytest.approx(share, abs=0.03)
    narrow = replace(options, top_k=0, top_p=1e-6)
    (first,) = grown(opened(net), [example], narrow)
    assert first.tokens.tolist() == [int(logits.argmax())]


def test_partial_sequences_grow_a_token_at_a_time() -> None:
    examples = prompts([4, 9])
    seen: dict[int, list[list[int]]] = {0: [], 1: []}
    options = GenerationOptions(most=6, end=())
    for one in opened(network(gpt2)).generate(examples, options, partial=True):
        seen[one.row].append(one.tokens.tolist())
    for each in seen.values():
        assert [len(tokens) for tokens in each] == [1, 2, 3, 4, 5, 6]
        assert all(after[:-1] == before for before, after in itertools.pairwise(each))


def test_a_prompt_that_leaves_no_room_fails_alone() -> None:
    """GPT-2 here has 64 positions."""
    examples = prompts([64, 10, 60])
    found = grown(opened(network(gpt2)), examples, GenerationOptions(most=20, end=()))
    assert found[0].problem is not None and "64 positions" in found[0].problem
    assert [len(one.tokens) for one in found[1:]] == [20, 4]


def test_a_row_whose_numbers_are_not_finite_fails_alone() -> None:
    net = network(gpt2)
    module: Any = net.module
    with torch.no_grad():
        module.transformer.wte.weight[7] = math.nan
        module.lm_head.weight = nn.Parameter(module.lm_head.weight.clone())
        module.lm_head.weight[7] = 0.0
    examples = prompts([5, 5])
    examples[0] = replace(examples[0], arrays={"input_ids": np.int32([9, 7, 9])})
    found = grown(opened(net), examples, GenerationOptions(most=3, end=()))
    assert found[0].problem is not None and "not numbers" in found[0].problem
    assert found[1].problem is None


def test_a_decoder_begins_where_it_is_told_to() -> None:
    net = network(bart)
    generator, examples = opened(net), prompts([9, 9, 9])
    options = GenerationOptions(most=6, end=())
    free = grown(generator, examples, options)
    begun = [
        replace(each, arrays={**each.arrays, "decoder_input_ids": np.int32([5, *one.tokens[:2]])})
        for each, one in zip(examples[:2], free[:2], strict=True)
    ]
    found = grown(generator, [*begun, examples[2]], options)
    for one, before in zip(found[:2], free[:2], strict=True):
        assert one.tokens[:4].tolist() == before.tokens[2:].tolist()
    assert found[2].tokens.tolist() == free[2].tokens.tolist()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (gpt2, 2 * 2 * 32 * 4),
        (llama, 2 * 2 * 16 * 4),  # two of four heads are kept
        (t5, 2 * 2 * 32 * 4),
        (bart, 2 * 2 * 32 * 4),
    ],
)
def test_the_cache_of_a_token_is_measured(make: Callable[[], nn.Module], expected: int) -> None:
    """Keys and values of two layers in float32."""
    assert opened(network(make)).token_bytes == expected


@pytest.mark.parametrize("make", [gpt2, t5])
def test_a_rehearsal_grows_the_cache_to_its_full_size(
    make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network(make)
    module: Any = net.module
    lengths: list[int] = []
    forward = module.forward

    def watched(*arguments: Any, **settings: Any) -> Any:
        found = forward(*arguments, **settings)
        lengths.append(found.past_key_values.get_seq_length())
        return found

    watched.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "forward", watched)
    options = GenerationOptions(most=30, end=())
    step = Generation(options=options)
    examples = prompts([20, 12])
    seconds = step.rehearse(opened(net), examples)
    rehearsed, lengths[:] = list(lengths), []
    grown(opened(net), examples, options)
    assert max(rehearsed) == max(lengths)
    assert len(rehearsed) == STEPS < len(lengths)
    assert seconds is not None and seconds > 0


@pytest.mark.parametrize("make", [gpt2, llama])
@pytest.mark.parametrize(
    "wish", [{"penalty": 1.3}, {"no_repeat": 2}, {"penalty": 1.7, "no_repeat": 3}]
)
def test_penalties_are_those_of_transformers(
    make: Callable[[], nn.Module], wish: dict[str, Any]
) -> None:
    """Repetitions are counted in the prompt and in what is written."""
    net = network(make)
    module: Any = net.module
    options = GenerationOptions(most=24, end=(), of_prompt=True, **wish)
    examples = prompts()
    free = grown(opened(net), examples, GenerationOptions(most=24, end=()))
    found = grown(opened(net), examples, options)
    assert [one.tokens.tolist() for one in free] != [one.tokens.tolist() for one in found]
    for one, example in zip(found, examples, strict=True):
        ids = torch.from_numpy(example.arrays["input_ids"].astype(np.int64))[None]
        with torch.no_grad():
            wanted = module.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24,
                eos_token_id=None, repetition_penalty=options.penalty,
                no_repeat_ngram_size=options.no_repeat or None,
            )  # fmt: skip
        assert one.tokens.tolist() == wanted[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("size", [1, 100, 256, 700, 1024])
def test_the_largest_is_the_first_of_the_largest(size: int) -> None:
    random = torch.Generator().manual_seed(size)
    logits = torch.randint(-40, 40, (50, size), generator=random).float()
    np.testing.assert_array_equal(largest(logits).numpy(), logits.numpy().argmax(1))


def test_loops_are_stopped_after_their_first_time_or_tried_again() -> None:
    """A decoder whose logits do not depend on what it reads says one token for ever."""
    net = network(gpt2)
    module: Any = net.module
    with torch.no_grad():
        module.transformer.ln_f.weight.zero_()
        module.transformer.ln_f.bias.copy_(torch.eye(32)[0])
        module.lm_head.weight = nn.Parameter(torch.zeros(VOCABULARY, 32))
        # So near each other that a penalty changes which is the largest.
        module.lm_head.weight[:, 0] = torch.linspace(1.0, 1.1, VOCABULARY)
    example = prompts([4])
    options = GenerationOptions(most=40, end=(), loops="stop")
    (stopped,) = grown(opened(net), example, options)
    assert stopped.ending == "loop" and len(stopped.tokens) == 1
    (kept,) = grown(opened(net), example, replace(options, loops="keep"))
    assert kept.ending == "length" and set(kept.tokens.tolist()) == set(stopped.tokens.tolist())
    step = Generation(options=replace(options, loops="retry"))
    (answer,) = step.answers(opened(net), example)
    assert answer.output["retried"] is True and answer.finished
    assert len(set(answer.output["tokens"].tolist())) == 40


def test_what_cannot_generate_is_refused_by_name() -> None:
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    module = transformers.BertForSequenceClassification(config)
    net = Network(module=module, spec="reader", settings=TextSettings(window=16))
    assert torch_runtime.generation_precisions(net) == ()
    (candidate,) = candidates_for(net, "auto", "auto", None, needs="generate")
    with pytest.raises(ConfigurationError, match="reader cannot generate"):
        candidate.open()
    with pytest.raises(ConfigurationError, match=r"runtime 'onnx' cannot generate.*torch"):
        candidates_for(net, "onnx", "float32", None, needs="generate")


def test_mistakes_in_options_are_named_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        GenerationOptions(most=0, temperature=-1, top_p=0, stop=((),))
    assert len(caught.value.problems) == 4
