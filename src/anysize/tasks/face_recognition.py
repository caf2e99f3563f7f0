"""Face recognition: faces found in pictures of any size, aligned and embedded."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from anysize import mergers
from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.protocols import Merger, Preprocess
from anysize.core.records import ImageField, Record, Source
from anysize.core.windows import Box
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.readers.alignment import align
from anysize.readers.resize import resize
from anysize.tasks.image_classification import IMAGE
from anysize.tasks.match_options import MatchOptions
from anysize.tasks.pages import PagedPreprocess
from anysize.tasks.protocols import MERGED_AS_USUAL, MergeOptions
from anysize.tasks.recognition import IDENTITY, Recognition
from anysize.windows.faces import Face, FaceWindow, face_windows

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation

PROVIDES = ("face-recognition",)
ARCHITECTURE = Architecture(auto="AutoModel", suffixes=("EmbedderModel",), outputs=("embeddings",))

# Faces of training pictures are the same in every epoch: some hundred bytes each.
_REMEMBERED = 100_000
# Sides of a box grow by this, so that chin and forehead are inside, where nothing can be aligned.
_MARGIN = 0.15
_FITTED_AT_ONCE = 32


class Finder(Protocol):
    """Finds faces; ``models.face_finder.FaceFinder`` does."""

    def find(self, image: ImageField) -> list[Face]: ...


class FaceRecognition(Recognition):
    """Every face of a picture is a window; in training the largest face alone.

    Where the network has no face finder, a picture is one face.
    """

    name = "face-recognition"
    role = "image"
    unit = "pixels"
    columns = (IMAGE, IDENTITY)
    augmentation = "hflip, rotate(±5), scale(0.95..1.05), translate(0.03), colour(0.2)"
    prediction: ClassVar[type[MatchOptions]] = MatchOptions
    matching = MatchOptions()
    # Faces are found in pictures of any size.
    takes: ClassVar[Mapping[str, Sequence[str]]] = {
        **Recognition.takes, "tiles": (), "tile": (), "overlap": (), "crop": (),
    }  # fmt: skip

    def predicting(self, options: MatchOptions) -> FaceRecognition:
        """See ``tasks.protocols.Predicting``."""
        task = FaceRecognition()
        task.matching = options
        return task

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        # The start is close already; larger steps learn the identities by heart (benchmarks.faces).
        return {
            "batch": 32, "learning_rate": 1e-5, "optimizer": "adamw", "weight_decay": 0.0,
            "schedule": "cosine", "warmup": 0.1, "clip": 1.0, "label_smoothing": 0.0,
            "epochs": 5.0, "progressive": 1.0,
        }  # fmt: skip

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Gives a fresh embedder the projection that the training data ask for.

        Args:
            network: made for these labels; one that was loaded keeps its projection.
            source: the training data.
            labels: of the network.

        Raises:
            DataError: fewer than two identities can be read, or none has two samples.
        """
        import torch

        from anysize.models.whitening import WithinClassStatistics

        module: Any = network.module
        if not getattr(module, "starts_from_data", False) or module.name_or_path:
            return
        statistics = WithinClassStatistics(module.projection.in_features, len(labels))
        preprocess = self.preprocess(network)
        module.train(False)
        for start in range(0, len(source), _FITTED_AT_ONCE):
            examples, targets = [], []
            for index in range(start, min(start + _FITTED_AT_ONCE, len(source))):
                try:
                    record = source[index]
                    target = self.encode_target(record, labels)
                    found = list(preprocess(index, record, 0))
                except DataError:
                    continue  # counted and named when training reads it
                examples += found
                targets += [target] * len(found)
            if not examples:
                continue
            with torch.inference_mode():
                values = _normalised(network, examples)
                for picture in (values, values.flip(3)):
                    features = module.features(picture).double().numpy()
                    statistics.add(features, np.array(targets))
        projection, centres = statistics.projection(module.config.width)
        module.start_from(torch.from_numpy(projection).float(), torch.from_numpy(centres).float())

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        settings = network.reads(ImageSettings)
        inner = FacePreprocess(settings, _finder(network), augment, seed)
        return PagedPreprocess(inner, settings)

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        def new(record: str) -> Merger:
            return mergers.make(record, labels, "faces", self.unit)

        return new


