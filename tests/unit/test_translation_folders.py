"""Encoder-decoders in folders of transformers, as a hub has them, translate as they do there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

import anysize
from anysize.core.errors import BundleError
from anysize.core.results import Result

SENTENCES = ("The dog runs over the hill.", "Two men talk.")


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    inner.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(SENTENCES * 20, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>", model_max_length=64,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["bart", "t5"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    words, place = tokenizer(), tmp_path_factory.mktemp(request.param)
    common: dict[str, Any] = {"vocab_size": len(words), "pad_token_id": 1, "eos_token_id": 2}
    network: Any
    if request.param == "bart":
        network = BartForConditionalGeneration(
            BartConfig(
                d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
                max_position_embeddings=64, bos_token_id=0, decoder_start_token_id=2,
                forced_eos_token_id=None, tie_word_embeddings=False, **common,
            )
        )  # fmt: skip
    else:
        config = T5Config(
            d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, decoder_start_token_id=1,
            tie_word_embeddings=False,
            **common,
        )  # fmt: skip
        network = T5ForConditionalGeneration(config)
    with torch.no_grad():  # varied tokens, and none that are special
        network.get_output_embeddings().weight.normal_()[:4] = 0
    network.save_pretrained(place)
    words.save_pretrained(place)
    return place


def test_a_folder_translates_sentence_by_sentence_as_transformers_does(folder: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    theirs, words = AutoModelForSeq2SeqLM.from_pretrained(folder), tokenizer()
    model = anysize.load(folder, task="translation")
    text = "\n\n".join(SENTENCES)
    (found,) = model(
        [text], beams=1, guard=False, memory="12GiB", runtime="torch", precision="float32"
    )
    assert isinstance(found, Result)
    assert found.receipt.covered == 1.0
    wanted = []
    for sentence in SENTENCES:
        ids = torch.tensor([words(sentence)["input_ids"]])
        # As long as ours: random weights do not end by themselves.
        made = theirs.eval().generate(ids, num_beams=1, do_sample=False, max_new_tokens=60)
        wanted.append(words.decode(made[0], skip_special_tokens=True).strip())
    ours = str(found.prediction).split("\n\n")
    assert len(ours) == 2
    for mine, other in zip(ours, wanted, strict=True):
        assert len(mine) > 4
        assert other.startswith(mine.strip())


def test_a_folder_without_its_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if not path.name.startswith("tokenizer"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(BundleError, match="tokenizer"):
        anysize.load(tmp_path, task="translation")
