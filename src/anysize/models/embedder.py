"""Networks that turn a face into a vector: faces of one person point in one direction.

``face-gradients`` reads histograms of oriented gradients (Dalal and Triggs 2005) and projects
them; ``face-resnet18`` learns its features from the pixels, for which it needs thousands of
people. Both start from the projection of ``models.whitening``, computed from the training data,
and are trained with the margin loss of ``models.margin``.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers import initialization as init

from anysize.core.errors import ConfigurationError
from anysize.modalities.pictures.settings import ImageOptions, ImageSettings
from anysize.models.classifier import class_entries
from anysize.models.embedding import EmbeddingOutput
from anysize.models.margin import MarginHead, margin_problems
from anysize.models.mtcnn import MtcnnConfig, MtcnnModel, pretrained
from anysize.models.network import BuildRequest, Network

PROVIDES = ("face-gradients", "face-resnet18")

Trunk = Literal["gradients", "resnet18"]

_TASK = "face-recognition"
_TRUNKS: dict[str, Trunk] = {"face-gradients": "gradients", "face-resnet18": "resnet18"}
_SIDE = 112
_RESNET_GRID = 4


class EmbedderConfig(PretrainedConfig):
    """Configuration of :class:`EmbedderModel`.

    Args:
        trunk: what features are taken: "gradients" or "resnet18".
        width: of the embeddings.
        image_size: ``(height, width)`` in pixels.
        margin: of the loss, in radians.
        scale: of the loss.
        cell: side of a cell of the histograms, in pixels.
        orientations: of the histograms, over half a turn.
        mirror: whether a picture and its mirror image are embedded together, outside of training.
        finder: settings of the face finder, :class:`MtcnnConfig`; None where pictures are faces
            already.
        **kwargs: what every configuration has; ``num_labels`` is the number of identities.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    model_type = "anysize_embedder"

    def __init__(
        self,
        trunk: Trunk = "gradients",
        width: int = 512,
        image_size: tuple[int, int] = (_SIDE, _SIDE),
        margin: float = 0.3,
        scale: float = 16.0,
        cell: int = 8,
        orientations: int = 9,
        mirror: bool = True,
        finder: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.trunk = trunk
        self.width = width
        self.image_size = list(image_size)
        self.margin = margin
        self.scale = scale
        self.cell = cell
        self.orientations = orientations
        self.mirror = mirror
        self.finder = finder
        super().__init__(**kwargs)
        problems = margin_problems(margin, scale)
        if trunk not in _TRUNKS.values():
            problems.append(f"trunk must be one of {sorted(_TRUNKS.values())}, not {trunk!r}")
        if not 2 <= width <= 4096:
            problems.append(f"width must be from 2 to 4096, not {width}")
        if cell < 2 or cell % 2:
            problems.append(f"cell must be an even number of at least 2 pixels, not {cell}")
        elif min(self.image_size) < 2 * cell:
            problems.append(
                f"image_size must be at least two cells of {cell} pixels, not {self.image_size}"
            )
        if orientations < 2:
            problems.append(f"orientations must be at least 2, not {orientations}")
        if problems:
            raise ConfigurationError(problems)

    def outside(self) -> dict[str, nn.Module]:
        """What runs before ``forward``, untrained: the face finder."""
        return {} if self.finder is None else {"finder": MtcnnModel(MtcnnConfig(**self.finder))}


class GradientHistograms(nn.Module):
    """Histograms of oriented gradients, of soft votes so that they are smooth; no weights.

    Each pixel votes with its gradient's length for the orientations near its own (by the fourth
    power of the cosine, light and dark being alike), in four overlapping cells. A cell's histogram
    is divided by the energy of the 3 x 3 cells around it, clipped, and its roots are taken.

    Args:
        cell: side of a cell in pixels, even.
        orientations: over half a turn.
    """

    def __init__(self, cell: int, orientations: int) -> None:
        super().__init__()
        self._cell = cell
        self._angles = [math.pi * number / orientations for number in range(orientations)]

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Pictures ``[n, channels, h, w]`` to ``[n, orientations, h / cell, w / cell]``."""
        grey = pixel_values.float().mean(dim=1, keepdim=True)
        # Light and contrast of the whole picture do not count.
        centred = grey - grey.mean(dim=(2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
        padded = functional.pad(centred / (deviation + 1e-3), (1, 1, 1, 1), mode="replicate")
        across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        length = (across.square() + down.square() + 1e-6).sqrt()
        votes = [
            ((math.cos(angle) * across + math.sin(angle) * down) / length) ** 4
            for angle in self._angles
        ]
        cells = functional.avg_pool2d(
            torch.cat(votes, dim=1) * length,
            2 * self._cell,
            self._cell,
            padding=self._cell // 2,
            count_include_pad=False,
        )
        energy = cells.square().sum(dim=1, keepdim=True)
        around = functional.avg_pool2d(energy, 3, 1, 1, count_include_pad=False)
        return (cells / (around + 1e-4).sqrt()).clamp(1e-6, 0.8).sqrt()


class EmbedderModel(PreTrainedModel):
    """Features, one projection, and for training the identities' centres.

    The face finder, where there is one, is kept beside them: it is what comes before ``forward``.
    """

    config_class = EmbedderConfig
    main_input_name = "pixel_values"
    input_modalities = "image"

    def __init__(self, config: EmbedderConfig) -> None:
        super().__init__(config)
        self.trunk = _trunk(config)
        self.projection = nn.Linear(_feature_size(config), config.width)
        self.head = MarginHead(
            config.width, config.num_labels or 0, margin=config.margin, scale=config.scale
        )
        self.finder = config.outside().get("finder")
        if self.finder is not None:
            self.finder.requires_grad_(False)
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def starts_from_data(self) -> bool:
        """Whether ``start_from`` should be called: the features mean something untrained."""
        return bool(self.config.trunk == "gradients")

    def features(self, pixel_values: Tensor) -> Tensor:
        """What is projected, ``[n, features]``, of pictures ``[n, 3, height, width]``."""
        maps: Tensor = self.trunk(pixel_values)
        return maps.flatten(1)

    def forward(
        self, pixel_values: Tensor, return_dict: bool | None = None
    ) -> EmbeddingOutput | tuple[Tensor, ...]:
        """Embed normalised pictures.

        Args:
            pixel_values: ``[n, 3, height, width]``, floating point.
            return_dict: false gives a tuple.
        """
        embeddings = self.projection(self.features(pixel_values))
        if self.config.mirror and not self.training:
            turned = self.projection(self.features(pixel_values.flip(3)))
            embeddings = functional.normalize(embeddings, dim=1) + functional.normalize(
                turned, dim=1
            )
        output = EmbeddingOutput(embeddings=embeddings)
        if return_dict is False:
            fields: tuple[Tensor, ...] = output.to_tuple()
            return fields
        return output

    @torch.no_grad()
    def start_from(self, projection: Tensor, centres: Tensor) -> None:
        """Sets the projection and the identities' centres.

        Args:
            projection: ``[width, features + 1]``, the last column the constant.
            centres: ``[identities, width]``.
        """
        self.projection.weight.copy_(projection[:, :-1])
        self.projection.bias.copy_(projection[:, -1])
        self.head.centres.copy_(centres)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, std=module.in_features**-0.5)
            init.zeros_(module.bias)
        elif isinstance(module, MarginHead):
            init.normal_(module.centres, std=0.01)


def build(key: str, request: BuildRequest) -> Network:
    """A fresh embedder.

    Raises:
        ConfigurationError: another task, or an option that it does not have.
    """
    if request.task != _TASK:
        raise ConfigurationError(f"model {key!r} is for {_TASK}, not for {request.task}")
    width, height = request.wished(ImageOptions).image_size or (_SIDE, _SIDE)
    options = _options(key, request)
    finder = pretrained() if options.pop("finder") == "mtcnn" else None
    module = EmbedderModel(
        EmbedderConfig(
            trunk=_TRUNKS[key],
            image_size=(height, width),
            finder=None if finder is None else _settings(finder),
            **class_entries(request.labels),
            **options,
        )
    )
    if finder is not None and module.finder is not None:
        module.finder.load_state_dict(finder.state_dict())
    return Network(
        module=module,
        spec=key,
        settings=ImageSettings(
            width=width, height=height, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), tiles="never"
        ),
        licence="Apache-2.0",
        outputs=("embeddings",),
    )


def _settings(finder: MtcnnModel) -> dict[str, Any]:
    config = finder.config
    return {name: getattr(config, name) for name in ("thresholds", "shrink", "smallest")}


_NUMBERS = {"width": int, "margin": float, "scale": float, "cell": int, "orientations": int}


def _options(key: str, request: BuildRequest) -> dict[str, Any]:
    problems: list[str] = []
    values: dict[str, Any] = {"finder": "mtcnn"}
    for name, text in request.options.items():
        if name == "finder":
            values[name] = text
            if text not in ("mtcnn", "none"):
                problems.append(f"option finder must be mtcnn or none, not {text!r}")
        elif name in _NUMBERS:
            try:
                values[name] = _NUMBERS[name](text)
            except ValueError:
                problems.append(f"option {name} must be a number, not {text!r}")
        else:
            known = ", ".join(["finder", *_NUMBERS])
            problems.append(f"model {key!r} has no option {name!r}; it has: {known}")
    if problems:
        raise ConfigurationError(problems)
    return values


def _trunk(config: EmbedderConfig) -> nn.Module:
    if config.trunk == "gradients":
        return GradientHistograms(config.cell, config.orientations)
    from anysize.models.resnet import ConvolutionNorm, ResidualBlock

    blocks: list[nn.Module] = [ConvolutionNorm(3, 64, 4, 2), nn.ReLU()]
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for position in range(2):
            stride = 2 if stage > 0 and position == 0 else 1
            blocks.append(ResidualBlock(inputs, width, stride, "basic"))
            inputs = width
    # The paper keeps the places apart: a mean over them would lose where eyes and mouth are.
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(_RESNET_GRID))


def _feature_size(config: EmbedderConfig) -> int:
    if config.trunk == "resnet18":
        return 512 * _RESNET_GRID**2
    cells = [(side - config.cell) // config.cell + 1 for side in config.image_size]
    return config.orientations * cells[0] * cells[1]


AutoConfig.register(EmbedderConfig.model_type, EmbedderConfig, exist_ok=True)
AutoModel.register(EmbedderConfig, EmbedderModel, exist_ok=True)
