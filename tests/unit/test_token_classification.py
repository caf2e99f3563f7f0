"""Token classification: what is learned of windows, and data read as tags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anysize.core.batches import BatchPlan
from anysize.core.entities import tag_names
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.heads.soft import divergence
from anysize.modalities.texts.settings import TextSettings
from anysize.models.execution import make_execution
from anysize.models.network import Network
from anysize.models.tokenizers import train_tokenizer
from anysize.readers.text import Text
from anysize.sources import open_source
from anysize.tasks.distilling import Side
from anysize.tasks.protocols import LossBatch, MergeOptions
from anysize.tasks.token_classification import TokenClassification
from anysize.training.pooled import Objective, Windows, one_graph, split

WORDS = ("Anna", "Berg", "went", "to", "New", "York", ",", "yesterday", "unbelievably", "often")
LABELS = tag_names(["LOC", "PER"])
TOKENIZER = train_tokenizer([" ".join(WORDS[:8]) * 2], vocabulary=280)


class Local(nn.Module):
    """Tags from the token itself and one neighbour on each side: overlaps of 4 are enough."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            num_labels=len(LABELS), id2label=dict(enumerate(LABELS)), pad_token_id=0
        )
        self.embedding = nn.Embedding(TOKENIZER.get_vocab_size(), 8)
        self.mix = nn.Conv1d(8, len(LABELS), 3, padding=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        hidden = self.embedding(input_ids) * attention_mask.unsqueeze(-1)
        return SimpleNamespace(logits=self.mix(hidden.transpose(1, 2)).transpose(1, 2))


def network(window: int, overlap: int) -> Network:
    torch.manual_seed(1)
    module: Any = Local().double()
    return Network(
        module=module,
        spec="local",
        settings=TextSettings(window=window, overlap=overlap),
        tokenizer=TOKENIZER,
        per_token=("logits",),
    )


def record(words: int, seed: int = 0) -> Record:
    numbers = np.random.default_rng(seed)
    text, entities = "", []
    for word in numbers.choice(WORDS, words).tolist():
        start = len(text)
        text += word
        if word in ("Anna", "Berg"):
            entities.append([start, len(text), "PER"])
        elif word == "York":
            entities.append([start, len(text), "LOC"])
        text += " " * int(numbers.integers(1, 3))
    return Record(id="r", fields={"text": Text(text, "r")}, target=json.dumps(entities))


def gradient(goal: Objective, windows: list[list[Example]], target: int) -> tuple[float, Tensor]:
    goal.network.module.zero_grad()
    loss = sum(one_graph(goal, [Windows(part, target)]) for part in windows)
    grads = [item.grad for item in goal.network.module.parameters()]
    return loss, torch.cat([each.flatten() for each in grads if each is not None])


@pytest.mark.parametrize("budget", [24, 1000])
def test_the_gradient_of_a_record_in_windows_is_that_of_the_record_at_once(budget: int) -> None:
    """Of a model that is local, owned tokens alone count, so windows change nothing."""
    task, one = TokenClassification(), record(400)
    found = []
    for window, overlap, cost in ((4096, 0, 1 << 20), (24, 6, budget)):
        built = network(window, overlap)
        goal = Objective(
            task=task,
            network=built,
            execution=make_execution(built),
            rule="mean",
            label_smoothing=0.0,
            device=torch.device("cpu"),
            bfloat16=False,
        )
        examples = list(task.preprocess(built)(0, one, 0))
        plan = BatchPlan(budget=cost, packed=False)
        target = task.encode_target(one, LABELS)
        found.append(gradient(goal, list(split(examples, plan)), target))
        if window == 24:
            assert len(examples) > 20
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    # The first and the last token of a text have special tokens for neighbours in both.
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-4, atol=1e-6)


def test_a_word_counts_once_whatever_its_tokens_and_windows() -> None:
    task, one = TokenClassification(), record(300, seed=3)
    built = network(20, 7)
    examples = list(task.preprocess(built)(0, one, 0))
    tags = np.concatenate([example.aside["tags"] for example in examples])
    words = "".join(one.text("text").chunks()).split()
    assert any(len(TOKENIZER.encode(word).ids) > 3 for word in words)
    assert (tags != -100).sum() == len(words)
    names = dict.fromkeys(("Anna", "Berg"), "PER") | {"York": "LOC"}
    expected = [LABELS.index(f"B-{names[word]}") if word in names else 0 for word in words]
    ordered = [each["tags"][each["tags"] != -100] for each in (item.aside for item in examples)]
    assert np.concatenate(ordered).tolist() == expected


