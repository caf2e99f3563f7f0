"""Learning from a teacher: losses against formulas, and everything that training may do to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from anysize import tasks
from anysize.augmentation.image import Augmentation
from anysize.core.batches import BatchPlan
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.windows import Box, Span, Window
from anysize.heads.soft import divergence
from anysize.modalities.pictures.settings import ImageOptions
from anysize.modalities.texts.settings import TextSettings
from anysize.models import bundle, detector_soft
from anysize.models.bundle import Card
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build, open_network
from anysize.training import Recipe
from anysize.training.distillation import DistillingObjective, with_teacher
from anysize.training.mixing import Mixing
from anysize.training.order import mix
from anysize.training.pooled import Objective, Windows, group, one_graph, split, two_passes

LABELS = ("no", "yes", "perhaps")
WORDS = [f"w{number}" for number in range(40)]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bert(seed: int, *, layers: int = 4, width: int = 16, dropout: float = 0.0) -> Network:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words), hidden_size=width, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: place for place, label in enumerate(LABELS)}
    module = BertForSequenceClassification(config)
    for parameter in module.parameters():
        # As initialised, layers hardly change what they are given.
        parameter.data.mul_(3.0)
    module.classifier.weight.data.mul_(10.0)
    return Network(
        module=module.eval(), spec="tiny", settings=TextSettings(window=32), tokenizer=tokenizer
    )


def picture_net(key: str, seed: int, **options: str) -> Network:
    torch.manual_seed(seed)
    request = BuildRequest(
        task="image-classification",
        labels=LABELS,
        wishes=ImageOptions(image_size=(16, 16)),
        options=options,
    )
    return build(key, request)


def saved(network: Network, folder: Path, labels: Sequence[str] = LABELS) -> str:
    task = "text-classification" if network.settings.modality == "text" else "image-classification"
    if network.outputs != ("logits",):
        task = "object-detection"
    card = Card(
        task=task,
        labels=tuple(labels),
        model=network.spec,
        settings=network.settings,
    )
    return str(bundle.save(folder, network, card))


def texts(count: int) -> list[Example]:
    generator = np.random.default_rng(1)
    found = []
    for number, length in enumerate(generator.integers(4, 16, size=count)):
        ids = generator.integers(4, 44, size=int(length))
        ids[0] = 2
        span = Span(20 * number, 20 * number + int(length))
        window = Window(f"record {number}", 0, span, span, True)
        found.append(
            Example(ordinal=number, window=window, arrays={"input_ids": ids}, cost=int(length))
        )
    return found


def pictures(count: int, width: int = 16, height: int = 16) -> list[Example]:
    generator = np.random.default_rng(1)
    region = Box(0, 0, width, height)
    return [
        Example(
            ordinal=number,
            window=Window(f"record {number}", 0, region, region, True),
            arrays={"pixels": generator.integers(0, 256, (height, width, 3), dtype=np.uint8)},
            cost=width * height,
        )
        for number in range(count)
    ]


def learning(
    student: Network, teacher: str, *, packed: bool | None = None, **fields: Any
) -> DistillingObjective:
    kind = "text-classification" if student.settings.modality == "text" else "image-classification"
    if student.outputs != ("logits",):
        kind = "object-detection"
    plain = Objective(
        task=tasks.load(kind),
        network=student,
        execution=make_execution(student, packed=packed),
        rule="mean",
        label_smoothing=0.0,
        device=torch.device("cpu"),
        bfloat16=False,
    )
    recipe = Recipe(task=kind, data="-", model="-", out="-", teacher=teacher, **fields)
    found = with_teacher(plain, recipe, fields.pop("labels", LABELS))
    assert isinstance(found, DistillingObjective)
    student.module.train()
    return found


def gradients(objective: Objective) -> dict[str, Tensor]:
    module = torch.nn.ModuleDict(objective.parts())
    found = {
        name: parameter.grad.clone()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    module.zero_grad()
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6 * largest, msg=name)


def test_gradient_of_soft_targets_is_the_formula() -> None:
    """Hinton et al. 2015, section 2: T (softmax(s / T) - softmax(t / T)) for T squared times KL."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(5, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    teacher = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    temperature = 3.0
    divergence(student, teacher, temperature).sum().backward()
    formula = temperature * (
        torch.softmax(student.detach() / temperature, -1) - torch.softmax(teacher / temperature, -1)
    )
    torch.testing.assert_close(student.grad, formula, rtol=1e-12, atol=1e-14)
    high = divergence(student.detach(), teacher, 1e4)
    centred = (student - teacher) - (student - teacher).mean(-1, keepdim=True)
    # At high temperatures half the mean of the squared differences (ibid., equation 4).
    torch.testing.assert_close(high, centred.square().mean(-1).detach() / 2, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("packed", [True, False])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(packed: bool, tmp_path: Path) -> None:
    teacher = saved(bert(0), tmp_path)
    student, _ = open_network(teacher)
    objective = learning(student, teacher, packed=packed)
    assert objective.comparison is not None
    assert objective.comparison.count == 4
    outputs = objective.outputs(texts(6))
    for name in ("soft", "hidden"):
        torch.testing.assert_close(outputs[name], torch.zeros(6), rtol=0, atol=1e-10)
    other = learning(bert(1), teacher, packed=packed).outputs(texts(6))
    assert (other["soft"] > 1e-3).all()
    assert (other["hidden"] > 1e-3).all()


def test_packed_and_padded_states_are_compared_alike(tmp_path: Path) -> None:
    teacher = saved(bert(0), tmp_path)
    found = {}
    for packed in (True, False):
        objective = learning(bert(1), teacher, packed=packed)
        comparison = objective.comparison
        assert comparison is not None
        # The last layer exists at first tokens alone where sequences are packed.
        comparison.count = 3
        found[packed] = objective.outputs(texts(9))
    for name in ("soft", "hidden"):
        torch.testing.assert_close(found[True][name], found[False][name], rtol=1e-4, atol=1e-6)


def test_hidden_states_of_one_text_are_the_relative_difference(tmp_path: Path) -> None:
    teacher = saved(bert(0), tmp_path)
    student = bert(1, layers=2)
    objective = learning(student, teacher, packed=False)
    outputs = objective.outputs(texts(3))
    (_, example, _) = texts(3)
    ids = torch.from_numpy(example.arrays["input_ids"])[None]
    states = [
        network.module(input_ids=ids, output_hidden_states=True).hidden_states
        for network in (student, open_network(teacher)[0])
    ]
    expected = [
        (states[0][own] - states[1][other]).square().sum() / states[1][other].square().sum()
        for own, other in ((1, 2), (2, 4))
    ]
    torch.testing.assert_close(outputs["hidden"][1], sum(expected) / 2, rtol=1e-4, atol=1e-6)


def test_narrow_states_are_projected_and_the_projections_trained(tmp_path: Path) -> None:
    teacher = saved(bert(0), tmp_path)
    objective = learning(bert(1, width=8, layers=2), teacher)
    assert set(objective.parts()) == {"model", "projections"}
    records = [Windows([each], 0) for each in texts(4)]
    one_graph(objective, records)
    found = gradients(objective)
    projections = [name for name in found if name.startswith("projections.")]
    assert len(projections) == 2
    assert all(float(found[name].abs().max()) > 0 for name in projections)
    # As drawn they do not depend on what was drawn before.
    torch.rand(5)
    again = learning(bert(1, width=8, layers=2), teacher)
    for name, value in again.parts()["projections"].state_dict().items():
        assert torch.equal(value, objective.parts()["projections"].state_dict()[name])


@pytest.mark.parametrize("packed", [True, False])
def test_micro_batches_sum_to_the_whole(packed: bool, tmp_path: Path) -> None:
    objective = learning(bert(1, layers=2), saved(bert(0), tmp_path), packed=packed)
    windows = texts(12)
    records = [Windows(windows[start : start + 2], start % 3) for start in range(0, 12, 2)]
    whole = one_graph(objective, records)
    expected = gradients(objective)
    groups = group(records, BatchPlan(budget=60, packed=packed))
    assert len(groups) > 1
    assert sum(one_graph(objective, part) for part in groups) == pytest.approx(whole, rel=1e-5)
    assert_same(gradients(objective), expected)


def test_two_passes_equal_one_graph_with_dropout_on(tmp_path: Path) -> None:
    student = bert(1, layers=2, width=8, dropout=0.2)
    objective = learning(student, saved(bert(0, dropout=0.2), tmp_path))
    windows = texts(11)
    plan = BatchPlan(budget=40, packed=True)
    parts = list(split(windows, plan))
    assert len(parts) > 2

    def seed(number: int) -> None:
        torch.manual_seed(mix("test", number))

    kept = []
    for number, part in enumerate(parts):
        seed(number)
        kept.append(objective.outputs(part))
    together = {name: torch.cat([each[name] for each in kept]) for name in kept[0]}
    sizes = torch.tensor([item.window.core.size for item in windows])
    owners = torch.zeros(len(sizes), dtype=torch.int64)
    from anysize.tasks.protocols import LossBatch

    loss = objective.loss(
        together, LossBatch(examples=(), owners=owners, weights=sizes, targets=[2])
    )
    loss.backward()
    expected = gradients(objective)
    found, count = two_passes(objective, iter(windows), lambda: iter(windows), 2, plan, seed, 0)
    assert count == len(parts)
    assert found == pytest.approx(float(loss.detach()), rel=1e-6)
    assert_same(gradients(objective), expected)
    # A record counts as one however many windows it has: each window by its share.
    shares = sizes / sizes.sum()
    soft = float((together["soft"].detach() * shares).sum())
    hidden = float((together["hidden"].detach() * shares).sum())
    plain = dataclasses.replace(objective, weight=0.0, hidden_weight=0.0)
    hard = float(
        plain.loss(
            together, LossBatch(examples=(), owners=owners, weights=sizes, targets=[2])
        ).detach()
    )
    assert found == pytest.approx(0.5 * hard + 0.5 * soft + hidden, rel=1e-5)


def test_validation_does_without_the_teacher(tmp_path: Path) -> None:
    objective = learning(bert(1, layers=2), saved(bert(0), tmp_path))
    objective.network.module.eval()
    assert set(objective.outputs(texts(2))) == {"logits"}


def test_labels_in_another_order_are_mapped_and_other_ones_refused(tmp_path: Path) -> None:
    network = bert(0)
    teacher = saved(network, tmp_path / "teacher")
    head = network.module.classifier
    turned = [2, 0, 1]
    head.weight.data, head.bias.data = head.weight.data[turned], head.bias.data[turned]
    order = tuple(LABELS[place] for place in turned)
    network.module.config.id2label = dict(enumerate(order))
    network.module.config.label2id = {label: place for place, label in enumerate(order)}
    other = saved(network, tmp_path / "turned", order)
    found = [learning(bert(1), each).outputs(texts(5))["soft"] for each in (teacher, other)]
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-8)
    with pytest.raises(ConfigurationError, match="never"):
        learning(bert(1), saved(bert(0), tmp_path / "other", ("no", "yes", "never")))


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    from tokenizers import pre_tokenizers

    teacher = saved(bert(0), tmp_path)
    student = bert(1)
    assert student.tokenizer is not None
    student.tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("|")
    with pytest.raises(ConfigurationError, match="same tokenizer"):
        learning(student, teacher)


