"""Outputs for each token of packed rows, against the plain model one sequence at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from anysize.core.examples import Example, Ragged
from anysize.core.windows import Span, Window
from anysize.modalities.texts.execution import PackedTokens, PaddedText
from anysize.modalities.texts.settings import TextSettings
from anysize.models import packed_attention
from anysize.models.execution import make_execution
from anysize.models.network import Network
from anysize.models.packed_tokens import supports_packed_tokens
from anysize.runtimes.torch import TorchRuntime

LENGTHS = (7, 1, 30, 30, 12, 3, 29, 48, 12, 2)
OUTPUTS = {
    "TokenClassification": ("logits",),
    "QuestionAnswering": ("start_logits", "end_logits"),
}


def _bert_like(family: str, **more: object) -> transformers.PretrainedConfig:
    return getattr(transformers, family + "Config")(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=50,
        pad_token_id=1,
        **more,
    )


FAMILIES: dict[str, Callable[..., transformers.PretrainedConfig]] = {
    "Bert": lambda **more: _bert_like("Bert", **more),
    "Roberta": lambda **more: _bert_like("Roberta", type_vocab_size=1, **more),
    "Electra": lambda **more: _bert_like("Electra", embedding_size=16, **more),
    "Albert": lambda **more: _bert_like("Albert", embedding_size=16, **more),
    "DistilBert": lambda **more: transformers.DistilBertConfig(
        vocab_size=60, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=50,
        **more,
    ),
}  # fmt: skip


def make(family: str, head: str) -> Network:
    torch.manual_seed(3)
    labels = 2 if head == "QuestionAnswering" else 5
    config = FAMILIES[family](num_labels=labels)
    module = getattr(transformers, f"{family}For{head}")(config)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.2)
    types = getattr(config, "type_vocab_size", 1) > 1
    return Network(
        module=module.eval(),
        spec=family,
        settings=TextSettings(window=48),
        outputs=OUTPUTS[head],
        per_token=OUTPUTS[head],
        beside=("token_type_ids",) if types else (),
    )


def examples_of(lengths: Sequence[int]) -> list[Example]:
    numbers = np.random.default_rng(5)
    found = []
    for ordinal, length in enumerate(lengths):
        region = Span(0, length)
        window = Window(record=str(ordinal), index=0, region=region, core=region, last=True)
        arrays = {
            "input_ids": numbers.integers(0, 60, length, dtype=np.int32),
            "token_type_ids": np.sort(numbers.integers(0, 2, length, dtype=np.int32)),
        }
        found.append(Example(ordinal=ordinal, window=window, arrays=arrays, cost=length))
    return found


def alone(network: Network, example: Example) -> dict[str, Tensor]:
    given = {
        name: torch.as_tensor(example.arrays[name], dtype=torch.int64)[None]
        for name in ("input_ids", *network.beside)
    }
    outputs: Any = network.module(**given)
    return {name: getattr(outputs, name)[0] for name in network.outputs}


@pytest.mark.parametrize("head", OUTPUTS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tiles", [False, True])
def test_packed_padded_and_plain_agree(
    family: str, head: str, tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_attention, "has_tiles", lambda: tiles)
    examples = examples_of(LENGTHS)
    plain = make(family, head)
    with torch.no_grad():
        expected = [alone(plain, example) for example in examples]
    padded = make_execution(plain, packed=False)
    packed = make_execution(make(family, head))
    assert isinstance(padded, PaddedText)
    assert isinstance(packed, PackedTokens)
    with torch.no_grad():
        found = padded(examples), packed(examples)
    fused = TorchRuntime(make(family, head), device="cpu").run(examples)
    # In bfloat16 rows without meaning are behind the tokens.
    rough = TorchRuntime(make(family, head), "bfloat16", "cpu").run(examples)
    for name in plain.outputs:
        whole = torch.cat([each[name] for each in expected])
        for tensors in found:
            assert tensors[name].shape == whole.shape
            torch.testing.assert_close(tensors[name], whole, atol=2e-5, rtol=2e-5)
        rows = fused.arrays[name]
        assert isinstance(rows, Ragged)
        assert rows.lengths.tolist() == list(LENGTHS)
        np.testing.assert_allclose(rows.values, whole.numpy(), atol=2e-4, rtol=2e-4)
        near = rough.arrays[name]
        assert isinstance(near, Ragged)
        assert near.lengths.tolist() == list(LENGTHS)
        limit = 0.05 * float(whole.abs().max())
        np.testing.assert_allclose(near.values, whole.numpy(), atol=limit, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_through_packed_rows_are_those_of_padded_ones(family: str) -> None:
    examples = examples_of(LENGTHS)
    gradients = []
    for packed in (False, True):
        network = make(family, "TokenClassification")
        # Dropout would differ from row to row.
        outputs = make_execution(network, packed=packed)(examples)
        outputs["logits"].square().sum().backward()
        parameters = list(network.module.parameters())
        each = [torch.zeros_like(item) if item.grad is None else item.grad for item in parameters]
        gradients.append(torch.cat([item.to_dense().flatten() for item in each]))
    scale = float(gradients[0].abs().max())
    torch.testing.assert_close(gradients[1] / scale, gradients[0] / scale, atol=1e-5, rtol=1e-4)


def test_packed_classifiers_read_token_types() -> None:
    torch.manual_seed(3)
    config = FAMILIES["Bert"](num_labels=3)
    module = transformers.BertForSequenceClassification(config).eval()
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.2)
    network = Network(
        module=module, spec="bert", settings=TextSettings(window=48), beside=("token_type_ids",)
    )
    examples = examples_of(LENGTHS)
    with torch.no_grad():
        given = [
            {name: torch.as_tensor(item.arrays[name], dtype=torch.int64)[None]
             for name in ("input_ids", "token_type_ids")}
            for item in examples
        ]  # fmt: skip
        expected = torch.cat([module(**each).logits for each in given]).numpy()
        without = torch.cat([module(input_ids=each["input_ids"]).logits for each in given])
        packed = make_execution(network)(examples)["logits"].numpy()
    fused = TorchRuntime(network, device="cpu").run(examples).arrays["logits"]
    assert np.abs(expected - without.numpy()).max() > 1e-3
    np.testing.assert_allclose(packed, expected, atol=2e-5, rtol=2e-5)
    np.testing.assert_allclose(fused, expected, atol=2e-4, rtol=2e-4)


def test_other_models_are_not_packed() -> None:
    config = transformers.BertConfig(
        vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, is_decoder=True,
    )  # fmt: skip
    assert not supports_packed_tokens(transformers.BertForTokenClassification(config))
    assert not supports_packed_tokens(transformers.BertForSequenceClassification(config))
