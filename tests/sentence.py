"""A tiny sentence encoder in the layout of sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "one", "two", "the", ".")
CHARACTERS = "长文档的内容很重要问题在哪里"


def write_encoder(
    folder: Path,
    *,
    pooling: str = "mean",
    normalize: bool = True,
    window: int = 16,
    prompts: dict[str, str] | None = None,
    pooler: bool = True,
) -> Path:
    """Writes it, with random weights that are always the same."""
    vocabulary = {name: place for place, name in enumerate(dict.fromkeys([*WORDS, *CHARACTERS]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    module = BertModel(config)
    if not pooler:
        module.pooler = None
    module.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=64,
    ).save_pretrained(folder)  # fmt: skip
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    room = "sentence_transformers.models"
    modules = [
        {"idx": at, "name": str(at), "path": paths[kind], "type": f"{room}.{kind}"}
        for at, kind in enumerate(kinds)
    ]
    _json(folder / "modules.json", modules)
    pools = {"embedding_dimension": 16, "pooling_mode": pooling}
    _json(folder / "1_Pooling" / "config.json", pools)
    _json(folder / "sentence_bert_config.json", {"max_seq_length": window, "do_lower_case": False})
    _json(folder / "config_sentence_transformers.json", {"prompts": prompts or {}})
    return folder


def _json(path: Path, entries: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(entries), encoding="utf-8")
