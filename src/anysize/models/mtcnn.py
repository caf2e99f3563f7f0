"""MTCNN: three small nets that find faces and their five landmarks (arXiv:1604.02878).

Zhang et al. 2016; with the weights that the wheel facenet-pytorch 2.6.0 carries.
The package itself is not imported: it pins an older torch and imports torchvision. Its weights
are state dictionaries, read as plain tensors. What the nets are run on is in ``face_finder``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError

INSTALL = "pip install --no-deps facenet-pytorch==2.6.0"

_PACKAGE = "facenet_pytorch"


class MtcnnConfig(PretrainedConfig):
    """Settings of :class:`MtcnnModel`.

    Args:
        thresholds: the lowest face probability that each of the three nets lets through.
        shrink: ratio of neighbouring steps of the picture pyramid.
        smallest: side in pixels of the smallest face that is looked for, at least 12.
        **kwargs: what every configuration has.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    model_type = "anysize_mtcnn"

    def __init__(
        self,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        shrink: float = 0.709,
        smallest: int = 20,
        **kwargs: Any,
    ) -> None:
        self.thresholds = list(thresholds)
        self.shrink = shrink
        self.smallest = smallest
        super().__init__(**kwargs)
        problems = []
        if len(self.thresholds) != 3 or not all(0 < value < 1 for value in self.thresholds):
            problems.append(
                f"thresholds must be three numbers between 0 and 1, not {self.thresholds}"
            )
        if not 0.1 <= shrink <= 0.95:
            problems.append(f"shrink must be from 0.1 to 0.95, not {shrink}")
        if smallest < 12:
            problems.append(f"smallest must be at least 12 pixels, not {smallest}")
        if problems:
            raise ConfigurationError(problems)


class ProposalNet(nn.Module):
    """Every 12 x 12 window of a picture at a stride of 2: is it a face, and how is it moved?"""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 10, 3),
            nn.PReLU(10),
            nn.MaxPool2d(2, 2, ceil_mode=True),
            nn.Conv2d(10, 16, 3),
            nn.PReLU(16),
            nn.Conv2d(16, 32, 3),
            nn.PReLU(32),
        )
        self.face = nn.Conv2d(32, 2, 1)
        self.shift = nn.Conv2d(32, 4, 1)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures ``[n, 3, h, w]`` to what is known of each window.

        Probabilities ``[n, rows, columns]`` and box shifts ``[n, 4, rows, columns]`` (left, top,
        right, bottom, in window sides). The window of row r, column c is
        ``[2 c, 2 c + 12) x [2 r, 2 r + 12)``; only windows inside the picture are answered.
        """
        height, width = pixel_values.shape[2:]
        rows, columns = (height - 12) // 2 + 1, (width - 12) // 2 + 1
        maps = self.layers(pixel_values)[:, :, :rows, :columns]
        return self.face(maps).softmax(dim=1)[:, 1], self.shift(maps)


class CropNet(nn.Module):
    """What the second and the third net share: convolutions, one dense layer, then the heads.

    Args:
        layers: the convolutional part.
        flat: how many values it leaves.
        width: of the dense layer.
        points: whether there is a head for five landmarks.
    """

    def __init__(self, layers: nn.Sequential, flat: int, width: int, *, points: bool) -> None:
        super().__init__()
        self.layers = layers
        self.dense = nn.Linear(flat, width)
        self.bend = nn.PReLU(width)
        self.face = nn.Linear(width, 2)
        self.shift = nn.Linear(width, 4)
        self.points = nn.Linear(width, 10) if points else None

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Crops ``[n, 3, side, side]`` to what is known of each.

        Probabilities ``[n]``, box shifts ``[n, 4]`` and, with that head, landmarks ``[n, 5, 2]``
        as ``(x, y)``; shifts and points in box sides.
        """
        maps = self.layers(pixel_values)
        # The weights were trained with the columns before the rows, and the channels last.
        values = self.bend(self.dense(maps.permute(0, 3, 2, 1).flatten(1)))
        points = None if self.points is None else self.points(values)
        if points is not None:
            points = points.reshape(-1, 2, 5).transpose(1, 2)
        return self.face(values).softmax(dim=1)[:, 1], self.shift(values), points