@pytest.mark.parametrize(
    ("key", "options"), [("cnn", {}), ("vit_tiny", {"num_hidden_layers": "2"})]
)
def test_pictures(key: str, options: dict[str, str], tmp_path: Path) -> None:
    teacher = saved(picture_net(key, 0, **options), tmp_path)
    same, _ = open_network(teacher)
    same.module.eval()
    objective = learning(same, teacher)
    same.module.train(False)
    # Batch statistics and dropout aside, which are the student's own in training.
    object.__setattr__(same.module, "training", True)
    outputs = objective.outputs(pictures(4))
    for name in ("soft", "hidden"):
        torch.testing.assert_close(outputs[name], torch.zeros(4), rtol=0, atol=1e-9)
    other = learning(picture_net("mlp", 1), teacher)
    records = [Windows([each], 0) for each in pictures(4)]
    one_graph(other, records)
    assert ("projections" in other.parts()) == (key == "vit_tiny")


@pytest.mark.parametrize("bfloat16", [False, True])
def test_the_teacher_sees_mixed_pictures_in_the_runs_precision(
    bfloat16: bool, tmp_path: Path
) -> None:
    teacher = saved(picture_net("cnn", 0), tmp_path)
    student, _ = open_network(teacher)
    objective = dataclasses.replace(learning(student, teacher), bfloat16=bfloat16)
    student.module.train(False)
    # Batch statistics are the student's own in training.
    object.__setattr__(student.module, "training", True)
    records = [Windows([each], place % 3) for place, each in enumerate(pictures(6))]
    mixed, mixture = Mixing(Augmentation("mixup(1.0)"), seed=3, rank=0)(records, 0, 1, 0)
    assert mixture is not None
    plain = {each.name: getattr(objective, each.name) for each in dataclasses.fields(Objective)}
    # Of the student's own teacher nothing comes, but for the share of the targets that it takes.
    alone = one_graph(Objective(**plain), mixed, mixture)
    assert one_graph(objective, mixed, mixture) == pytest.approx(0.5 * alone, rel=1e-6)
    outputs = objective.outputs([record.examples[0] for record in mixed])
    assert torch.equal(outputs["soft"], torch.zeros(6))
    assert torch.equal(outputs["hidden"], torch.zeros(6))
    assert outputs["logits"].dtype == (torch.bfloat16 if bfloat16 else torch.float32)