def test_an_entity_of_several_words_begins_once_across_windows() -> None:
    text = "Anna Berg " * 40
    one = Record(
        id="r", fields={"text": Text(text, "r")}, target=json.dumps([[0, len(text) - 1, "PER"]])
    )
    examples = list(TokenClassification().preprocess(network(16, 4))(0, one, 0))
    tags = np.concatenate([example.aside["tags"] for example in examples])
    found = tags[tags != -100].tolist()
    assert len(examples) > 3
    assert found == [LABELS.index("B-PER")] + [LABELS.index("I-PER")] * 79


def test_prediction_needs_no_target_and_carries_no_tags() -> None:
    one = Record(id="r", fields={"text": Text("Anna went", "r")})
    (example,) = TokenClassification().preprocess(network(64, 0))(0, one)
    assert set(example.aside) == {"first", "offsets", "starts"}
    with pytest.raises(DataError, match="nothing says which words"):
        TokenClassification().encode_target(one, LABELS)


def test_unknown_labels_and_rules_are_named() -> None:
    one = Record(id="r", fields={"text": Text("Anna went", "r")}, target='[[0, 4, "ORG"]]')
    with pytest.raises(
        DataError, match="has ORG, which the model does not know; it knows LOC, PER"
    ):
        TokenClassification().encode_target(one, LABELS)
    with pytest.raises(ConfigurationError, match="merge must be left out"):
        TokenClassification().new_merger(LABELS, MergeOptions(rule="max"))


def conll_lines() -> Iterator[str]:
    yield "-DOCSTART- -X- O O\n\n"
    yield "# a comment\nAnna NNP B-NP I-PER\nBerg NNP I-NP I-PER\nwent VBD B-VP O\n\n\n"
    yield "to\tTO\tB-PP\tO\nNew York\tNNP\tB-NP\tB-LOC\n"


def test_files_of_words_with_tags_are_read_a_sentence_a_record(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("".join(conll_lines()), encoding="utf-8")
    task = TokenClassification()
    source = open_source(path, roles=task.columns)
    found = [source[index] for index in range(len(source))]
    assert ["".join(each.text("text").chunks()) for each in found] == [
        "Anna Berg went",
        "to New_York",
    ]
    assert task.labels(source) == LABELS
    assert [
        [(each.start, each.stop, each.label) for each in task.target_of(one) or ()] for one in found
    ] == [[(0, 9, "PER")], [(3, 11, "LOC")]]
    third = open_source(path, roles=task.columns, columns={"tags": "3"})
    assert task.labels(third) == tag_names(["NP", "PP", "VP"])
    with pytest.raises(ConfigurationError, match="has a number, from 1"):
        open_source(path, roles=task.columns, columns={"tags": "ner"})


def test_a_file_of_words_without_tags_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("Anna\nwent\n\n", encoding="utf-8")
    source = open_source(path, roles=TokenClassification().columns)
    with pytest.raises(DataError, match="a line has 1 columns"):
        _ = source[0]
    path.write_text("\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="no line with a word and a tag"):
        open_source(path, roles=TokenClassification().columns)


def test_a_student_is_compared_at_the_words_that_its_windows_own() -> None:
    """Nothing where it agrees, whatever the order of labels; else the mean over the words."""
    task, one = TokenClassification(), record(120, seed=5)
    student, teacher = network(24, 6), network(24, 6)
    order = [0, 3, 4, 1, 2]
    with torch.no_grad():
        teacher_module: Any = teacher.module
        teacher_module.mix.weight.copy_(teacher_module.mix.weight[order].clone())
        teacher_module.mix.bias.copy_(teacher_module.mix.bias[order].clone())
    other = tuple(LABELS[place] for place in order)
    soft = task.soft_targets(
        Side(network=student, labels=LABELS, head={}),
        Side(network=teacher, labels=other, head={}),
        2.0,
    )
    examples = list(task.preprocess(student)(0, one, 0))
    own, wanted = (make_execution(each)(examples) for each in (student, teacher))
    assert float(soft.loss(own, wanted, examples).detach().abs().max()) < 1e-9
    moved = {"logits": own["logits"] + torch.linspace(0, 3, 5)}
    words = task.encode_target(one, LABELS)
    batch = LossBatch(
        examples=examples,
        owners=torch.zeros(len(examples), dtype=torch.int64),
        weights=torch.ones(len(examples)),
        targets=[words],
    )
    total = float((soft.loss(moved, wanted, examples) * soft.shares(batch)).sum().detach())
    whole = network(4096, 0)
    (at_once,) = task.preprocess(whole)(0, one, 0)
    logits = make_execution(whole)([at_once])["logits"]
    tags = torch.from_numpy(at_once.aside["tags"])
    rows = logits[1 : 1 + len(tags)][tags != -100]
    expected = divergence(rows + torch.linspace(0, 3, 5), rows, 2.0)
    assert total == pytest.approx(float(expected.mean().detach()), rel=1e-6)
