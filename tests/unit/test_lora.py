"""Low-rank additions: packed as alone, merged as beside the weights, opened by peft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextSettings
from anysize.models import lora
from anysize.models.attention import AttentionConfig, AttentionForSequenceClassification
from anysize.models.lora import LoraSettings
from anysize.models.network import Network
from anysize.models.packed_causal import PackedDecoder
from anysize.models.packing import PackedClassifier
from anysize.models.resnet import ResNetConfig, ResNetForImageClassification
from anysize.training.layers import below_last_blocks, freeze, trained_count
from anysize.training.recipe import Recipe
from anysize.training.sparsity import prunable, was_pruned

BERT = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 40, "num_labels": 3,
}  # fmt: skip
LENGTHS = (5, 17, 1, 9, 30)


def bert() -> PreTrainedModel:
    return BertForSequenceClassification(BertConfig(**BERT))


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, intermediate_size=24, tie_word_embeddings=True,
        )
    )  # fmt: skip


def network_of(module: PreTrainedModel, **more: Any) -> Network:
    return Network(module=module, spec="tiny", settings=TextSettings(window=32), **more)


def with_additions(
    module: PreTrainedModel, *wished: str, dropout: float = 0.0, rank: int = 4
) -> LoraSettings:
    """Additions that are not zero, as after some training, and the head, to be trained."""
    network = network_of(module)
    heads = lora.heads_of(network)
    wanted = LoraSettings(
        rank=rank, alpha=8.0, dropout=dropout, heads=heads,
        targets=lora.targets_of(network, wished, heads),
    )  # fmt: skip
    lora.add(module, wanted, seed=1)
    freeze(module, ("*", *(f"!{name}" for name in heads), f"!{lora.TRAINED}"))
    torch.manual_seed(2)
    for name, item in module.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(item)
    return wanted


def sequences() -> list[list[int]]:
    torch.manual_seed(0)
    return [torch.randint(4, 50, (length,)).tolist() for length in LENGTHS]


@pytest.mark.parametrize("wished", [(), ("all-linear",)])
def test_packed_sequences_give_what_each_gives_alone_and_the_same_gradients(
    wished: tuple[str, ...],
) -> None:
    module = bert()
    with_additions(module, *wished)
    module.eval()
    alone = torch.cat([module(input_ids=torch.tensor([ids])).logits for ids in sequences()])
    alone.square().sum().backward()
    expected = {
        name: item.grad.clone() for name, item in module.named_parameters() if item.requires_grad
    }
    module.zero_grad()
    packed = PackedClassifier(module)(sequences()).logits
    packed.square().sum().backward()
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-4)
    found = {name: item.grad for name, item in module.named_parameters() if item.requires_grad}
    assert any("lora_B" in name for name in found)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("additions", [True, False])
def test_packed_decoders_give_what_each_sequence_gives_alone(additions: bool) -> None:
    module = llama()
    if additions:
        with_additions(module, "all-linear")
    module.train()
    rows = [
        module.base_model(input_ids=torch.tensor([ids])).last_hidden_state[0] for ids in sequences()
    ]
    alone = torch.cat(rows)
    alone.square().sum().backward()
    expected = {
        name: item.grad.clone() for name, item in module.named_parameters() if item.requires_grad
    }
    module.zero_grad()
    packed = PackedDecoder(module)(sequences())
    packed.square().sum().backward()
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-4)
    for name, item in module.named_parameters():
        if item.requires_grad:
            torch.testing.assert_close(item.grad, expected[name], atol=1e-3, rtol=1e-3)


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    )


def attention() -> PreTrainedModel:
    return AttentionForSequenceClassification(AttentionConfig(vocab_size=50, num_labels=3))


@pytest.mark.parametrize("make", [bert, llama, gpt2, attention])
def test_merged_weights_answer_as_the_additions_beside_them(make: Any) -> None:
    module = make().eval()
    names, before = list(module.state_dict()), lora.digest_of(module.state_dict())
    ids = torch.tensor(sequences()[1:2])
    untouched = module(input_ids=ids).logits
    with_additions(module, "all-linear")
    expected = module(input_ids=ids).logits
    assert (expected - untouched).abs().max() > 1e-3
    lora.merge(module)
    assert list(module.state_dict()) == names
    assert lora.digest_of(module.state_dict()) != before
    torch.testing.assert_close(module(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)


# peft asks for a property whose name transformers has changed.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_peft_opens_what_is_written_on_the_weights_it_was_trained_on(tmp_path: Path) -> None:
    from peft import PeftModel

    module = bert().eval()
    module.save_pretrained(tmp_path / "base")
    wanted = with_additions(module)
    with torch.no_grad():
        module.classifier.weight.add_(0.5)  # trained in full
    ids = torch.tensor(sequences()[1:2])
    expected = module(input_ids=ids).logits
    digest = lora.digest_of(lora.base_tensors(module))
    stored = load_file(tmp_path / "base" / "model.safetensors")
    assert digest == lora.digest_of(
        {name: item for name, item in stored.items() if not name.startswith("classifier.")}
    )
    lora.Adapter.taken(module, wanted, "base").write(tmp_path)
    folder = tmp_path / "adapter"
    assert json.loads((folder / "base.json").read_text()) == {"model": "base", "digest": digest}
    again = BertForSequenceClassification.from_pretrained(tmp_path / "base")
    opened = PeftModel.from_pretrained(again, str(folder)).eval()
    torch.testing.assert_close(opened(input_ids=ids).logits, expected, atol=1e-6, rtol=1e-6)
    weights = load_file(folder / "adapter_model.safetensors")
    assert {name.split(".")[-2] for name in weights} == {"lora_A", "lora_B", "classifier"}


def test_additions_go_where_peft_puts_them_for_the_architecture_else_to_all_linear_layers() -> None:
    last = {
        name.rpartition(".")[2]
        for name in lora.targets_of(network_of(bert()), (), ("classifier.weight",))
    }
    assert last == {"query", "value"}
    module = llama()
    assert lora.heads_of(network_of(module)) == ()
    every = lora.targets_of(network_of(module), ("all-linear",), ())
    assert len(every) == 2 * 7  # tied to the embeddings, the last layer is left alone
    assert lora.targets_of(network_of(module), ("model.layers.1.*",), ()) == every[7:]
    own = network_of(attention())
    heads = lora.heads_of(own)
    assert set(heads) == {"classifier.weight", "classifier.bias"}
    assert lora.targets_of(own, (), heads)


def test_the_head_and_what_is_new_train_in_full() -> None:
    module = BertForTokenClassification(BertConfig(**BERT))
    assert set(lora.heads_of(network_of(module))) == {"classifier.weight", "classifier.bias"}
    new = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")
    assert set(lora.heads_of(network_of(bert(), new=new))) == {
        *new, "classifier.weight", "classifier.bias",
    }  # fmt: skip
    module = bert()
    with_additions(module, "query")
    trained = {name for name, item in module.named_parameters() if item.requires_grad}
    assert {name.rpartition(".")[0] for name in trained if "lora" not in name} == {"classifier"}
    assert len([name for name in trained if "lora" in name]) == 2 * 2
    size = 2 * 2 * 16 * 4 + 16 * 3 + 3
    total = sum(item.numel() for item in module.parameters())
    said = trained_count(module)
    assert said is not None
    assert said.startswith(f"{size:,} of {total:,} parameters are trained (")


def test_additions_that_begin_as_zeros_are_not_taken_for_pruned_weights() -> None:
    module = bert()
    network = network_of(module)
    heads = lora.heads_of(network)
    targets = lora.targets_of(network, ("all-linear",), heads)
    lora.add(
        module, LoraSettings(rank=4, alpha=8.0, dropout=0.0, heads=heads, targets=targets), seed=1
    )
    freeze(module, ("*", *(f"!{name}" for name in heads), f"!{lora.TRAINED}"))
    assert not was_pruned(module)
    assert list(prunable(module)) == ["classifier.weight"]


def test_targets_that_there_are_not_are_refused_with_those_that_there_are() -> None:
    network = network_of(bert())
    with pytest.raises(ConfigurationError) as caught:
        lora.targets_of(network, ("query", "q_proj", "classifier"), ("classifier.weight",))
    assert len(caught.value.problems) == 2
    assert "'q_proj'" in caught.value.problems[0]
    assert "query, key, value, dense" in caught.value.problems[0]
    resnet = ResNetForImageClassification(ResNetConfig(depths=(1,), hidden_sizes=(4,)))
    heads = lora.heads_of(network_of(resnet))
    with pytest.raises(ConfigurationError, match="no linear layers below its head"):
        lora.targets_of(network_of(resnet), (), heads)


def test_options_that_would_have_no_effect_are_refused() -> None:
    common = {"task": "text-classification", "data": "d", "out": "o", "model": "m"}
    with pytest.raises(ConfigurationError, match="lora_rank and lora_targets have no effect"):
        Recipe(**common, lora_rank=4, lora_targets=("query",))
    with pytest.raises(ConfigurationError, match="which sparsity would change"):
        Recipe(**common, lora=True, sparsity=0.5)
    with pytest.raises(ConfigurationError, match="last_blocks has no effect"):
        Recipe(**common, lora=True, last_blocks=1)
    assert Recipe(**common, lora=True, lora_rank=4).tables()["lora"] == {
        "enabled": True, "rank": 4, "targets": (),
    }  # fmt: skip


def test_all_but_the_last_blocks_are_frozen() -> None:
    module = bert()
    names = [name for name, _ in module.named_parameters()]
    frozen = below_last_blocks(module, 1)
    assert set(names) - set(frozen) == {
        name for name in names if ".layer.1." in name or "pooler" in name or "classifier" in name
    }
    assert set(names) - set(below_last_blocks(module, 0)) == {
        name for name in names if "pooler" in name or "classifier" in name
    }
    with pytest.raises(ConfigurationError, match="at most 2"):
        below_last_blocks(module, 3)
    with pytest.raises(ConfigurationError, match="at most 0"):
        below_last_blocks(nn.Linear(2, 2), 1)


def test_additions_begin_with_the_same_numbers_whatever_was_drawn_before() -> None:
    found = []
    for draws in (1, 5):
        torch.manual_seed(0)
        module = bert()
        torch.rand(draws)
        state = torch.get_rng_state()
        with_additions(module)
        torch.set_rng_state(state)
        found.append({name: item for name, item in module.named_parameters() if "lora_A" in name})
    for name, item in found[0].items():
        assert torch.equal(item, found[1][name])