def test_a_teacher_of_another_size_sees_pictures_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    request = BuildRequest(
        task="image-classification", labels=LABELS, wishes=ImageOptions(image_size=(24, 24))
    )
    large = build("mlp", request)
    objective = learning(picture_net("cnn", 1), saved(large, tmp_path))
    seen: list[Any] = []
    objective.teacher.network.module.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output.logits.shape)
    )
    objective.outputs(pictures(3))
    assert seen == [(3, 3)]


def detector(seed: int, **options: str) -> Network:
    torch.manual_seed(seed)
    request = BuildRequest(
        task="object-detection",
        labels=LABELS,
        wishes=ImageOptions(image_size=(64, 64)),
        options=options,
    )
    network = build("detector-small", request)
    with torch.no_grad():
        # As initialised nothing is seen anywhere.
        network.module.head.logits.bias.add_(4.0)
        network.module.head.logits.weight.mul_(20.0)
    return network


def boxed(examples: Sequence[Example]) -> list[Example]:
    task = tasks.load("object-detection")
    return [task.made_up(example, len(LABELS))[0] for example in examples]


def test_detection_at_the_same_points(tmp_path: Path) -> None:
    small = {"hidden_sizes": "8x8x16x16", "depths": "1x1x1x1", "neck_size": "16"}
    teacher = saved(detector(0, **small), tmp_path / "teacher")
    network, _ = open_network(teacher)
    objective = learning(network, teacher)
    network.module.eval()
    network.targets = None
    object.__setattr__(network.module, "training", True)
    outputs = objective.outputs(boxed(pictures(2, 64, 64)))
    for name in ("soft", "hidden"):
        torch.testing.assert_close(outputs[name], torch.zeros(2), rtol=0, atol=1e-5)

    other = detector(1, **{**small, "neck_size": "8"})
    student = learning(other, teacher, distil_weight=1.0, hidden_weight=0.1)
    records = [Windows([each], 8) for each in boxed(pictures(2, 64, 64))]
    before = one_graph(student, records)
    assert before > 0.05
    optimizer = torch.optim.AdamW(torch.nn.ModuleDict(student.parts()).parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        after = one_graph(student, records)
        optimizer.step()
    assert after < 0.7 * before

    request = BuildRequest(
        task="object-detection", labels=LABELS, wishes=ImageOptions(image_size=(96, 64))
    )
    with pytest.raises(ConfigurationError, match="96x64"):
        learning(build("detector-small", request), teacher)


@pytest.mark.parametrize("nothing", [True, False])
def test_sets_of_boxes_are_compared_whatever_their_order(nothing: bool) -> None:
    pytest.importorskip("scipy")
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 7, 4, generator=generator)
    boxes = 0.2 + 0.5 * torch.rand(2, 7, 4, generator=generator)
    order = torch.randperm(7, generator=generator)
    turned = logits[:, order].requires_grad_(), boxes[:, order].requires_grad_()
    same = detector_soft.box_sets(*turned, logits, boxes, nothing=nothing)
    torch.testing.assert_close(same, torch.zeros(2), rtol=0, atol=1e-5)
    moved = detector_soft.box_sets(turned[0], turned[1] + 0.05, logits, boxes, nothing=nothing)
    assert (moved > 0.1).all()
    fewer = detector_soft.box_sets(
        turned[0][:, :5], turned[1][:, :5], logits, boxes, nothing=nothing
    )
    assert fewer.shape == (2,)
    fewer.sum().backward()
    assert turned[0].grad is not None and torch.isfinite(turned[0].grad).all()


