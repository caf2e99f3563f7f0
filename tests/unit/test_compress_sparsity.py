"""Sparse files come back bit for bit; training with sparsity prunes exactly what it should."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from anysize.core.errors import BundleError
from anysize.models import sparse
from anysize.training.sparsity import (
    Sparsity,
    prunable,
    prune_smallest,
    two_of_four,
    was_pruned,
    zeros,
)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 7), min_size=0, max_size=3),
    kind=st.sampled_from((torch.float32, torch.bfloat16, torch.int64, torch.uint8)),
    density=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_what_is_encoded_comes_back_bit_for_bit(
    shape: list[int], kind: torch.dtype, density: float, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    tensor = (100 * torch.rand(shape, generator=random)).to(kind)
    tensor = tensor * (torch.rand(shape, generator=random) < density).to(kind)
    count = tensor.numel()
    parts = sparse.encode(tensor)
    kept = int((tensor != 0).sum())
    size = math.ceil(count / 8) + kept * tensor.element_size()
    if parts is None:
        assert size >= count * tensor.element_size()
        return
    assert parts[0].numel() + parts[1].numel() * tensor.element_size() == size
    back = sparse.decode(*parts, tuple(shape))
    assert back.dtype == kind and back.shape == tensor.shape and torch.equal(back, tensor)


def test_negative_zeros_and_not_numbers_keep_their_bits() -> None:
    tensor = torch.zeros(64)
    tensor[3], tensor[5], tensor[7] = -0.0, math.nan, math.inf
    parts = sparse.encode(tensor)
    assert parts is not None and parts[1].numel() == 3
    back = sparse.decode(*parts, (64,))
    assert torch.equal(back.view(torch.int32), tensor.view(torch.int32))


def test_damaged_sparse_files_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    def refused(tensors: dict[str, torch.Tensor], shapes: Any) -> str:
        path = tmp_path / sparse.FILE
        save_file(tensors, path, metadata={"anysize_sparse_shapes": json.dumps(shapes)})
        with pytest.raises(BundleError) as caught:
            sparse.read(path)
        return str(caught.value)

    mask, values = torch.tensor([7], dtype=torch.uint8), torch.ones(3)
    whole = {"a:mask": mask, "a:values": values}
    assert "mask does not fit its values" in refused(
        {**whole, "a:values": torch.ones(2)}, {"a": [2, 4]}
    )
    assert "mask does not fit its shape" in refused(whole, {"a": [1 << 20, 1 << 20]})
    assert "the shape of a" in refused(whole, {"a": [-8]})
    assert "not an object" in refused(whole, [])
    assert "b:mask" in refused(whole, {"b": [8]})
    (tmp_path / sparse.FILE).write_bytes(b"nothing")
    with pytest.raises(BundleError):
        sparse.read(tmp_path / sparse.FILE)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    levels=st.integers(1, 6),
    part=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_exactly_the_smallest_are_pruned(
    sizes: list[int], levels: int, part: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    arrays = [random.integers(1, levels + 1, size) * random.choice([-1, 1], size) for size in sizes]
    weights = [torch.tensor(array, dtype=torch.float32) for array in arrays]
    count = int(part * sum(sizes))
    prune_smallest(weights, count)
    flat = np.concatenate(arrays)
    first = np.argsort(np.abs(flat), kind="stable")[:count]
    flat = flat.astype(np.float32)
    flat[first] = 0.0
    assert np.array_equal(np.concatenate([weight.numpy() for weight in weights]), flat)
    assert zeros(weights) == count


def test_the_layout_in_memory_does_not_matter() -> None:
    torch.manual_seed(0)
    weight = torch.randint(1, 3, (4, 8, 3, 3)).float()
    other = weight.clone().to(memory_format=torch.channels_last)
    prune_smallest([weight], 100)
    prune_smallest([other], 100)
    assert torch.equal(weight, other)
    kept, others = two_of_four(weight), two_of_four(other)
    assert kept is not None and others is not None and torch.equal(kept, others)


def test_two_of_every_four_inputs_are_kept() -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 8, 3, 3)
    kept = two_of_four(weight)
    assert kept is not None
    assert bool((kept.view(5, 2, 4, 3, 3).sum(2) == 2).all())
    fours = weight.abs().view(5, 2, 4, 3, 3).movedim(2, -1)
    chosen = kept.view(5, 2, 4, 3, 3).movedim(2, -1)
    assert torch.equal(
        fours.masked_fill(~chosen, 0).sum(-1), fours.sort(descending=True).values[..., :2].sum(-1)
    )
    assert two_of_four(torch.ones(5, 6)) is None


def test_sparsity_rises_by_the_cube_and_never_falls() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(40, 50), nn.ReLU(), nn.Linear(50, 10))
    pruner = Sparsity(module, 0.8, "global")
    pruner.begin()
    total, before = 2500, 0
    pruned: set[int] = set()
    for step in range(1, 41):
        with torch.no_grad():
            for weight in module.parameters():
                weight.add_(0.1 * torch.randn_like(weight))
        pruner.after_step(step / 40)
        weights = list(prunable(module).values())
        turn = math.floor(20 * min(step / 20, 1.0)) / 20
        assert zeros(weights) == round(0.8 * total * (1 - (1 - turn) ** 3))
        flat = torch.cat([weight.detach().reshape(-1) for weight in weights])
        now = set((flat == 0).nonzero().squeeze(1).tolist())
        assert pruned <= now
        pruned, before = now, len(now)
        assert pruner.settled == (len(now) == 2000)
    assert before == 0.8 * total and not pruner.finish()


def test_masks_are_what_the_weights_say() -> None:
    torch.manual_seed(0)
    module = nn.Linear(64, 64)
    prune_smallest([module.weight], 1000)
    places = module.weight == 0
    pruner = Sparsity(module, 0.5, "global")
    pruner.begin()
    with torch.no_grad():
        module.weight.add_(1.0)
    pruner.after_step(0.0)
    assert torch.equal(module.weight == 0, places)
    assert pruner.finish() and zeros([module.weight]) == 2048


def test_shared_and_frozen_weights_are_not_pruned() -> None:
    module = nn.ModuleDict({"words": nn.Embedding(8, 4), "out": nn.Linear(4, 8)})
    module["out"].weight = module["words"].weight
    module["frozen"] = nn.Linear(4, 4).requires_grad_(False)
    module["own"] = nn.Linear(4, 4)
    assert list(prunable(module)) == ["own.weight"]


def test_a_pruned_network_stays_so_when_it_is_trained_on() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    assert not was_pruned(module)
    prune_smallest(list(prunable(module).values()), 48)
    assert was_pruned(module)
    kept = Sparsity(module, 0.0, "global")
    kept.begin()
    before = {name: weight == 0 for name, weight in prunable(module).items()}
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(1.0)
    kept.after_step(0.9)
    for name, weight in prunable(module).items():
        assert torch.equal(weight == 0, before[name])
    assert kept.settled
    assert not kept.finish()
