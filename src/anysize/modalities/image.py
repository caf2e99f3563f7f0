"""Image: pictures resized to the model's input, or cut into tiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from anysize.core.examples import Example
from anysize.core.excerpts import Excerpt
from anysize.core.files import write_json
from anysize.core.records import Field, Source
from anysize.core.windows import Box, Window
from anysize.modalities.parts import BATCH, Costs, Defaults, Feeding, GraphInput
from anysize.modalities.pictures.settings import ImageFacts, ImageOptions, ImageSettings
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.modalities.protocols import Modality
from anysize.modalities.settings import Settings

if TYPE_CHECKING:
    import torch
    from torch import nn

    from anysize.models.execution import Execution
    from anysize.models.network import Network

PROVIDES = ("image",)

_SEED = 20
# What readers.resize does: a side that shrinks is averaged by area, one that grows is linear.
_RESIZE = {"shrink": "area", "enlarge": "bilinear"}
# Families of transformers that take pictures of any size.
_CONVOLUTIONAL = (
    "convnext", "convnextv2", "efficientnet", "mobilenet_v1", "mobilenet_v2", "regnet", "resnet",
)  # fmt: skip
_SMALLEST_PART = 64 * 64


class Image(Modality):
    """See the module."""

    key = "image"
    settings = ImageSettings
    options = ImageOptions
    costs = Costs(
        most=32 * 224 * 224, enough=4 * 224 * 224, straight=640 * 640, trained=32 * 224 * 224
    )
    instead: ClassVar[Mapping[str, str]] = {"window": "tile"}
    main_input = "pixel_values"
    noun = "picture"
    suffixes = IMAGE_SUFFIXES
    in_files = True
    reads_slowly = True
    augmented = True
    drawn_by = "anysize.results.drawing:Drawing"
    growth = 4

    def file(self, path: Path, *, encoding: str = "utf-8") -> Field:
        from anysize.readers.image import Image

        return Image(path)

    def packed(self, content: bytes, origin: str) -> Field:
        from anysize.readers.image import Image

        return Image(content, origin)

    def memory(self, item: Any, origin: str) -> Field:
        from anysize.modalities.pictures.memory import picture

        return picture(item, origin)

    def is_one(self, item: Any, axes: int) -> bool:
        """A picture of Pillow, or an array ``[height, width]`` or ``[height, width, channels]``."""
        if hasattr(item, "getbands"):
            return True
        dimensions = getattr(item, "ndim", None)
        return (dimensions == 3 and item.shape[2] <= 4) or dimensions == 2

    def owns(self, field: Field) -> bool:
        # Asking for its extent would read it.
        return hasattr(field, "resized")

    def excerpt(self, field: Any, region: Mapping[str, int]) -> Excerpt:
        from anysize.modalities.pictures.excerpt import excerpt_of

        return excerpt_of(field, region)

    def estimated_cost(self, field: Any) -> float:
        width, height = field.extent
        return float(width * height * getattr(field, "pages", 1))

    def facts(self, source: Source, *, role: str, task: str, teacher: str | None) -> ImageFacts:
        from anysize.modalities.pictures.facts import object_side, picture_size

        return ImageFacts(size=picture_size(source, role), object_side=object_side(source, role))

    def opened(self, spec: str, module: Any, wishes: Any) -> dict[str, Any]:
        from anysize.models.hub_settings import image_settings

        wish = wishes.image_size if isinstance(wishes, ImageOptions) else None
        return {"settings": image_settings(spec, module.config, wish)}

    def changed(self, network: Network, wishes: Any) -> Settings:
        settings = network.reads(ImageSettings)
        given = {
            name: value
            for name, value in dataclasses.asdict(wishes).items()
            if value is not None and name not in ("image_size", "progressive")
        }
        if "tile" in given and "overlap" not in given:
            # Where only the tile is given, what neighbours share grows with it.
            side = settings.tile or settings.width
            given["overlap"] = given["tile"] * settings.overlap // side
        return dataclasses.replace(settings, **given)

    def enlarged(self, network: Network, wishes: Any) -> Settings:
        settings = network.reads(ImageSettings)
        if wishes.image_size is None:
            return settings
        width, height = wishes.image_size
        return dataclasses.replace(settings, width=width, height=height)

    def save(self, folder: Path, network: Network) -> None:
        write_json(folder / "preprocessor_config.json", _processor(network.reads(ImageSettings)))

    def made_up(self, network: Network, costs: Sequence[int]) -> list[Example]:
        random = np.random.default_rng(_SEED)
        settings = network.reads(ImageSettings)
        found = []
        for ordinal, cost in enumerate(costs):
            side = (cost / settings.whole) ** 0.5
            width = max(int(settings.width * side), 1)
            height = max(int(settings.height * side), 1)
            pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            box = Box(0, 0, width, height)
            window = Window(record=f"probe-{ordinal}", index=0, region=box, core=box, last=True)
            found.append(
                Example(
                    ordinal=ordinal, window=window, arrays={"pixels": pixels}, cost=width * height
                )
            )
        return found

    def smallest(self, network: Network) -> int:
        return _SMALLEST_PART

    def execution(
        self, network: Network, device: torch.device, *, packed: bool | None = None
    ) -> Execution:
        from anysize.modalities.pictures.execution import Pictures

        return Pictures(network, device)

    def graph_inputs(self, network: Network) -> tuple[GraphInput, ...]:
        settings = network.reads(ImageSettings)
        axes = (BATCH, 3, settings.height, settings.width)
        return (GraphInput("pixel_values", axes, np.float32),)

    def feeding(self, network: Network) -> Feeding:
        from anysize.modalities.pictures.feeding import PictureFeeding

        return PictureFeeding(network)

    def graph_notes(self, network: Network) -> dict[str, Any]:
        notes: dict[str, Any] = {"resize": _RESIZE}
        if getattr(network.module, "finder", None) is not None:
            notes["finder"] = True
        return notes

    def graph_problems(self, notes: dict[str, Any]) -> list[str]:
        if notes.get("finder"):
            return [
                "embeds the faces that its bundle finds in pictures first, and a graph file does "
                "not hold what finds them: give the bundle that it was exported from"
            ]
        if notes.get("resize", _RESIZE) != _RESIZE:
            return [
                f"its pictures must be resized with {notes['resize']}, and here they are resized "
                f"with {_RESIZE}: scores would not be those of the model"
            ]
        return []

    def fitted(self, settings: Any, shape: tuple[int, ...], problems: list[str]) -> Settings:
        assert isinstance(settings, ImageSettings)
        if shape and (len(shape) != 4 or shape[1] not in (0, 3)):
            problems.append(f"its pictures must be [n, 3, height, width], not {list(shape)}")
            return settings
        height, width = shape[2:] if shape else (0, 0)
        return dataclasses.replace(
            settings, width=width or settings.width, height=height or settings.height
        )

    def arrange(self, module: nn.Module) -> None:
        import torch

        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def defaults(self, *, pretrained: bool, normalised: bool = False) -> Defaults:
        if pretrained:
            return Defaults(
                epochs=5, batch=32, learning_rate=1e-4, optimizer="adamw", weight_decay=0.05,
                schedule="cosine", warmup=0.08, clip=1.0, label_smoothing=0.1,
                others={"sgd": {"learning_rate": 1e-2}}, head={"learning_rate": 1e-2},
            )  # fmt: skip
        if normalised:  # over the batch: Goyal et al. 2017, arXiv:1706.02677
            return Defaults(
                epochs=30, batch=128, learning_rate=0.1, optimizer="sgd", weight_decay=5e-4,
                schedule="linear", warmup=0.15, clip=0.0, label_smoothing=0.1,
                others={"adamw": {"learning_rate": 2e-3, "weight_decay": 0.05}},
            )  # fmt: skip
        return Defaults(
            epochs=20, batch=128, learning_rate=2e-3, optimizer="adamw", weight_decay=0.05,
            schedule="one-cycle", warmup=0.25, clip=1.0, label_smoothing=0.1,
            others={"sgd": {"learning_rate": 0.1}},
        )  # fmt: skip

    def shortest_side(self, network: Network) -> int:
        """Convolutions with a mean on top take pictures of any size."""
        module = network.module
        known = module.config.model_type in _CONVOLUTIONAL
        if not getattr(module, "any_size", known):
            return 0
        settings = network.reads(ImageSettings)
        return min(settings.width, settings.height)

    def worth_keeping(self, source: Source, role: str, most: int) -> int:
        from anysize.modalities.pictures.kept import worth

        return worth(source, role, most)

    def keeping(self, source: Source, role: str, capacity: int) -> Source:
        from anysize.modalities.pictures.kept import KeptPictures

        return KeptPictures(source, role, capacity)

    def fit_teacher(self, network: Network) -> None:
        from anysize.modalities.pictures.teaching import fitted

        if network.module.config.model_type != "anysize_detector":
            hook = fitted(network.reads(ImageSettings))
            network.module.register_forward_pre_hook(hook, with_kwargs=True)

    def comparable(self, network: Network) -> tuple[Any, ...]:
        """What decides how many tokens a picture becomes."""
        config = network.module.config
        return tuple(
            getattr(config, each, None) for each in ("model_type", "image_size", "patch_size")
        )

    def taken_over(self, settings: Any) -> dict[str, Any]:
        return {"image_size": (settings.width, settings.height)}


def _processor(settings: ImageSettings) -> dict[str, Any]:
    """What transformers' own image processors read."""
    size: dict[str, Any] = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": settings.height, "width": settings.width},
    }
    if settings.crop:
        size = {
            "image_processor_type": "BitImageProcessor",
            "size": {"shortest_edge": round(min(settings.width, settings.height) / settings.crop)},
            "do_center_crop": True,
            "crop_size": {"height": settings.height, "width": settings.width},
        }
    return {
        **size,
        "do_resize": True,
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(settings.mean),
        "image_std": list(settings.std),
    }


def make(key: str) -> Image:
    """The modality."""
    return Image()
