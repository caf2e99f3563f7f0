"""Gradients of single rows equal those of whole tables."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from anysize.models.row_embedding import RowEmbedding, replace_embeddings, row_embeddings
from anysize.training.team import FlatGradients

ROWS, SIZE = 2000, 8


class Model(nn.Module):
    """Two tables, one of them too small to replace, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(ROWS, SIZE, padding_idx=0)
        self.positions = nn.Embedding(16, SIZE)
        self.head = nn.Linear(SIZE, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(torch.tanh(self.words(ids) + self.positions(torch.arange(len(ids)))))  # type: ignore[no-any-return]


def model() -> Model:
    torch.manual_seed(0)
    return Model()


BATCHES = [torch.tensor([5, 0, 7, 5, 1999]), torch.tensor([3, 7, 3, 0])]


def run(model: Model, flat: FlatGradients | None) -> list[Tensor]:
    for ids in BATCHES:
        model(ids).square().sum().backward()
    if flat is not None:
        flat.finish(2, clip=0.1)
    return [parameter.grad.clone() for parameter in model.parameters()]  # type: ignore[union-attr]


def test_rows_in_one_buffer_equal_whole_tables() -> None:
    plain, changed = model(), model()
    assert replace_embeddings(changed) == 1
    assert list(changed.state_dict()) == list(plain.state_dict())
    expected_flat = FlatGradients(list(plain.parameters()), numbers=2)
    flat = FlatGradients(list(changed.parameters()), 2, tables=row_embeddings(changed))
    for _ in range(3):
        expected_flat.clear()
        flat.clear()
        for one, other in zip(run(plain, expected_flat), run(changed, flat), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-9)
    assert isinstance(changed.words, RowEmbedding)
    gradient = changed.words.weight.grad
    assert gradient is not None
    assert gradient.abs().sum(1).nonzero().flatten().tolist() == [3, 5, 7, 1999]
    flat.clear()
    assert not gradient.any()


def test_norms_are_the_same() -> None:
    plain, changed = model(), model()
    replace_embeddings(changed)
    norms = []
    for each in (plain, changed):
        flat = FlatGradients(list(each.parameters()), 2, tables=row_embeddings(each))
        for ids in BATCHES:
            each(ids).square().sum().backward()
        norms.append(flat.finish(2, clip=1e9))
    assert norms[1] == pytest.approx(norms[0], rel=1e-6)


def test_without_a_gradient_to_add_to_it_is_made_as_usual() -> None:
    plain, changed = model(), model()
    replace_embeddings(changed)
    for one, other in zip(run(plain, None), run(changed, None), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-9)


def test_tied_tables_stay_as_they_are() -> None:
    tied = model()
    tied.output = nn.Linear(SIZE, ROWS, bias=False)
    tied.output.weight = tied.words.weight
    assert replace_embeddings(tied) == 0