class MtcnnModel(PreTrainedModel):
    """The three nets: ``proposal`` (12 pixels), ``refine`` (24) and ``output`` (48)."""

    config_class = MtcnnConfig
    main_input_name = "pixel_values"
    input_modalities = "image"

    def __init__(self, config: MtcnnConfig) -> None:
        super().__init__(config)
        self.proposal = ProposalNet()
        self.refine = CropNet(
            nn.Sequential(
                nn.Conv2d(3, 28, 3),
                nn.PReLU(28),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.Conv2d(28, 48, 3),
                nn.PReLU(48),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.Conv2d(48, 64, 2),
                nn.PReLU(64),
            ),
            flat=576,
            width=128,
            points=False,
        )
        self.output = CropNet(
            nn.Sequential(
                nn.Conv2d(3, 32, 3),
                nn.PReLU(32),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.Conv2d(32, 64, 3),
                nn.PReLU(64),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.Conv2d(64, 64, 3),
                nn.PReLU(64),
                nn.MaxPool2d(2, 2, ceil_mode=True),
                nn.Conv2d(64, 128, 2),
                nn.PReLU(128),
            ),
            flat=1152,
            width=256,
            points=True,
        )
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """The first net on pictures ``[n, 3, h, w]``; see ``ProposalNet.forward``."""
        found: tuple[Tensor, Tensor] = self.proposal(pixel_values)
        return found


def pretrained(**settings: Any) -> MtcnnModel:
    """The nets with the wheel's weights, ready to find faces.

    Args:
        settings: of :class:`MtcnnConfig`.

    Raises:
        MissingExtraError: the wheel is not installed.
        BundleError: its weights are not those of the paper's nets.
    """
    folder = weights_folder()
    model = MtcnnModel(MtcnnConfig(**settings))
    for name, net, pairs in (
        ("pnet", model.proposal, _PROPOSAL),
        ("rnet", model.refine, _REFINE),
        ("onet", model.output, _OUTPUT),
    ):
        path = folder / f"{name}.pt"
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
            net.load_state_dict(_renamed(found, pairs))
        # A refused pickle raises a class of the pickle module, which is never imported here.
        except Exception as error:
            raise BundleError(
                str(path),
                f"is not a net of MTCNN ({_first_line(error)}); install it again: {INSTALL}",
            ) from error
    model.train(False)
    return model


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def weights_folder() -> Path:
    """Where the wheel keeps its weights.

    Raises:
        MissingWheelError: it is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingWheelError
    return Path(spec.origin).parent / "data"


class MissingWheelError(MissingExtraError):
    """The wheel with the weights is not installed; it pins torch below 2.3, so no extra has it."""

    def __init__(self) -> None:
        super().__init__("facenet-pytorch", "pretrained")
        self.args = (
            "finding faces needs the weights in the wheel facenet-pytorch, which is not "
            f"installed: {INSTALL} (without its dependencies, which are not needed and would "
            "replace torch by an older one)",
        )

    def __reduce__(self) -> tuple[type[MissingWheelError], tuple[()]]:  # type: ignore[override]
        return type(self), ()


def _numbered(places: tuple[int, ...], **others: str) -> dict[str, str]:
    """The wheel's names of layers to ours: conv1, prelu1, conv2, … are at these places."""
    named = {}
    for index in range(0, len(places), 2):
        named[f"conv{index // 2 + 1}"] = f"layers.{places[index]}"
        named[f"prelu{index // 2 + 1}"] = f"layers.{places[index + 1]}"
    return named | others


_PROPOSAL = _numbered((0, 1, 3, 4, 5, 6), conv4_1="face", conv4_2="shift")
_REFINE = _numbered(
    (0, 1, 3, 4, 6, 7), dense4="dense", prelu4="bend", dense5_1="face", dense5_2="shift"
)
_OUTPUT = _numbered(
    (0, 1, 3, 4, 6, 7, 9, 10),
    dense5="dense",
    prelu5="bend",
    dense6_1="face",
    dense6_2="shift",
    dense6_3="points",
)


def _renamed(found: Mapping[str, Tensor], pairs: Mapping[str, str]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in found.items():
        layer, _, kind = key.rpartition(".")
        renamed[f"{pairs[layer]}.{kind}"] = value
    return renamed


AutoConfig.register(MtcnnConfig.model_type, MtcnnConfig, exist_ok=True)
AutoModel.register(MtcnnConfig, MtcnnModel, exist_ok=True)
