"""How many tokens a model has positions for, against the models themselves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig, AutoModel

from anysize.models.positions import position_count

SIZES = {
    "vocab_size": 30, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1,
    "intermediate_size": 8, "max_position_embeddings": 20, "type_vocab_size": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    "family",
    ["bert", "electra", "camembert", "data2vec-text", "ibert", "mpnet", "roberta",
     "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl"],
)  # fmt: skip
def test_as_many_tokens_as_there_are_positions_run_and_one_more_does_not(family: str) -> None:
    config = AutoConfig.for_model(family, **SIZES, pad_token_id=1)
    model = AutoModel.from_config(config).eval()
    most = position_count(config)
    assert most == (20 if family in ("bert", "electra") else 18)
    ids = torch.full((1, most), 5)
    with torch.inference_mode():
        assert model(ids).last_hidden_state.shape[1] == most
        with pytest.raises((IndexError, RuntimeError)):
            model(torch.full((1, most + 1), 5))


def test_longformer_counts_as_the_others_do_and_some_have_no_limit() -> None:
    config = AutoConfig.for_model("longformer", **SIZES, attention_window=4, pad_token_id=1)
    assert position_count(config) == 18
    assert position_count(SimpleNamespace(model_type="t5")) is None
