"""A tiny text encoder, and texts of many lengths in its words."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = [f"w{number}" for number in range(40)]


def save_texts(path: Path, records: int) -> None:
    """A table of short and long texts of two classes, which differ in their words."""
    generator = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for _ in range(records):
            label = generator.choice(("no", "yes"))
            known = WORDS[:20] if label == "no" else WORDS[20:]
            length = generator.choice((3, 10, 25, 70))
            text = " ".join(generator.choice((known, WORDS)[index % 2]) for index in range(length))
            file.write(f"{text},{label}\n")


def save_tiny_encoder(folder: Path, *, dropout: float = 0.1) -> None:
    """A BERT of one layer with random weights, which reads 32 tokens at once."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    BertForSequenceClassification(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=32,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    ).save_pretrained(folder)
