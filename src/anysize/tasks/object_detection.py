"""Object detection: pictures of any size, whole or by tiles and the shrunk whole."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation import Targets
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.core.windows import Window
from anysize.mergers.objects import ObjectMerger, ObjectRules
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.sources.boxes.role import ROLE
from anysize.sources.labels.targets import targets
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.detection_coco import evaluator
from anysize.tasks.detection_meter import PrecisionMeter
from anysize.tasks.detection_options import DetectionOptions
from anysize.tasks.detection_targets import Shown, cut_out, moved, objects_of, outlines
from anysize.tasks.detection_windows import (
    Place,
    View,
    as_input,
    fitted_size,
    is_tiled,
    place_of_whole,
    views,
)
from anysize.tasks.distilling import Side, SoftTargets, alone
from anysize.tasks.facts import shown_pictures
from anysize.tasks.image_classification import IMAGE
from anysize.tasks.pages import PagedPreprocess
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors

PROVIDES = ("object-detection",)
ARCHITECTURE = Architecture(auto="AutoModelForObjectDetection", suffixes=("ForObjectDetection",))
OPTIONS = (DetectionOptions,)

OBJECTS = ColumnSpec(role=ROLE, kind="target", names=("objects", "annotations"), required=False)


class ObjectDetection:
    """Boxes with labels and scores.

    Args:
        rules: how detections become the objects of a picture; None takes the usual ones.
    """

    name = "object-detection"
    role = "image"
    unit: Unit = "pixels"
    columns: tuple[ColumnSpec, ...] = (IMAGE, OBJECTS)
    main_metric = "ap"
    lower_is_better = False
    augmentation = (
        "hflip, scale(0.6..1.5), translate(0.15, 0.15), brightness(0.2), channel_gain(0.1)"
    )
    separable = True
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {
        **ONE_WAY, "label_smoothing": (), "crop": (),
    }  # fmt: skip
    prediction: ClassVar[type[DetectionOptions]] = DetectionOptions

    def __init__(self, rules: ObjectRules | None = None) -> None:
        self._rules = rules or ObjectRules()

    def predicting(self, options: DetectionOptions) -> ObjectDetection:
        """See ``Predicting``."""
        rules = self._rules
        if options.threshold is not None:
            floor = min(rules.floor, options.threshold)
            rules = dataclasses.replace(rules, threshold=options.threshold, floor=floor)
        if options.nms_iou is not None:
            rules = dataclasses.replace(rules, overlap=options.nms_iou)
        return ObjectDetection(rules)

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Shows pictures to a fresh network that takes its first filters from them."""
        from anysize.models.hub_detection import check_training

        check_training(network)
        # Validation needs it: better said now than after the first epoch.
        evaluator()
        module: Any = network.module
        if getattr(module, "starts_from_data", False) and not module.name_or_path:
            module.start_from(shown_pictures(network, self.preprocess(network), source))

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        if pretrained:
            # As set predictors are fine-tuned (arXiv:2005.12872, arXiv:2304.08069).
            return {
                "batch": 8, "learning_rate": 5e-5, "optimizer": "adamw", "weight_decay": 1e-4,
                "schedule": "cosine", "warmup": 0.05, "clip": 0.1, "label_smoothing": 0.0,
                "epochs": 50.0, "progressive": 1.0, "ema": 0.998,
            }  # fmt: skip
        return {
            "batch": 8, "learning_rate": 1e-3, "optimizer": "adamw", "weight_decay": 0.05,
            "schedule": "cosine", "warmup": 0.03, "clip": 10.0, "label_smoothing": 0.0,
            "epochs": 150.0, "progressive": 1.0, "ema": 0.998,
        }  # fmt: skip

    def labels(self, source: Source) -> tuple[str, ...]:
        found = self.label_counts(source)
        if not found:
            raise DataError(
                source.name,
                "has no objects: give annotations beside the pictures, such as COCO JSON, "
                "Pascal VOC, YOLO, CreateML, VIA or CVAT (docs: data layouts)",
            )
        return tuple(found)

    def label_counts(self, source: Source) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for target in targets(source):
            counts.update(each.label for each in _annotations(target))
        return dict(sorted(counts.items()))

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        settings = network.reads(ImageSettings)
        names = network.module.config.id2label or {}
        places = {str(name): int(place) for place, name in names.items()}
        inner = DetectionPreprocess(settings, places, augment, seed)
        return PagedPreprocess(inner, settings, annotated=True)

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Checks the target; the windows carry what is in them."""
        if record.target is None:
            raise DataError(record.id, "nothing says which objects it holds")
        unknown = {each.label for each in _annotations(record.target)} - set(labels)
        if unknown:
            raise DataError(
                record.id,
                f"holds {', '.join(sorted(unknown))}, not among the model's {len(labels)} labels "
                f"({', '.join(labels[:10])}{', …' if len(labels) > 10 else ''})",
            )
        return len(record.target)

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        height, width = example.arrays["pixels"].shape[:2]
        places = np.linspace(0, 0.7, 8, dtype=np.float32)
        corners = places[:, None] * np.array([width, height, width, height], np.float32)
        sides = np.array([0, 0, width, height], np.float32) / 4
        arrays = {
            **example.arrays,
            "boxes": corners + sides,
            "classes": np.arange(8) % labels,
            "ignored": np.zeros((0, 4), np.float32),
        }
        made = Example(
            ordinal=example.ordinal, window=example.window, arrays=arrays, cost=example.cost
        )
        return made, 8

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        return outputs["loss"].sum()

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """Scores and boxes, at points or as sets; see ``models.detector_soft``."""
        from anysize.models import detector_soft

        own_points, points = (detector_soft.points(each.network) for each in (student, teacher))
        if own_points != points:
            raise ConfigurationError(
                "student and teacher must predict alike: at the same points (detector-small, "
                "pictures of the same size) or as a set of boxes (DETR and what came of it); found "
                f"{detector_soft.prediction(student.network)} and "
                f"{detector_soft.prediction(teacher.network)}"
            )
        order = [teacher.labels.index(label) for label in student.labels]
        queries = int(getattr(student.network.module.config, "num_queries", 0))

        def loss(own: Tensors, wanted: Tensors, _examples: Sequence[Example]) -> Tensor:
            logits, boxes = own["logits"], own["pred_boxes"]
            nothing = wanted["logits"].shape[-1] > len(order)
            places = [*order, len(order)] if nothing else list(order)
            target = wanted["logits"][..., places], wanted["pred_boxes"]
            if points is not None:
                return detector_soft.dense_boxes(logits, boxes, *target)
            # Denoising queries come before the model's own (arXiv:2203.01305).
            own_queries = logits[:, -queries:], boxes[:, -queries:]
            return detector_soft.box_sets(*own_queries, *target, nothing=nothing)

        return SoftTargets(loss=loss, shares=alone, whole=True)

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return PrecisionMeter(labels)

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        def new(record: str) -> Merger:
            return ObjectMerger(record, labels, self._rules)

        return new


class DetectionPreprocess:
    """A record's ``image`` to examples of uint8 pixels at the model's input size.

    In training each example also has ``boxes``, ``classes`` and ``ignored``, in its own pixels.

    Args:
        settings: of the model's input and the tiles.
        places: of the labels in the model's outputs.
        augment: changes what training sees; it is fitted into the input first.
        seed: of the run.
    """

    def __init__(
        self,
        settings: ImageSettings,
        places: dict[str, int],
        augment: Augmentation | None,
        seed: int,
    ) -> None:
        self._settings = settings
        self._places = places
        self._augment = augment if augment is None else _fitted(augment)
        self._seed = seed

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        settings = self._settings
        image = record.image("image")
        if draw is None:
            for index, view in enumerate(views(image, settings)):
                arrays = {"pixels": as_input(view, settings)}
                yield self._example(ordinal, record, index, view, arrays)
            return
        objects = objects_of(_annotations(record.target), self._places)
        if self._augment is not None and not is_tiled(*image.extent, settings):
            whole = place_of_whole(image.extent, settings)
            # Straight from the file, so that what is enlarged is not shrunk first.
            draws = (self._seed, draw, record.id, 0)
            size = (settings.width, settings.height)
            around = Targets(keypoints=outlines(objects))
            done = self._augment.read(image, draws, around, size=size)
            found = self._shown(objects, done.keypoints, done.pixels)
            yield self._example(ordinal, record, 0, whole, found)
            return
        for index, view in enumerate(views(image, settings)):
            found = self._training(view, objects, (self._seed, draw, record.id, index))
            yield self._example(ordinal, record, index, view, found)

    def _training(
        self, view: View, objects: Shown, draw: tuple[int, int, str, int]
    ) -> dict[str, Any]:
        settings = self._settings
        shown = cut_out(objects, view.part)
        if self._augment is None:
            width, height = fitted_size(view.part, view.region, settings)
        else:
            height, width = view.pixels.shape[:2]
        # The pixels may have another size than the part of the picture.
        around = outlines(shown, width / view.part.width, height / view.part.height)
        if self._augment is None:
            return self._shown(shown, around, as_input(view, settings))
        size = (settings.width, settings.height)
        done = self._augment.apply(view.pixels, draw, Targets(keypoints=around), size=size)
        return self._shown(shown, done.keypoints, done.pixels)

    def _shown(
        self, objects: Shown, points: NDArray[np.floating] | None, pixels: NDArray[Any]
    ) -> dict[str, Any]:
        assert points is not None
        found = moved(objects, points, self._settings.width, self._settings.height)
        return {"pixels": np.ascontiguousarray(pixels), **found.arrays()}

    def _example(
        self, ordinal: int, record: Record, index: int, view: Place, arrays: dict[str, Any]
    ) -> Example:
        window = Window(
            record=record.id, index=index, region=view.region, core=view.core, last=view.last
        )
        cost = self._settings.width * self._settings.height
        return Example(ordinal=ordinal, window=window, arrays=arrays, cost=cost)


def _fitted(augment: Augmentation) -> Augmentation:
    """The augmentation behind a fitting into the input, unless it says itself what is seen."""
    from anysize.augmentation.geometry import Border, Crop, Letterbox, RandomResizedCrop, Resize

    sized = (Crop, Letterbox, RandomResizedCrop, Resize)
    if any(isinstance(step, sized) for step in augment.steps):
        return augment
    bordered = any(isinstance(step, Border) for step in augment.steps)
    first = [Letterbox()] if bordered else [Border(fill="grey"), Letterbox()]
    return type(augment)([*first, *augment.steps])


def _annotations(target: Any) -> Sequence[Any]:
    return target if isinstance(target, tuple) else ()


def adapt(network: Network) -> None:
    """What is special about detectors of transformers; see ``models.hub_detection``."""
    from anysize.models import hub_detection

    hub_detection.adapt(network)


def make(name: str) -> ObjectDetection:
    """The task."""
    return ObjectDetection()
