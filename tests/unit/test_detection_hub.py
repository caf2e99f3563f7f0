"""Detectors of transformers from folders: loaded, run and trained, tiny and untrained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anysize import tasks
from anysize.core.objects import Annotation, ObjectResult
from anysize.core.records import Record
from anysize.models import spec
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest
from anysize.readers.image import Image
from anysize.tasks.protocols import LossBatch

LABELS = ("cat", "dog", "狗")


def yolos() -> Any:
    from transformers import YolosConfig, YolosForObjectDetection

    return YolosForObjectDetection(
        YolosConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
            image_size=[64, 64], patch_size=16, num_detection_tokens=7, num_labels=3,
        )
    )  # fmt: skip


def detr() -> Any:
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1],
        layer_type="basic", out_features=["stage4"],
    )  # fmt: skip
    return DetrForObjectDetection(
        DetrConfig(
            use_timm_backbone=False, use_pretrained_backbone=False, backbone_config=backbone,
            d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=7,
            num_labels=3,
        )
    )  # fmt: skip


def rt_detr() -> Any:
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    return RTDetrForObjectDetection(
        RTDetrConfig(
            backbone_config=backbone, use_pretrained_backbone=False, encoder_hidden_dim=16,
            encoder_in_channels=[8, 16, 16], feat_strides=[8, 16, 32], encoder_layers=1,
            encoder_ffn_dim=16, encoder_attention_heads=2, d_model=16, num_queries=20,
            decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16, decoder_layers=2,
            decoder_attention_heads=2, num_denoising=6, num_labels=3,
        )
    )  # fmt: skip


MODELS = {"yolos": yolos, "detr": detr, "rt_detr": rt_detr}


def folder(name: str, path: Path) -> Path:
    torch.manual_seed(0)
    module = MODELS[name]()
    module.config.id2label = dict(enumerate(LABELS))
    module.config.label2id = {label: place for place, label in enumerate(LABELS)}
    module.save_pretrained(path)
    text = '{"size": {"height": 64, "width": 96}, "do_normalize": false}'
    (path / "preprocessor_config.json").write_text(text)
    return path


def record(seed: int) -> Record:
    pixels = np.random.default_rng(seed).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    target = (
        Annotation("dog", (10.0, 12.0, 50.0, 60.0)),
        Annotation("狗", (40.0, 5.0, 80.0, 30.0)),
    )
    return Record(id=str(seed), fields={"image": Image.from_pixels(pixels)}, target=target)


@pytest.mark.parametrize("name", list(MODELS))
def test_prediction(name: str, tmp_path: Path) -> None:
    network, card = spec.open_network(str(folder(name, tmp_path)))
    assert card.task == "object-detection"
    assert card.labels == LABELS
    assert network.image is not None
    assert (network.image.width, network.image.height) == (96, 64)
    assert network.image.mean == (0.0, 0.0, 0.0)
    task = tasks.load(card.task)
    (example,) = task.preprocess(network)(0, record(0))
    with torch.inference_mode():
        outputs = make_execution(network)([example])
    merger = task.new_merger(card.labels, "mean")("0")
    merger.add(example.window, {name: value[0].numpy() for name, value in outputs.items()})
    result = merger.finish()
    assert isinstance(result, ObjectResult)
    assert (result.detections.boxes >= 0).all()
    assert (result.detections.boxes[:, 2] <= 90).all()
    assert result.receipt.covered == 1.0


@pytest.mark.parametrize("name", list(MODELS))
def test_training_with_a_head_of_the_right_size(name: str, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    labels = ("dog", "狗")
    network = spec.build(
        str(folder(name, tmp_path)), BuildRequest(task="object-detection", labels=labels)
    )
    task = tasks.load("object-detection")
    preprocess = task.preprocess(network)
    execution = make_execution(network)
    examples = [example for seed in range(2) for example in preprocess(seed, record(seed), 0)]
    batch = LossBatch(
        examples=examples, owners=torch.arange(2), weights=torch.ones(2), targets=[2, 2]
    )
    optimizer = torch.optim.AdamW(network.module.parameters(), lr=2e-4)
    network.module.train()
    losses = []
    for _ in range(12):
        torch.manual_seed(1)
        outputs = execution(examples)
        loss = task.loss(network, outputs, batch, rule="mean", label_smoothing=0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all()
    # From the second step on: the first one moves heads that start at zero.
    assert losses[-1] < losses[1]
    network.module.eval()
    with torch.inference_mode():
        outputs = execution(examples)
    assert set(outputs) == {"logits", "pred_boxes"}
    assert outputs["logits"].shape[2] in (2, 3)
