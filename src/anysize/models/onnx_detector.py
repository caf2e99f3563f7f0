"""Detectors in ONNX files, with an adapter file beside them; for prediction alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from anysize.augmentation.sample import Normalisation
from anysize.core.errors import BundleError
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.bundle import Card
from anysize.models.classifier import class_names
from anysize.models.network import Network
from anysize.models.onnx.adapter import Adapter, find_adapter, read_adapter
from anysize.models.onnx.decoders import Decoder, make_decoder
from anysize.models.onnx.graph import digest
from anysize.models.onnx.session import OnnxSession
from anysize.readers.resize import resize

_LARGEST = 1 << 31


@dataclass
class OnnxDetectorOutput(ModelOutput):
    """Result of an ONNX detector.

    Attributes:
        class_scores: ``[n, k, classes]``.
        boxes: ``[n, k, 4]``: left, top, right, bottom, as parts of the input's sides.
    """

    class_scores: Tensor | None = None
    boxes: Tensor | None = None


class OnnxDetectorConfig(PretrainedConfig):
    """What identifies an ONNX detector: its file's digest, and its adapter."""

    model_type = "anysize_onnx_detector"

    def __init__(self, digest: str = "", adapter: str = "", **kwargs: Any) -> None:
        self.digest = digest
        self.adapter = adapter
        super().__init__(**kwargs)


class OnnxDetector(PreTrainedModel):
    """Looks like a transformers detector to whoever runs it.

    Args:
        config: for its identity.
        session: the network.
        image: the size that it was made for (other pictures are resized), and the normalisation.
        decoder: of its outputs.
        swapped: whether the input wants blue first.
    """

    config_class = OnnxDetectorConfig
    main_input_name = "pixel_values"
    own_runtime = True
    """Nothing else can run it: it is not made of torch's layers."""
    runs_in = "ONNX Runtime"
    """What plans call the runtime that is its own."""
    takes_levels = True
    """It is given pictures as they were read, and normalises them by table."""

    def __init__(
        self,
        config: OnnxDetectorConfig,
        session: OnnxSession,
        decoder: Decoder,
        *,
        image: ImageSettings,
        swapped: bool,
    ) -> None:
        super().__init__(config)
        self._session = session
        self._size = image.width, image.height
        self._tables = Normalisation(mean=image.mean, std=image.std).values(np.arange(256))
        self._decoder = decoder
        self._swapped = swapped

    def forward(self, pixel_values: Tensor) -> OnnxDetectorOutput:
        """Detect in pictures uint8 ``[n, height, width, 3]``, red first."""
        pixels = pixel_values.numpy()
        width, height = self._size
        if pixels.shape[1:3] != (height, width):
            pixels = np.stack([resize(each, width, height) for each in pixels])
        outputs = self._session.run(pixels, self._normalised)
        scores, boxes = self._decoder(outputs, self._size)
        classes = len(class_names(self.config))
        if scores.shape[-1] != classes:
            raise BundleError(
                "adapter", f"names {classes} labels, but the model scores {scores.shape[-1]}"
            )
        return OnnxDetectorOutput(
            class_scores=torch.from_numpy(np.ascontiguousarray(scores, np.float32)),
            boxes=torch.from_numpy(np.ascontiguousarray(boxes, np.float32)),
        )

    def _normalised(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network takes, ``[n, 3, height, width]``."""
        values = np.empty((len(pixels), 3, *pixels.shape[1:3]), np.float32)
        for place in range(3):
            channel = 2 - place if self._swapped else place
            np.take(self._tables[channel], pixels[..., channel], out=values[:, place])
        return values


def open_onnx(path: Path) -> tuple[Network, Card]:
    """An ONNX detector and its card.

    Raises:
        BundleError: no adapter file, or one that does not fit the model; all faults are named.
        MissingExtraError: neither ONNX Runtime nor OpenVINO is installed.
    """
    place = find_adapter(path)
    adapter = read_adapter(place)
    if path.stat().st_size > _LARGEST:
        raise BundleError(str(path), f"is larger than {_LARGEST >> 30} GiB")
    session = OnnxSession(path, torch.get_num_threads())
    problems: list[str] = []
    width, height = _input_size(adapter, session.shape, problems)
    decoder, faults = make_decoder(adapter.decoder, session.outputs)
    problems += faults
    if problems:
        raise BundleError(str(place), "; ".join(problems))
    labels = dict(enumerate(adapter.labels))
    config = OnnxDetectorConfig(
        digest=digest(path), adapter=repr(adapter), id2label=labels,
        label2id={name: number for number, name in labels.items()},
    )  # fmt: skip
    tile = adapter.tile or width
    image = ImageSettings(
        width=width, height=height, mean=adapter.mean, std=adapter.std, tile=tile, overlap=tile // 5
    )
    swapped = adapter.channels == "bgr"
    module = OnnxDetector(config, session, decoder, image=image, swapped=swapped)
    network = Network(
        module=module, spec=str(path), settings=image, licence=adapter.licence,
        outputs=("class_scores", "boxes"),
    )  # fmt: skip
    card = Card(
        task="object-detection", labels=adapter.labels, model=str(path), settings=image,
        licence=adapter.licence,
    )  # fmt: skip
    return network, card


def _input_size(adapter: Adapter, shape: tuple[int, ...], problems: list[str]) -> tuple[int, int]:
    """Width and height, as the adapter and the model say; they must agree."""
    if len(shape) != 4 or shape[1] not in (0, 3):
        problems.append(f"the model's input must be [n, 3, height, width], not {list(shape)}")
        return 1, 1
    found = []
    for name, wished, own in (
        ("width", adapter.width, shape[3]),
        ("height", adapter.height, shape[2]),
    ):
        if wished and own and wished != own:
            problems.append(f"{name} is {wished}, but the model's input has {own}")
        if not wished and not own:
            problems.append(f"{name} must be given: the model takes any")
        found.append(wished or own or 1)
    return found[0], found[1]
