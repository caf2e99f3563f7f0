"""FastestDet on mosaics of photographs, tiled by anysize and by SAHI, with the same network.

Each mosaic is one JPEG of coco128's photographs side by side, 4,000 to 12,000 pixels a side. Both
sides read the file, and are timed from there to the list of objects: the median of a few rounds
after one on a small picture. Each runs in a process of its own, whose largest resident size the
operating system tells.

By default anysize cuts tiles in which the network sees what it was trained for; SAHI cuts 4 or 16
(with its overlaps 9 or 36) slices whatever the picture's size. So anysize is run by both rules.

    python -m benchmarks.mosaics [--sides 4000 8000 12000] [--peer /path/to/sahi/python]

The peer needs an environment with ``sahi`` and ``onnxruntime``; its interpreter is given by
``--peer`` or ``$SAHI_PYTHON``. Average precision of both is by the same evaluator.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CELL = 480
FLOOR = 0.01
# SAHI's own default.
DEFAULT_SCORE = 0.3
ADAPTER = """\
labels = "coco.names"
channels = "bgr"
tile = {cell}
licence = "BSD-3-Clause"

[decoder]
kind = "cells"
offsets = "tanh"
sides = "sigmoid"
weights = [0.6, 0.4]
"""


def main() -> None:
    """Prints average precision, seconds and peak memory of both sides, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[4000, 8000, 12000])
    parser.add_argument("--peer", default=os.environ.get("SAHI_PYTHON", ""))
    parser.add_argument("--weights", default=os.environ.get("ANYSIZE_WEIGHTS", "../shared/weights"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--thorough", action="store_true", help="SAHI with small slices, too")
    parser.add_argument("--one", nargs=3, metavar=("WHO", "PICTURE", "OUT"), help=argparse.SUPPRESS)
    parser.add_argument("--confidence", type=float, default=DEFAULT_SCORE, help=argparse.SUPPRESS)
    parser.add_argument("--tile", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--model", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        who, picture, out = arguments.one
        run = run_anysize if who == "anysize" else run_sahi
        run(Path(picture), Path(out), arguments)
        return
    from benchmarks import common

    print(common.machine())
    folder = common.scratch("mosaics")
    model = place_model(folder, Path(arguments.weights))
    peaks: dict[str, list[float]] = {}
    for side in arguments.sides:
        picture, objects = mosaic(folder, side)
        print(f"{side} x {side} pixels, {len(objects)} objects")
        for name, figures in compared(picture, objects, model, arguments).items():
            peaks.setdefault(name, []).append(figures["peak"])
    for name, found in peaks.items():
        if len(found) > 1:
            growth, area = found[-1] / found[0], (arguments.sides[-1] / arguments.sides[0]) ** 2
            print(f"{name}: {growth:.2f} times the peak memory for {area:.1f} times the area")


def compared(
    picture: Path, objects: list[list[float]], model: Path, arguments: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """What both sides found and took on one mosaic, printed as it is known."""
    more = ["--model", str(model), "--rounds", str(arguments.rounds)]
    figures: dict[str, dict[str, float]] = {}

    def run(name: str, who: str, *options: str) -> dict[str, float]:
        python = sys.executable if who == "anysize" else arguments.peer
        figures[name] = found = measured(who, python, picture, objects, [*more, *options])
        print(
            f"  {name:26} AP {found['ap']:.4f}  AP50 {found['ap50']:.4f}  "
            f"{found['seconds']:.2f} s  peak {found['peak']:.0f} MiB, {found['above']:.0f} above "
            f"the start  {found['count']:.0f} objects",
            flush=True,
        )
        return found

    ours = [run("anysize", "anysize")]
    if arguments.peer:
        peers = [run("sahi", "sahi")]
        tile = int(peers[0]["slice"])
        ours.append(run("anysize, SAHI's slices", "anysize", "--tile", str(tile)))
        # A low floor is what average precision wants; by default it leaves out what is unsure.
        low, small = ["--confidence", str(FLOOR)], ["--tile", str(CELL)]
        peers.append(run(f"sahi, scores from {FLOOR}", "sahi", *low))
        if arguments.thorough:
            peers.append(run(f"sahi, slices of {CELL}", "sahi", *small))
            peers.append(run(f"sahi, {CELL}, from {FLOOR}", "sahi", *small, *low))
        names = {id(found): name for name, found in figures.items()}
        for own in ours:
            for peer in peers:
                print(
                    f"  {names[id(own)]} against {names[id(peer)]}: "
                    f"{own['ap'] / max(peer['ap'], 1e-9):.2f} times its AP, "
                    f"{peer['seconds'] / own['seconds']:.2f} times its speed"
                )
    return figures


def place_model(folder: Path, weights: Path) -> Path:
    """The network with an adapter file beside it."""
    source = weights / "fastestdet_coco"
    for name in ("FastestDet.onnx", "coco.names"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / "FastestDet.toml").write_text(ADAPTER.format(cell=CELL), encoding="utf-8")
    return folder / "FastestDet.onnx"


def mosaic(folder: Path, side: int) -> tuple[Path, list[list[float]]]:
    """A square of photographs, and its objects as ``[left, top, right, bottom, class]``."""
    import cv2

    from anysize.sources import open_source
    from anysize.tasks.object_detection import ObjectDetection
    from benchmarks import common

    source = open_source(common.data("coco128"), roles=ObjectDetection.columns)
    annotations = common.data("coco128") / "annotations" / "val2017.json"
    # The network's own list has the same order, and other spellings.
    categories = json.loads(annotations.read_text(encoding="utf-8"))["categories"]
    places = {entry["name"]: entry["id"] - 1 for entry in categories}
    cells = side // CELL
    canvas = np.full((cells * CELL, cells * CELL, 3), 114, np.uint8)
    objects = []
    for number in range(cells * cells):
        record = source[number % len(source)]
        image = record.image("image")
        width, height = image.extent
        top, left = CELL * (number // cells), CELL * (number % cells)
        canvas[top : top + height, left : left + width] = image.resized(width, height)
        objects += [
            [box[0] + left, box[1] + top, box[2] + left, box[3] + top, places[label]]
            for label, box in ((each.label, each.box) for each in record.target)
        ]
    path = folder / f"mosaic-{side}.jpg"
    cv2.imwrite(str(path), canvas[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    return path, objects


def measured(
    who: str, python: str, picture: Path, objects: list[list[float]], more: list[str]
) -> dict[str, float]:
    """One side's rounds in a process of its own."""
    out = picture.with_suffix(f".{who}.json")
    subprocess.run(
        [python, str(Path(__file__).resolve()), *more, "--one", who, str(picture), str(out)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        stdout=subprocess.DEVNULL,
    )
    entries = json.loads(out.read_text())
    return {**scored(entries["objects"], objects), **entries["figures"]}


def scored(found: list[list[float]], wanted: list[list[float]]) -> dict[str, float]:
    """Average precision over the mosaic's cells, each a picture of its own.

    The evaluator takes a hundred objects a picture; a mosaic has thousands.
    """
    from anysize.core.objects import Annotation, Detections
    from anysize.tasks.detection_coco import CocoScorer

    labels = tuple(map(str, range(80)))
    scorer = CocoScorer(labels)
    cells: dict[tuple[int, int], tuple[list[list[float]], list[Annotation]]] = {}

    def cell(box: list[float]) -> tuple[list[list[float]], list[Annotation]]:
        place = int((box[0] + box[2]) / 2 // CELL), int((box[1] + box[3]) / 2 // CELL)
        return cells.setdefault(place, ([], []))

    for row in found:
        cell(row)[0].append(row)
    for row in wanted:
        cell(row)[1].append(Annotation(str(int(row[4])), (row[0], row[1], row[2], row[3])))
    for rows, held in cells.values():
        table = np.array(rows, np.float64).reshape(-1, 6)
        scorer.add(
            Detections(
                table[:, :4].astype(np.float32),
                table[:, 4].astype(np.float32),
                table[:, 5].astype(np.int64),
            ),
            held,
        )
    main = scorer.finish().main
    return {"ap": main["ap"], "ap50": main["ap50"], "count": float(len(found))}


def run_anysize(picture: Path, out: Path, arguments: argparse.Namespace) -> None:
    """Predicts one picture a few times with the defaults, or with tiles of another size."""
    import anysize

    loaded = anysize.load(arguments.model)
    start = resident()
    tile = {"tile": arguments.tile} if arguments.tile else {}
    options = anysize.PredictOptions(precision="float32", memory="4GiB", **tile)
    plan = loaded.plan(loaded.open(picture, options), options)

    def predict(path: Path) -> Any:
        (result,) = loaded.predict(path, options, plan=plan)
        return result.detections  # type: ignore[union-attr]

    found, seconds = timed(predict, picture, arguments.rounds)
    rows = np.column_stack([found.boxes, found.scores, found.classes]).tolist()
    write(out, rows, seconds, start)


def run_sahi(picture: Path, out: Path, arguments: argparse.Namespace) -> None:
    """The same by SAHI, with its defaults but for what the command line says."""
    from sahi.predict import get_sliced_prediction  # type: ignore[import-not-found]
    from sahi.slicing import get_auto_slice_params  # type: ignore[import-not-found]

    model = wrapped(arguments.model, arguments.confidence)
    start = resident()
    tile = arguments.tile
    slices = {"slice_height": tile, "slice_width": tile} if tile else {}

    def predict(path: Path) -> Any:
        return get_sliced_prediction(str(path), model, verbose=0, **slices)

    found, seconds = timed(predict, picture, arguments.rounds)
    rows = [
        [*each.bbox.to_xyxy(), float(each.score.value), each.category.id]
        for each in found.object_prediction_list
    ]
    width, height = found.image_width, found.image_height
    automatic = get_auto_slice_params(height=height, width=width)[2]
    write(out, rows, seconds, start, slice=tile or automatic)


def timed(predict: Callable[[Path], Any], picture: Path, rounds: int) -> tuple[Any, float]:
    """The last result, and the median of the rounds' seconds."""
    predict(small_picture(picture))
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        found = predict(picture)
        seconds.append(time.perf_counter() - started)
    return found, statistics.median(seconds)


def small_picture(mosaic_: Path) -> Path:
    """A picture of three cells, beside the mosaic, for whatever is done once."""
    import cv2

    path = mosaic_.with_name("small.jpg")
    if not path.is_file():
        cv2.imwrite(str(path), np.full((CELL, 3 * CELL, 3), 114, np.uint8))
    return path


def wrapped(path: str, confidence: float) -> Any:
    """FastestDet as a detection model of SAHI's."""
    import cv2
    import onnxruntime  # type: ignore[import-untyped]
    from sahi.models.base import DetectionModel  # type: ignore[import-not-found]
    from sahi.prediction import ObjectPrediction  # type: ignore[import-not-found]
    from sahi.utils.compatibility import (  # type: ignore[import-not-found]
        fix_full_shape_list,
        fix_shift_amount_list,
    )

    names = Path(path).with_name("coco.names").read_text(encoding="utf-8").split("\n")

    class FastestDet(DetectionModel):  # type: ignore[misc]
        """One picture at a time, as its authors' own script runs it."""

        def load_model(self) -> None:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            self.model = onnxruntime.InferenceSession(self.model_path, options)
            self.category_mapping = {str(i): name for i, name in enumerate(names)}

        def perform_inference(self, image: np.ndarray) -> None:
            small = cv2.resize(image[:, :, ::-1], (352, 352), interpolation=cv2.INTER_AREA)
            values = small.transpose(2, 0, 1)[None].astype(np.float32) / 255
            (grid,) = self.model.run(None, {self.model.get_inputs()[0].name: values})
            self._original_predictions = (grid[0], image.shape[:2])

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list: Any = None, full_shape_list: Any = None
        ) -> None:
            grid, (height, width) = self._original_predictions
            count, rows, columns = grid.shape
            flat = grid.reshape(count, -1).T
            best = flat[:, 5:].argmax(1)
            score = flat[:, 0] ** 0.6 * flat[np.arange(len(flat)), 5 + best] ** 0.4
            keep = np.flatnonzero(score > self.confidence_threshold)
            down, across = np.divmod(keep, columns)
            x = (across + np.tanh(flat[keep, 1])) / columns * width
            y = (down + np.tanh(flat[keep, 2])) / rows * height
            w, h = (1 / (1 + np.exp(-flat[keep, 3:5]))).T * np.array([[width], [height]])
            left, top = np.maximum(x - w / 2, 0), np.maximum(y - h / 2, 0)
            right, bottom = np.minimum(x + w / 2, width), np.minimum(y + h / 2, height)
            shift = fix_shift_amount_list(shift_amount_list)[0]
            full = None if full_shape_list is None else fix_full_shape_list(full_shape_list)[0]
            # The network gives a box a cell; its own script removes doubles before anything else.
            boxes = np.stack([left, top, right - left, bottom - top], 1)
            found = []
            for place in np.unique(best[keep]):
                mine = np.flatnonzero(best[keep] == place)
                chosen = cv2.dnn.NMSBoxes(
                    boxes[mine].tolist(), score[keep][mine].tolist(), 0.0, 0.6
                )
                for each in mine[np.array(chosen, np.int64).reshape(-1)].tolist():
                    if right[each] <= left[each] or bottom[each] <= top[each]:
                        continue
                    found.append(
                        ObjectPrediction(
                            bbox=[left[each], top[each], right[each], bottom[each]],
                            category_id=int(place),
                            category_name=self.category_mapping[str(place)],
                            score=float(score[keep][each]),
                            shift_amount=shift,
                            full_shape=full,
                        )
                    )
            self._object_prediction_list_per_image = [found]

    return FastestDet(model_path=path, confidence_threshold=confidence, device="cpu")


def write(out: Path, rows: list[list[float]], seconds: float, start: float, **more: float) -> None:
    """What a run found and took."""
    peak = resident("VmHWM")
    figures = {"seconds": seconds, "peak": peak, "above": peak - start, **more}
    out.write_text(json.dumps({"objects": rows, "figures": figures}))


def resident(entry: str = "VmRSS") -> float:
    """The resident size in MiB; with ``VmHWM`` the largest so far.

    What ``getrusage`` calls the largest is at least that of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{entry}:"))


if __name__ == "__main__":
    main()
