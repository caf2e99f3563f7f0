"""Detectors of transformers from folders: loaded, run and trained, tiny and untrained."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anysize import tasks
from anysize.core.errors import BundleError, MissingExtraError
from anysize.core.objects import Annotation, ObjectResult
from anysize.core.records import Record
from anysize.models import hub_detection, spec
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest
from anysize.readers.image import Image
from anysize.sources.memory import FieldSource
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

    # Not 8 channels: oneDNN 3.x crashes in the gradient of a 1 x 1 convolution with 8 inputs and a
    # stride, channels last, on three pictures and two threads.
    backbone = ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 16, 16, 16], depths=[1, 1, 1, 1],
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
        embedding_size=16, hidden_sizes=[16, 16, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    return RTDetrForObjectDetection(
        RTDetrConfig(
            backbone_config=backbone, use_pretrained_backbone=False, encoder_hidden_dim=16,
            encoder_in_channels=[16, 16, 16], feat_strides=[8, 16, 32], encoder_layers=1,
            encoder_ffn_dim=16, encoder_attention_heads=2, d_model=16, num_queries=20,
            decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16, decoder_layers=2,
            decoder_attention_heads=2, num_denoising=6, num_labels=3,
        )
    )  # fmt: skip


def d_fine() -> Any:
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config

    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8], stage_in_channels=[8, 8, 16, 16], stage_mid_channels=[8] * 4,
        stage_out_channels=[8, 16, 16, 16], stage_num_blocks=[1] * 4, stage_numb_of_layers=[1] * 4,
        embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1] * 4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    return DFineForObjectDetection(
        DFineConfig(
            backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[16, 16, 16],
            feat_strides=[8, 16, 32], encoder_layers=1, encoder_ffn_dim=16,
            encoder_attention_heads=2, d_model=16, num_queries=20,
            decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16, decoder_layers=2,
            decoder_attention_heads=2, num_denoising=6, num_labels=3,
        )
    )  # fmt: skip


MODELS = {"yolos": yolos, "detr": detr, "rt_detr": rt_detr, "d_fine": d_fine}


def folder(name: str, path: Path) -> Path:
    torch.manual_seed(0)
    module = MODELS[name]()
    module.config.id2label = dict(enumerate(LABELS))
    module.config.label2id = {label: place for place, label in enumerate(LABELS)}
    module.save_pretrained(path)
    text = '{"size": {"height": 64, "width": 96}, "do_normalize": false}'
    (path / "preprocessor_config.json").write_text(text)
    return path


def record(seed: int, width: int = 90) -> Record:
    pixels = np.random.default_rng(seed).integers(0, 256, (70, width, 3)).astype(np.uint8)
    target = (
        Annotation("dog", (10.0, 12.0, 65.0, 60.0)),
        Annotation("狗", (40.0, 5.0, 80.0, 30.0)),
    )
    return Record(id=str(seed), fields={"image": Image.from_pixels(pixels)}, target=target)


@pytest.mark.parametrize("name", list(MODELS))
def test_prediction(name: str, tmp_path: Path) -> None:
    network, card = spec.open_network(str(folder(name, tmp_path)))
    assert card.task == "object-detection"
    assert card.labels == LABELS
    assert (network.settings.width, network.settings.height) == (96, 64)
    assert network.settings.mean == (0.0, 0.0, 0.0)
    task = tasks.load(card.task)
    (example,) = task.preprocess(network)(0, record(0))
    with torch.inference_mode():
        outputs = make_execution(network)([example])
    merger = task.new_merger(card.labels)("0")
    merger.add(example.window, {name: value[0].numpy() for name, value in outputs.items()})
    result = merger.finish()
    assert isinstance(result, ObjectResult)
    assert (result.detections.boxes >= 0).all()
    assert (result.detections.boxes[:, 2] <= 90).all()
    assert result.receipt.covered == 1.0


@pytest.mark.parametrize("name", list(MODELS))
def test_training_on_tiles_with_a_head_of_the_right_size(name: str, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    labels = ("dog", "狗")
    network = spec.build(
        str(folder(name, tmp_path)), BuildRequest(task="object-detection", labels=labels)
    )
    task = tasks.load("object-detection")
    preprocess = task.preprocess(network)
    execution = make_execution(network)
    # The shrunk whole and two rows of two tiles; one of those shows too little of an object.
    examples = list(preprocess(0, record(0, width=150), 0))
    assert len(examples) == 5 and len(examples[0].arrays["boxes"]) == 2
    assert sum(len(example.arrays["ignored"]) for example in examples) > 0
    batch = LossBatch(
        examples=examples,
        owners=torch.zeros(5, dtype=torch.int64),
        weights=torch.ones(5),
        targets=[2],
    )
    optimizer = torch.optim.AdamW(network.module.parameters(), lr=2e-4)
    network.module.train()
    losses = []
    for _ in range(12):
        torch.manual_seed(1)
        outputs = execution(examples)
        loss = task.loss(network, outputs, batch)
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


def test_training_asks_for_scipy_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_detection, "find_spec", lambda name: None)
    network, card = spec.open_network(str(folder("yolos", tmp_path)))
    task, source = tasks.load("object-detection"), FieldSource("image", [])
    with pytest.raises(MissingExtraError, match=r"scipy.*anysize\[vision\]"):
        task.begin(network, source, card.labels)


def test_a_backbone_of_a_package_that_is_missing_is_told(tmp_path: Path) -> None:
    """As in the configurations of DETR's authors, whose backbone is one of timm."""
    if find_spec("timm") is not None:
        pytest.skip("timm is installed")
    path = folder("detr", tmp_path)
    entries = json.loads((path / "config.json").read_text())
    entries |= {"backbone_config": None, "backbone": "resnet50", "use_timm_backbone": True}
    entries["backbone_kwargs"] = {}
    (path / "config.json").write_text(json.dumps(entries))
    with pytest.raises(BundleError, match=r"requires the timm library.*pip install timm"):
        spec.open_network(str(path))


def test_the_hub_out_of_reach_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ConnectError(Exception):
        """As the hub's client raises it."""

    ConnectError.__module__ = "httpx._exceptions"

    def refuse(*_arguments: object, **_settings: object) -> None:
        raise ConnectError("Name or service not known")

    path = folder("yolos", tmp_path)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
    with pytest.raises(BundleError, match="Name or service not known"):
        spec.open_network(str(path))
