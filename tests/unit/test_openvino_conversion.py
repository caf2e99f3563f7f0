"""A network becomes an OpenVINO graph in a process that has run it in torch before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForQuestionAnswering

from anysize.core.errors import BundleError
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.models.row_embedding import RowEmbedding, replace_embeddings
from anysize.runtimes.feeding import graph_inputs

openvino = pytest.importorskip("openvino")


def network() -> Network:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=1500, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    return Network(
        module=BertForQuestionAnswering(config), settings=TextSettings(window=64),
        spec="tiny", outputs=("start_logits", "end_logits"),
    )  # fmt: skip


def test_what_training_and_packing_put_into_a_module_does_not_disturb_tracing() -> None:
    from anysize.runtimes.openvino import convert

    found = network()
    ids = torch.arange(2 * 16).view(2, 16)
    before = found.module.eval()(ids).start_logits.detach().numpy()
    assert replace_embeddings(found.module)
    assert isinstance(found.module.get_input_embeddings(), RowEmbedding)
    assert torch.is_grad_enabled()
    graph = openvino.Core().compile_model(
        convert(found), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    inputs = {"input_ids": ids.numpy(), "attention_mask": np.ones((2, 16), np.int64)}
    names = [item.name for item in graph_inputs(found)]
    result = graph([inputs.get(name, np.zeros((2, 16), np.int64)) for name in names])
    np.testing.assert_allclose(result[0], before, atol=1e-4)


def test_what_has_no_graph_is_an_error_of_ours() -> None:
    from anysize.runtimes.openvino import convert

    class Drawing(nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            raise LookupError("no graph of this")

    found = network()
    found.module.bert.embeddings.LayerNorm = Drawing()
    with pytest.raises(BundleError, match=r"cannot be converted for OpenVINO: Couldn't get"):
        convert(found)