def test_layers_kept_are_the_teachers_own(tmp_path: Path) -> None:
    from anysize.models.thinned import kept

    assert kept(6, 3) == (1, 3, 5)
    assert kept(12, 5) == (1, 3, 6, 8, 11)
    assert kept(4, 4) == (0, 1, 2, 3)
    teacher = saved(bert(0), tmp_path)

    def opened(layers: int) -> Network:
        options = {"layers": str(layers)}
        request = BuildRequest(task="text-classification", labels=LABELS, options=options)
        return build(teacher, request)

    original, _ = open_network(teacher)
    ids = torch.from_numpy(texts(1)[0].arrays["input_ids"])[None]
    with torch.no_grad():
        whole = opened(4).module(input_ids=ids).logits
        assert torch.equal(whole, original.module(input_ids=ids).logits)
        hidden = original.module.bert.embeddings(input_ids=ids)
        for place in (1, 3):
            hidden = original.module.bert.encoder.layer[place](hidden)
        expected = original.module.classifier(original.module.bert.pooler(hidden))
        half = opened(2)
        torch.testing.assert_close(half.module(input_ids=ids).logits, expected)
    # As saved and opened again.
    again, _ = open_network(saved(half, tmp_path / "half"))
    assert again.module.config.num_hidden_layers == 2
    with torch.no_grad():
        torch.testing.assert_close(again.module(input_ids=ids).logits, expected)
    for options in ({"layers": "5"}, {"layers": "0"}, {"layers": "x"}, {"width": "3"}):
        request = BuildRequest(task="text-classification", labels=LABELS, options=options)
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            build(teacher, request)


def test_recipe_fields(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Recipe(
            task="text-classification", data="-", model="-", out="-", teacher="runs/big",
            temperature=0.0, distil_weight=1.5, hidden_weight=-1.0,
        )  # fmt: skip
    assert len(caught.value.problems) == 3
    first = Recipe(task="text-classification", data="-", model="-", out="-", teacher="runs/big")
    other = dataclasses.replace(first, teacher="runs/small")
    assert len(other.differences(first)) == 1
    first.write(tmp_path / "recipe.toml")
    from anysize.training.recipe_file import load

    assert load(tmp_path / "recipe.toml") == first
