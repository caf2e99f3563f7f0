"""Pruning and factoring by what must hold: operations, ranks, and equal outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from anysize import tasks
from anysize.compression import chain
from anysize.compression.flops import measure
from anysize.compression.heads import transformer_groups
from anysize.compression.low_rank import factor, factored, factors
from anysize.compression.protocols import Context
from anysize.compression.prune_layers import least_missed
from anysize.compression.prune_structured import removable, remove
from anysize.compression.selection import choose
from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.pictures.settings import ImageOptions, ImageSettings
from anysize.modalities.texts.settings import TextSettings
from anysize.models import altered, bundle, sparse
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build, open_network
from anysize.planning import synthetic
from anysize.training.sparsity import prunable, prune_smallest, zeros

CLASSES = ("ant", "bee", "cat")


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture_network(key: str, side: int = 32, task: str = "image-classification") -> Network:
    """Fresh weights with norms as if they were trained: no scale is one, no shift is zero."""
    torch.manual_seed(0)
    request = BuildRequest(task=task, labels=CLASSES, wishes=ImageOptions(image_size=(side, side)))
    network = build(key, request)
    for layer in network.module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            nn.init.normal_(layer.running_mean, std=0.1)  # type: ignore[arg-type]
    return network


def encoder(layers: int = 3, **changes: Any) -> Network:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
        **changes,
    )
    module = BertForSequenceClassification(config).eval()
    # Fresh layers are all but linear: larger weights make heads and units matter.
    for weight in prunable(module).values():
        nn.init.normal_(weight, std=0.2)
    return Network(module=module, spec="tiny", settings=TextSettings(window=16))


def card_of(network: Network, task: str = "image-classification") -> Card:
    return Card(
        task=task,
        labels=CLASSES,
        model=network.spec,
        settings=network.settings,
    )


def outputs(network: Network, **how: Any) -> dict[str, torch.Tensor]:
    from anysize.models.execution import make_execution

    network.module.eval()
    with torch.no_grad():
        return make_execution(network, **how)(synthetic.windows(network, 3))


# Altered layers


@pytest.mark.parametrize("key", ["resnet18", "cnn", "mobilenet_v3_small", "vit_tiny", "mlp"])
def test_half_the_operations_and_the_same_outputs_from_the_bundle(key: str, tmp_path: Path) -> None:
    network = picture_network(key)
    groups, before = removable(network, 8)
    random = torch.Generator().manual_seed(1)
    scores = [torch.rand(group.units, generator=random) for group in groups]
    if key == "vit_tiny":  # random scores would take all heads: they cost most
        scores = [score * (1000 if len(score) == 3 else 1) for score in scores]
    remove(network, groups, choose(groups, scores, before, 0.5))
    share = measure(network).total / before.total
    assert 0.485 <= share <= 0.5
    network.altered = altered.describe(network.module)
    bundle.save(tmp_path, network, card_of(network))
    opened, card = open_network(str(tmp_path))
    assert type(opened.module) is type(network.module)
    assert card.altered == json.loads(json.dumps(network.altered))
    assert torch.equal(outputs(opened)["logits"], outputs(network)["logits"])
    assert altered.describe(opened.module) == network.altered


def test_a_card_cannot_ask_for_more_than_the_configuration_has() -> None:
    module = picture_network("cnn").module
    for layers, problem in (
        ({"stages.0": {"weight": [1 << 30, None, None, None]}}, "cannot become"),
        ({"stages.0": {"weight": [4]}}, "cannot become"),
        ({"stages.0": {"out_channels": 1 << 30}}, "no out_channels that could be"),
        ({"stages.0": {"forward": 3}}, "no forward that could be"),
        ({"stages.0": {"padding_mode": "zeros"}}, "no padding_mode that could be"),
        ({"stages.99": {"out_channels": 3}}, "has no part 'stages.99'"),
    ):
        with pytest.raises(BundleError, match=problem):
            altered.alter(module, {"layers": layers}, "card")
    for note, problem in (
        ({"layer": {}}, "altered.layer is not known"),
        ({"layers": [], "factored": 3}, "altered.factored must be an object; altered.layers must"),
        ({"layers": {"stages.0": 3}}, "altered.layers.stages.0 must be an object"),
    ):
        with pytest.raises(BundleError, match=problem):
            altered.alter(module, note, "card")
    with pytest.raises(BundleError, match="no linear layer of rank 0"):
        altered.alter(module, {"factored": {"classifier": 0}}, "card")
    with pytest.raises(BundleError, match="no linear layer of rank 2"):
        altered.alter(module, {"factored": {"stages.0": 2}}, "card")


def test_labels_of_another_set_get_a_head_of_the_pruned_width(tmp_path: Path) -> None:
    network = picture_network("cnn")
    groups, before = removable(network, 8)
    scores = [torch.rand(group.units) for group in groups]
    remove(network, groups, choose(groups, scores, before, 0.5))
    network.altered = altered.describe(network.module)
    image = ImageSettings(width=40, height=24, tiles="never", crop=0.5)
    network.settings = image
    bundle.save(tmp_path, network, card_of(network))
    same = build(str(tmp_path), BuildRequest(task="image-classification", labels=CLASSES))
    assert torch.equal(same.module.classifier.weight, network.module.classifier.weight)
    assert (same.settings, same.altered, same.spec) == (image, network.altered, "cnn")
    more = build(str(tmp_path), BuildRequest(task="image-classification", labels=(*CLASSES, "dog")))
    assert more.module.classifier.weight.shape == (4, network.module.classifier.in_features)
    assert torch.equal(more.module.stages[0].weight, network.module.stages[0].weight)
    assert more.module.config.id2label[3] == "dog"


def test_sparse_and_altered_and_factored_together(tmp_path: Path) -> None:
    network = picture_network("mlp")
    groups, before = removable(network, 8)
    scores = [torch.rand(group.units) for group in groups]
    remove(network, groups, choose(groups, scores, before, 0.6))
    assert factor(network, 0.5) > 0
    weights = list(prunable(network.module).values())
    prune_smallest(weights, sum(weight.numel() for weight in weights) // 2)
    expected = outputs(network)["logits"]

    def write(folder: Path) -> None:
        network.module.save_pretrained(folder)
        sparse.pack(folder)

    bundle.save(tmp_path, network, card_of(network), write)
    assert not (tmp_path / "model.safetensors").exists()
    opened, _ = open_network(str(tmp_path))
    assert torch.equal(outputs(opened)["logits"], expected)
    assert opened.module.name_or_path == str(tmp_path)


# Heads and units


def test_pruned_encoders_run_alike_padded_packed_and_fused() -> None:
    from anysize.runtimes.packed import PackedInference

    network = encoder()
    flops = measure(network)
    groups = transformer_groups(network, flops, 8)
    assert groups is not None
    assert [group.units for group in groups] == [4, 64] * 3
    chosen = [[0, 2], list(range(16)), [1], [], [], list(range(0, 64, 2))]
    remove(network, groups, chosen)
    heads = [
        layer.attention.self.num_attention_heads for layer in network.module.bert.encoder.layer
    ]
    assert heads == [2, 3, 4]
    padded = outputs(network, packed=False)["logits"]
    windows = [example.arrays["input_ids"] for example in synthetic.windows(network, 3)]
    fused = torch.from_numpy(PackedInference(network.module).run(windows).logits)
    packed = outputs(network, packed=True)["logits"]
    torch.testing.assert_close(packed, padded, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fused, padded, rtol=1e-4, atol=1e-5)


def test_operations_of_heads_are_counted_with_their_attention() -> None:
    network = encoder()
    before = measure(network)
    # Two products of 16 x 16 x 32 in each of 3 layers.
    assert before.rest == 3 * 2 * 2 * 16 * 16 * 32
    groups = transformer_groups(network, before, 8)
    assert groups is not None
    remove(network, groups, [[0, 1], [], [], [], [], []])
    after = measure(network)
    assert before.rest - after.rest == 2 * 2 * 16 * 16 * 16
    assert before.total - after.total == 2 * 2 * 16 * 16 * 16 + 4 * 2 * 16 * 32 * 16


def test_what_must_stay_limits_the_aim() -> None:
    network = encoder()
    flops = measure(network)
    groups = transformer_groups(network, flops, 8)
    assert groups is not None
    with pytest.raises(ConfigurationError, match=r"flops must be at least 0\.\d\d for this model"):
        choose(groups, [torch.rand(group.units) for group in groups], flops, 0.01)


def test_the_unit_that_matters_goes_last() -> None:
    network = encoder()
    flops = measure(network)
    groups = transformer_groups(network, flops, 8)
    assert groups is not None
    scores = [torch.ones(group.units) for group in groups]
    scores[2][3] = 1e6
    chosen = choose(groups, scores, flops, 0.4)
    assert 3 not in chosen[2] and len(chosen[2]) == 3


def test_what_is_gone_stays_gone() -> None:
    network = encoder()
    flops = measure(network)
    groups = transformer_groups(network, flops, 8)
    assert groups is not None
    gone = [[3], [], [], [7, 9, 11], [], []]
    scores = [torch.ones(group.units) for group in groups]
    scores[0][3] = scores[3][9] = 1e6
    chosen = choose(groups, scores, flops, 0.7, gone)
    assert all(set(units) <= set(taken) for units, taken in zip(gone, chosen, strict=True))
    remove(network, groups, chosen)
    assert 0.686 <= measure(network).total / flops.total <= 0.7


def test_networks_without_channels_are_refused_in_words() -> None:
    (step,) = chain.parse("prune-structured(flops=0.5)")
    request = BuildRequest(
        task="face-recognition",
        labels=CLASSES,
        wishes=ImageOptions(image_size=(32, 32)),
        options={"finder": "none"},
    )
    network = build("face-gradients", request)
    assert step.method.problems(network, card_of(network)) == [
        "it has no channels, heads or units that could be removed"
    ]
    (step,) = chain.parse("prune-layers")
    assert "not a stack" in step.method.problems(network, card_of(network))[0]


# Layers


def test_the_layer_that_does_nothing_is_left_out() -> None:
    network = encoder(layers=4)
    idle = network.module.bert.encoder.layer[2]
    with torch.no_grad():
        for part in (idle.attention.output.dense, idle.output.dense):
            part.weight.zero_()
            part.bias.zero_()
    windows = synthetic.windows_of(network, [16, 12, 7, 16])
    assert least_missed(network, windows, 3) == [0, 1, 3]
    assert len(least_missed(network, windows, 1)) == 1
    assert len(network.module.bert.encoder.layer) == 4


# Low rank


def test_full_energy_is_the_layer_itself() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(40, 24)
    product, rank = factors(layer, 1.0)
    assert rank == 24
    inputs = torch.randn(7, 40)
    torch.testing.assert_close(product(inputs), layer(inputs), rtol=1e-5, atol=1e-5)
    assert factored(layer, 1.0) is None  # 24 (40 + 24) weights are more than 40 x 24


def test_rank_goes_by_energy() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(30, 20)
    left, _ = torch.linalg.qr(torch.randn(20, 20))
    right, _ = torch.linalg.qr(torch.randn(30, 20))
    values = torch.tensor([4.0, 2.0, 2.0, 1.0] + [0.0] * 16)  # squares: 16, 4, 4, 1 of 25
    layer.weight.data = left @ torch.diag(values) @ right.T
    for energy, rank in ((0.5, 1), (0.63, 1), (0.65, 2), (0.9, 3), (0.95, 3), (0.97, 4)):
        assert factors(layer, energy)[1] == rank
    product = factored(layer, 0.999)
    assert product is not None
    inputs = torch.randn(5, 30)
    torch.testing.assert_close(product(inputs), layer(inputs), rtol=1e-4, atol=1e-4)
    # What is lost is what the energy says (Eckart and Young).
    product = factored(layer, 0.9)
    assert product is not None
    lost = (layer.weight - product.outer.weight @ product.inner.weight).square().sum()
    assert lost.item() == pytest.approx(1.0, rel=1e-3)


def test_factored_encoders_predict_packed_and_open_again(tmp_path: Path) -> None:
    network = encoder()
    with torch.no_grad():  # of low rank, so that there is something to gain
        for weight in prunable(network.module).values():
            u, s, v = torch.linalg.svd(weight, full_matrices=False)
            weight.copy_(u[:, :4] * s[:4] @ v[:4])
    expected = outputs(network, packed=False)["logits"]
    before = sum(weight.numel() for weight in network.module.parameters())
    assert factor(network, 0.9999) == 3 * 6 + 1
    assert sum(weight.numel() for weight in network.module.parameters()) < 0.6 * before
    torch.testing.assert_close(outputs(network, packed=False)["logits"], expected)
    torch.testing.assert_close(outputs(network, packed=True)["logits"], expected)
    assert set(network.altered) == {"factored"}


# Parameters


def test_parameters_are_checked_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        chain.parse(
            "prune-magnitude(sparsity=1.5, epochs=-1), prune-structured(flops=2, multiple=3), "
            "prune-layers(keep=0), low-rank(energy=0), prune-2:4(epochs=-2)"
        )
    assert len(caught.value.problems) == 7
    steps = chain.parse("prune-2:4(epochs=0), prune-structured(flops=0.7, learning_rate=0.01)")
    assert chain.describe(steps) == (
        "prune-2:4(epochs=0.0), prune-structured(flops=0.7, learning_rate=0.01)"
    )


# Every task


@pytest.mark.parametrize(
    ("task", "key", "side", "options"),
    [
        ("object-detection", "detector-small", 64, {}),
        ("face-recognition", "face-gradients", 48, {"finder": "none"}),
        ("image-classification", "mlp", 16, {}),
    ],
)
def test_methods_without_training_fit_every_kind(
    task: str, key: str, side: int, options: dict[str, str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    request = BuildRequest(
        task=task, labels=CLASSES, wishes=ImageOptions(image_size=(side, side)), options=options
    )
    network = build(key, request)
    source = bundle.save(tmp_path / "source", network, card_of(network, task))
    context = Context(task=tasks.load(task), original=source, memory=1 << 30)
    for number, method in enumerate(
        ("prune-magnitude(sparsity=0.5, epochs=0)", "prune-2:4(epochs=0)", "low-rank(energy=0.3)")
    ):
        (step,) = chain.parse(method)
        if key == "detector-small" and method.startswith("low-rank"):
            assert "no linear layers" in step.method.problems(network, card_of(network, task))[0]
            continue
        assert step.method.problems(network, card_of(network, task)) == []
        out = tmp_path / str(number)
        step.method.apply(source, out, step.options, context)
        opened, _ = open_network(str(out))
        weights = list(prunable(opened.module).values())
        if step.method.key == "prune-magnitude":
            assert zeros(weights) == round(0.5 * sum(weight.numel() for weight in weights))
        assert outputs(opened).keys() == outputs(network).keys()
        assert sum(path.stat().st_size for path in out.glob("*.safetensors")) < 0.75 * sum(
            path.stat().st_size for path in source.glob("*.safetensors")
        )
