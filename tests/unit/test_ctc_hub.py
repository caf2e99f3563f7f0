"""Models with a CTC head in the Hugging Face layout give what transformers gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.recordings import RATE, chirp

import anysize
from anysize.core.errors import BundleError
from anysize.models import spec
from anysize.models.ctc_vocabulary import CTCTokens
from anysize.models.step_grid import StepGrid

TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGH'")
SMALL: Mapping[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
    "conv_dim": (8, 8, 8), "conv_kernel": (10, 8, 4), "conv_stride": (5, 4, 4),
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "vocab_size": len(TOKENS),
    "initializer_range": 0.5,
}  # fmt: skip


def save(folder: Path, kind: str, **given: Any) -> Any:
    """A model with random weights and its processor; returns the model."""
    torch.manual_seed(3)
    config = getattr(transformers, f"{kind}Config")(**{**SMALL, **given})
    model: Any = getattr(transformers, f"{kind}ForCTC")(config).eval()
    model.save_pretrained(folder)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: n for n, token in enumerate(TOKENS)}), "utf-8")
    transformers.Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(
        return_attention_mask=given.get("feat_extract_norm") == "layer"
    ).save_pretrained(folder)
    return model


def wanted(model: Any, folder: Path, samples: np.ndarray) -> str:
    """By transformers: its extractor, the best path, its tokenizer."""
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    tokenizer = transformers.Wav2Vec2CTCTokenizer.from_pretrained(folder)
    inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits
    text: str = tokenizer.decode(logits[0].argmax(-1))
    for special in ("<s>", "</s>", "<unk>"):  # random weights say these too
        text = text.replace(special, "")
    return text


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("Wav2Vec2", {}),
        ("Wav2Vec2", {"feat_extract_norm": "layer", "do_stable_layer_norm": True}),
        ("Hubert", {}),
        ("WavLM", {}),
    ],
    ids=["wav2vec2", "wav2vec2-layer", "hubert", "wavlm"],
)
def test_short_recordings_give_what_transformers_gives(
    kind: str, given: dict[str, Any], tmp_path: Path
) -> None:
    model = save(tmp_path, kind, **given)
    recordings = [chirp(seconds, seed=place) for place, seconds in enumerate((0.31, 0.5, 0.31))]
    opened = anysize.load(str(tmp_path))
    assert opened.task.name == "automatic-speech-recognition"
    results = list(
        opened.predict(
            [(samples, RATE) for samples in recordings],
            runtime="torch", precision="float32", memory="4GiB",
        )
    )  # fmt: skip
    texts = [wanted(model, tmp_path, samples) for samples in recordings]
    assert any(texts)
    for result, text in zip(results, texts, strict=True):
        assert isinstance(result, anysize.Result)
        assert result.prediction.split() == text.split()
        assert result.receipt.fidelity == "exact"


def test_long_recordings_are_joined_on_the_grid(tmp_path: Path) -> None:
    save(tmp_path, "Wav2Vec2")
    own, _ = spec.open_network(str(tmp_path))
    grid = StepGrid.of(own)
    assert (grid.samples, grid.rate, grid.exact) == (80, RATE, False)
    samples = np.tile(chirp(4.0), 10)
    (result,) = anysize.load(str(tmp_path)).predict(
        [(samples, RATE)], runtime="torch", precision="float32", memory="4GiB", words=True
    )
    assert isinstance(result, anysize.Result)
    assert result.receipt.windows == 3
    assert (result.receipt.covered, result.receipt.fidelity) == (1.0, "approximate")
    assert any("--overlap" in note for note in result.receipt.notes)
    assert len(result.details["seams"]) == 2
    # Each border lies in the middle of what two windows share.
    assert result.details["seams"][0] == 18_000
    words = [word for each in result.details["segments"] for word in each["words"]]
    assert words[-1]["end"] <= 40_000


def test_letters_are_taken_in_the_case_that_there_is(tmp_path: Path) -> None:
    save(tmp_path, "Wav2Vec2")
    own, _ = spec.open_network(str(tmp_path))
    tokens = CTCTokens.of(own)
    ids, unknown = tokens.encode("a Bad  z cab")
    assert tokens.text(ids) == "A BAD  CAB"
    assert unknown == 1


def test_a_folder_without_its_vocabulary_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "Wav2Vec2")
    for name in ("vocab.json", "tokenizer.json"):
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(BundleError, match=r"its vocabulary \(tokenizer.json or vocab.json\)"):
        spec.open_network(str(tmp_path))


def test_a_vocabulary_of_another_model_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "Wav2Vec2", vocab_size=5)
    own, _ = spec.open_network(str(tmp_path))
    with pytest.raises(BundleError, match="do not belong together"):
        CTCTokens.of(own)


def test_layers_behind_the_encoder_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "Wav2Vec2", add_adapter=True, output_hidden_size=16)
    own, _ = spec.open_network(str(tmp_path))
    with pytest.raises(BundleError, match="add_adapter"):
        StepGrid.of(own)
