"""What a damaged bundle or model folder is answered with: one sentence, never numbers at random."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import anysize
from anysize.core.errors import BundleError
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle, sparse, tensor_file
from anysize.models.classifier import class_names
from anysize.models.network import BuildRequest
from anysize.models.spec import build, open_network

LABELS = ("a", "b", "c")
Tensors = dict[str, torch.Tensor]


def saved(folder: Path, model: str = "dense", **wishes: Any) -> Path:
    torch.manual_seed(0)
    task = "text-classification" if model == "transformer" else "tabular-classification"
    wishes = wishes or {"facts": FeatureFacts(shape=(4,))}

    def texts() -> Iterator[str]:
        yield "one two three " * 9

    network = build(
        model, BuildRequest(task=task, labels=LABELS, **{"facts": TextFacts(texts=texts), **wishes})
    )
    card = bundle.Card(
        task=task,
        labels=LABELS,
        model=model,
        settings=network.settings,
    )
    return bundle.save(folder, network, card)


def change(folder: Path, act: Callable[[Tensors, str], object]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    act(tensors, next(name for name, each in tensors.items() if each.ndim == 2))
    save_file({name: each.contiguous() for name, each in tensors.items()}, path, {"format": "pt"})


def edit(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda tensors, name: tensors.pop(name), r"has no weights for \S+"),
        (lambda tensors, name: tensors.update(other=tensors.pop(name)), "has no weights for"),
        (lambda tensors, name: tensors.update({name: tensors[name][:, :2]}), "in the shape"),
        (lambda tensors, name: tensors.update({name: tensors[name][:2]}), "in the shape"),
        (lambda tensors, _: tensors.update(more=torch.zeros(2)), "no place for: more"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_tensor_that_is_not_the_model_s_is_refused(
    tmp_path: Path, act: Callable[[Tensors, str], object], said: str, packed: bool
) -> None:
    folder = saved(tmp_path / "b")
    change(folder, act)
    if packed:
        change(folder, lambda tensors, _: [each.view(-1)[::2].zero_() for each in tensors.values()])
        sparse.pack(folder)
    with pytest.raises(BundleError, match=said):
        anysize.load(folder)


def test_weights_in_whole_numbers_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "b")
    change(folder, lambda tensors, name: tensors.update({name: tensors[name].char()}))
    with pytest.raises(BundleError, match="has weights in whole numbers, as they are not used"):
        anysize.load(folder)
    folder = saved(tmp_path / "c")
    change(folder, lambda tensors, _: tensors.update({k: v.double() for k, v in tensors.items()}))
    anysize.load(folder)


def test_classes_that_share_a_name_are_told_apart(tmp_path: Path) -> None:
    config = SimpleNamespace(id2label={"0": "crane", 1: "tench", "2": "crane"})
    assert class_names(config) == ("crane (0)", "tench", "crane (2)")
    folder = saved(tmp_path / "b")
    edit(folder / "anysize.json", labels=["a", "b", "a"])
    with pytest.raises(BundleError, match="its labels have 'a' twice"):
        anysize.load(folder)
    edit(folder / "anysize.json", labels=LABELS, merge="none")
    with pytest.raises(BundleError, match=r"anysize\.json: not a valid card: there is no merge"):
        anysize.load(folder)


def test_training_may_begin_with_a_new_head_and_says_so(tmp_path: Path) -> None:
    folder = saved(tmp_path / "b")
    request = BuildRequest(
        task="tabular-classification", labels=("x", "y"), facts=FeatureFacts(shape=(4,))
    )
    network = build(str(folder), request)
    assert len(network.new) == 2  # weight and bias
    same = BuildRequest(
        task="tabular-classification", labels=LABELS, facts=FeatureFacts(shape=(4,))
    )
    assert build(str(folder), same).new == ()
    change(folder, lambda tensors, name: tensors.pop(name))
    with pytest.raises(BundleError, match="has no weights for"):
        build(str(folder), request)


def test_a_folder_of_transformers_without_a_head_is_for_training(tmp_path: Path) -> None:
    folder = saved(tmp_path / "b", "transformer", wishes=TextOptions(window=16))
    (folder / "anysize.json").unlink()
    assert open_network(str(folder))[1].labels == LABELS
    change(folder, lambda tensors, _: [tensors.pop(n) for n in list(tensors) if "bert." not in n])
    with pytest.raises(BundleError, match="no trained head for this task"):
        open_network(str(folder))
    network = build(str(folder), BuildRequest(task="text-classification", labels=("x", "y")))
    assert set(network.new) == {"classifier.weight", "classifier.bias"}
    edit(folder / "config.json", num_hidden_layers=1)
    with pytest.raises(BundleError, match="no place for"):
        build(str(folder), BuildRequest(task="text-classification", labels=("x", "y")))


@pytest.mark.parametrize("name", ["model.bin", "../model.safetensors", 7])
def test_an_index_never_leads_to_pickles_or_other_folders(tmp_path: Path, name: Any) -> None:
    folder = saved(tmp_path / "b")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "model.bin")
    index = {"metadata": {}, "weight_map": {"body.weight": name}}
    (folder / tensor_file.INDEX).write_text(json.dumps(index))
    with pytest.raises(BundleError, match=r"pickles|outside its folder"):
        anysize.load(folder)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"labels": 5}, "labels must be a list of texts, not 5"),
        ({"labels": ["a", "b"]}, "2 labels, and its config.json 3"),
        ({"settings": {"width": "4"}}, "settings.width must be a whole number"),
        ({"settings": {"width": 10**9}}, "at most"),
        ({"settings": {"width": 3}}, "3 features, and its model reads 4"),
        ({"settings": {"width": 4, "colour": 1}}, "settings.colour is not known"),
        ({"modality": "text", "settings": {"window": 10**9}}, "window must be"),
        ({"modality": "image", "settings": {"width": 10**9, "height": 3}}, "picture size"),
        ({"modality": "smell"}, "one modality .*, and has smell"),
        ({"settings": None}, "the settings of one modality"),
        ({"modality": "text", "settings": {"window": 8}}, "says nothing of features"),
        ({"task": "cooking"}, "cooking"),
        ({"altered": [1]}, "altered must be an object"),
    ],
)
def test_a_card_that_is_damaged_is_named(
    tmp_path: Path, entries: dict[str, Any], said: str
) -> None:
    folder = saved(tmp_path / "b")
    edit(folder / "anysize.json", **entries)
    with pytest.raises(BundleError, match=said):
        anysize.load(folder)


@pytest.mark.parametrize(
    "entries",
    [
        {"num_hidden_layers": 10**9}, {"hidden_size": 10**9}, {"max_position_embeddings": 10**9},
        {"num_labels": 10**9}, {"hidden_size": "x"}, {"id2label": 3}, {"vocab_size": 3},
        {"transformers_weights": "other.bin"}, {"model_type": "anysize_../x"}, {"hidden_act": "x"},
    ],
)  # fmt: skip
def test_a_configuration_that_asks_for_other_weights_is_refused(
    tmp_path: Path, entries: dict[str, Any]
) -> None:
    folder = saved(tmp_path / "b", "transformer", wishes=TextOptions(window=16))
    edit(folder / "config.json", **entries)
    with pytest.raises(BundleError):
        anysize.load(folder)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "b", "transformer", wishes=TextOptions(window=16))
    entries = json.loads((folder / "tokenizer.json").read_text())
    entries["model"]["vocab"]["zebra"] = 10**6
    (folder / "tokenizer.json").write_text(json.dumps(entries))
    with pytest.raises(BundleError, match="token number 1000000"):
        anysize.load(folder)


def test_weights_that_are_no_numbers_cost_the_record(tmp_path: Path) -> None:
    folder = saved(tmp_path / "b")
    change(folder, lambda tensors, name: tensors[name].fill_(float("nan")))
    np.save(tmp_path / "x.npy", np.ones(4))
    (result,) = anysize.load(folder).predict(tmp_path / "x.npy")
    assert "not a number" in result.to_json()["error"]


def test_a_training_that_has_not_ended_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "recipe.toml").touch()
    with pytest.raises(BundleError, match=r"not ended.*--resume"):
        open_network(str(tmp_path))
