"""Frozen parameters, kept statistics, and learning rates that fall from layer to layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from anysize.core.errors import ConfigurationError
from anysize.models.convnext import convnext_tiny
from anysize.models.resnet import ResNetConfig, ResNetForImageClassification
from anysize.models.vit import vit_tiny
from anysize.training.layers import freeze, layer_scales
from anysize.training.optimization import make_optimizer, set_rate
from anysize.training.recipe import Recipe


def resnet() -> PreTrainedModel:
    return ResNetForImageClassification(
        ResNetConfig(depths=(1, 2), hidden_sizes=(4, 4), stem="small", num_labels=3)
    )


def trained(module: nn.Module) -> set[str]:
    return {name for name, item in module.named_parameters() if item.requires_grad}


def test_the_last_pattern_that_fits_decides() -> None:
    model = resnet()
    everything = trained(model)
    freeze(model, [])
    assert trained(model) == everything
    freeze(model, ["*", "!classifier"])
    assert trained(model) == {"classifier.weight", "classifier.bias"}
    freeze(model, ["*", "!blocks", "blocks.2", "!*.norm.*", "!classifier"])
    left = trained(model)
    assert "blocks.1.closing.convolution.weight" in left
    assert "blocks.2.closing.convolution.weight" not in left
    assert {"blocks.2.closing.norm.weight", "stem.0.norm.bias"} <= left
    assert "stem.0.convolution.weight" not in left
    freeze(model, ["blocks.1"])
    assert {name.split(".")[1] for name in everything - trained(model)} == {"1"}


def test_a_pattern_fits_whole_parts_of_a_name() -> None:
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(12)))
    freeze(model, ["1"])
    assert trained(model) == {
        f"{i}.{name}" for i in range(12) if i != 1 for name in ("weight", "bias")
    }


def test_patterns_that_do_nothing_or_leave_nothing_are_refused() -> None:
    model = resnet()
    with pytest.raises(ConfigurationError) as caught:
        freeze(model, ["stem", "head", "!body"])
    assert [problem.split()[1] for problem in caught.value.problems] == ["'head'", "'!body'"]
    assert "classifier.weight" in caught.value.problems[0]
    with pytest.raises(ConfigurationError, match="nothing to train"):
        freeze(model, ["*"])
    assert trained(model) == {name for name, _ in model.named_parameters()}


def test_a_frozen_norm_keeps_its_statistics_and_uses_them() -> None:
    torch.manual_seed(0)
    model = resnet()
    freeze(model, ["stem", "blocks.0"])
    before = {name: item.clone() for name, item in model.named_buffers()}
    pictures = 3 + torch.randn(8, 3, 16, 16)
    model.train()
    stem = model.stem(pictures)
    model(pictures)
    changed = {
        name.split(".")[0] + "." + name.split(".")[1]
        for name, item in model.named_buffers()
        if not torch.equal(item, before[name])
    }
    assert changed == {"blocks.1", "blocks.2"}
    torch.testing.assert_close(model.eval().stem(pictures), stem)


def of(scales: dict[str, float], beginning: str) -> set[float]:
    found = {value for name, value in scales.items() if name.startswith(beginning)}
    assert found, beginning
    return found


def test_each_layer_of_a_transformer_is_slower_than_the_one_above() -> None:
    model = vit_tiny(num_labels=2, image_size=(32, 32), num_hidden_layers=3)
    scales = layer_scales(model, 0.5)
    by_depth = sorted(set(scales.values()))
    assert by_depth == [0.0625, 0.125, 0.25, 0.5, 1.0]
    assert of(scales, "classifier") == {1.0}
    assert of(scales, "vit.embeddings") == {0.0625}
    assert of(scales, "vit.layernorm") == {1.0}
    assert set(layer_scales(model, 1.0).values()) == {1.0}


def test_stages_of_layers_count_layer_by_layer() -> None:
    model = convnext_tiny(num_labels=2, image_size=(32, 32), depths=(1, 2), hidden_sizes=(4, 8))
    scales = layer_scales(model, 0.5)
    assert of(scales, "convnext.encoder.stages.0.layers.0") == {0.0625}
    assert of(scales, "convnext.encoder.stages.1.downsampling_layer") == {0.125}
    assert of(scales, "convnext.encoder.stages.1.layers.0") == {0.25}
    assert of(scales, "convnext.encoder.stages.1.layers.1") == {0.5}
    assert of(scales, "classifier") == {1.0}


def test_text_models_and_our_own_have_layers_too() -> None:
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=8,
    )  # fmt: skip
    scales = layer_scales(BertForSequenceClassification(config), 0.25)
    assert of(scales, "bert.embeddings") == {0.25**3}
    assert of(scales, "bert.encoder.layer.1") == {0.25}
    assert of(scales, "bert.pooler") == of(scales, "classifier") == {1.0}
    scales = layer_scales(resnet(), 0.5)
    assert of(scales, "blocks.2") == {0.5}
    assert of(scales, "blocks.0") == {0.125}
    assert of(scales, "stem.0") == {0.0625}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_optimizer_learns_at_each_layer_s_own_rate(optimizer: str) -> None:
    model = resnet()
    freeze(model, ["stem"])
    recipe = Recipe(
        task="image-classification", data="-", model="-", out="-", optimizer=optimizer,
        learning_rate=0.5, weight_decay=0.1, layer_decay=0.5,
    )  # fmt: skip
    made = make_optimizer(model, recipe)
    scales = layer_scales(model, 0.5)
    names = {id(item): name for name, item in model.named_parameters()}
    set_rate(made, 0.2)
    seen = set()
    for entries in made.param_groups:
        for item in entries["params"]:
            name = names[id(item)]
            seen.add(name)
            assert entries["lr"] == pytest.approx(0.2 * scales[name])
            assert entries["weight_decay"] == (0.1 if item.ndim >= 2 else 0.0)
    assert seen == trained(model)
    assert not any(name.startswith("stem") for name in seen)