class FacePreprocess:
    """A record's ``image`` to one example for each face, uint8 pixels at the model's input size."""

    def __init__(
        self,
        settings: ImageSettings,
        finder: Finder | None,
        augment: Augmentation | None,
        seed: int,
    ) -> None:
        self._settings = settings
        self._finder = finder
        self._augment = augment
        self._seed = seed
        self._known: OrderedDict[str, Face | None] = OrderedDict()
        self._lock = Lock()

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        image = record.image("image")
        width, height = image.extent
        if draw is None:
            faces = self._faces(image)
        else:
            largest = self._largest(record.id, image)
            faces = [] if largest is None else [largest]
        for window in face_windows(record.id, width, height, faces):
            pixels = self._pixels(image, window.face)
            if self._augment is not None and draw is not None:
                place = (self._seed, draw, record.id, window.index)
                size = self._settings.width, self._settings.height
                pixels = self._augment(pixels, place, size=size)
            yield self._example(ordinal, window, pixels)

    def _faces(self, image: ImageField) -> list[Face]:
        if self._finder is not None:
            return self._finder.find(image)
        width, height = image.extent
        return [Face(box=(0, 0, width, height), score=1.0)]

    def _largest(self, record: str, image: ImageField) -> Face | None:
        """The largest face, None where none is found: the whole picture is then used."""
        with self._lock:
            if record in self._known:
                return self._known[record]
        found = self._faces(image)
        largest = found[0] if found else None
        with self._lock:
            self._known[record] = largest
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return largest

    def _pixels(self, image: ImageField, face: Face | None) -> NDArray[np.uint8]:
        width, height = self._settings.width, self._settings.height
        if face is None or self._finder is None:
            return image.resized(width, height)
        if face.landmarks is not None:
            return align(image, np.array(face.landmarks), width, height)
        pixels = next(iter(image.regions([_square(face, image)])))
        return resize(pixels, width, height)

    def _example(self, ordinal: int, window: FaceWindow, pixels: NDArray[np.uint8]) -> Example:
        return Example(
            ordinal=ordinal,
            window=window,
            arrays={"pixels": np.ascontiguousarray(pixels)},
            cost=self._settings.width * self._settings.height,
        )


def _square(face: Face, image: ImageField) -> Box:
    """The square around a box, as much of it as the picture has."""
    left, top, right, bottom = face.box
    half = (0.5 + _MARGIN) * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    width, height = image.extent
    first, above = max(0, round(x - half)), max(0, round(y - half))
    return Box(
        min(first, width - 1),
        min(above, height - 1),
        min(width, max(round(x + half), first + 1)),
        min(height, max(round(y + half), above + 1)),
    )


def _finder(network: Network) -> Finder | None:
    module: Any = getattr(network.module, "finder", None)
    if module is None:
        return None
    from anysize.models.face_finder import FaceFinder

    # A copy of its own: the network may be cast to another precision or change its mode.
    return FaceFinder(copy.deepcopy(module).float().eval())


def _normalised(network: Network, examples: Sequence[Example]) -> Tensor:
    """Pictures ``[n, 3, height, width]`` as ``models.execution`` gives them to the module."""
    import torch

    settings = network.reads(ImageSettings)
    pixels = torch.from_numpy(np.stack([example.arrays["pixels"] for example in examples]))
    mean = 255 * torch.tensor(settings.mean).view(1, 3, 1, 1)
    deviation = 255 * torch.tensor(settings.std).view(1, 3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).float() - mean) / deviation


def make(name: str) -> FaceRecognition:
    """The task."""
    return FaceRecognition()
