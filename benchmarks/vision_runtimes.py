"""Picture classifiers in int8 and bfloat16: anysize against eager torch and OpenVINO by hand.

ResNet-50 (random weights: only its speed is measured) at batch 1 and 16, and the accuracy of
EfficientNet-Lite0 in int8, calibrated on one half of imagenet_sample and tested on the other.

    python -m benchmarks.vision_runtimes [--rounds 7]
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import anysize
from anysize import tasks
from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.core.examples import Example
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import bundle, spec
from anysize.models.network import BuildRequest, Network
from anysize.planning.options import PredictOptions
from anysize.planning.session import Session
from anysize.planning.synthetic import pictures
from anysize.sources import Subset, open_source
from benchmarks import common


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(common.machine())
    resnet(arguments.rounds)
    efficientnet()


def resnet(rounds: int) -> None:
    """Throughput at batch 1 and 16, in turns."""
    torch.manual_seed(0)
    labels = tuple(map(str, range(1000)))
    request = BuildRequest(
        task="image-classification", labels=labels, wishes=ImageOptions(image_size=(224, 224))
    )
    network = spec.build("resnet50", request)
    card = bundle.Card(
        task=request.task, labels=labels, model="resnet50", settings=network.settings
    )
    folder = common.scratch("vision_runtimes")
    plain = bundle.save(folder / "resnet50", network, card)
    small = compressed(plain, folder / "resnet50-int8")
    for count in (1, 16):
        examples = pictures(224, 224, count)
        systems = {
            "eager float32": eager(network, examples),
            "OpenVINO bf16 by hand": by_hand(network, examples, int8=False),
            "OpenVINO int8 by hand": by_hand(network, examples, int8=True),
            "anysize bfloat16": ours(plain, examples, "bfloat16"),
            "anysize float32": ours(plain, examples, "float32"),
            "anysize int8": ours(small, examples, "auto"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in systems}
        for run in systems.values():
            run(), run()
        for _ in range(rounds):
            for name, run in systems.items():
                start = time.perf_counter()
                for _ in range(8 if count == 1 else 1):
                    run()
                seconds[name].append(time.perf_counter() - start)
        print(f"ResNet-50, batch {count}")
        for name, times in seconds.items():
            ratios = [b / a for a, b in zip(times, seconds["eager float32"], strict=True)]
            rate = [count * (8 if count == 1 else 1) / value for value in times]
            against = common.spread(ratios)
            print(f"  {name:<24} {common.spread(rate, 1):>22} pictures/s, {against} times eager")
        for one, two in (("int8", "int8"), ("bfloat16", "bf16")):
            pairs = zip(seconds[f"anysize {one}"], seconds[f"OpenVINO {two} by hand"], strict=True)
            ratio = common.spread([b / a for a, b in pairs])
            print(f"  anysize {one} against OpenVINO by hand: {ratio}")


def compressed(source: Path, out: Path, training: Any = None) -> Path:
    """The bundle in int8, calibrated on photographs."""
    shutil.rmtree(out, ignore_errors=True)
    task = tasks.load("image-classification")
    photos = training or open_source(common.data("imagenet_sample"), roles=task.columns)
    context = Context(task=task, original=source, memory=8 << 30, training=photos)
    (step,) = parse("int8")
    step.method.apply(source, out, step.options, context)
    return out


def ours(folder: Path, examples: list[Example], precision: str) -> Callable[[], Any]:
    """What ``predict`` runs, at this batch."""
    network, card = spec.open_network(str(folder))
    options = PredictOptions(precision=precision)
    source = open_source(common.data("imagenet_sample"), roles=tasks.load(card.task).columns)
    plan = Session(network, card, folder).plan(source, options, thorough=True)
    print(f"  {folder.name} {precision}: {'; '.join(plan.why)}")
    runtime = plan.open_runtime()
    return lambda: runtime.run(examples)


def eager(network: Network, examples: list[Example]) -> Callable[[], Any]:
    """The plain module in float32 on ready tensors: it is not charged for normalising."""
    values = ready(network, examples)
    tensor = torch.from_numpy(values)
    module = network.module.eval()

    def run() -> Any:
        with torch.inference_mode():
            return module(pixel_values=tensor).logits

    return run


def by_hand(network: Network, examples: list[Example], *, int8: bool) -> Callable[[], Any]:
    """OpenVINO as its documentation shows, on ready arrays: not charged for normalising."""
    import nncf
    import openvino as ov

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network.module.eval()

        def forward(self, pixel_values: torch.Tensor) -> Any:
            return self.inner(pixel_values=pixel_values).logits

    model = ov.convert_model(
        Plain(),
        example_input=torch.zeros(1, 3, 224, 224),
        input=[ov.PartialShape([-1, 3, 224, 224])],
    )
    if int8:
        calibration = [ready(network, pictures(224, 224, 1)) for _ in range(8)]
        model = nncf.quantize(model, nncf.Dataset(calibration), subset_size=8)
    hint = {} if int8 else {"INFERENCE_PRECISION_HINT": "bf16"}
    compiled = ov.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **hint})
    request = compiled.create_infer_request()
    values = ready(network, examples)
    return lambda: request.infer([values], share_inputs=True)[0]


def ready(network: Network, examples: list[Example]) -> Any:
    pixels = np.stack([example.arrays["pixels"] for example in examples]).astype(np.float32) / 255
    values = (pixels - np.array(network.settings.mean)) / np.array(network.settings.std)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)


def labelled(labels: tuple[str, ...]) -> Path:
    """The sample as a table: paths and the classes by the names that the model knows."""
    folder = common.data("imagenet_sample").absolute()
    rows = (folder / "labels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    path = common.scratch("vision_runtimes") / "photos.tsv"
    with path.open("w", encoding="utf-8") as file:
        file.write("image\tlabel\n")
        for row in rows:
            picture, index, *_ = row.split("\t")
            file.write(f"{folder / picture}\t{labels[int(index)]}\n")
    return path


def efficientnet() -> None:
    """Top-1 in float32 and int8 on the half that was not calibrated on."""
    network, card = spec.open_network("efficientnet_lite0")
    folder = common.scratch("vision_runtimes")
    plain = bundle.save(folder / "efficientnet", network, card)
    task = tasks.load(card.task)
    photos = open_source(labelled(card.labels), roles=task.columns)
    halves = [
        Subset(photos, lambda start, stop, odd=odd: np.arange(start, stop) % 2 == odd, "a half")
        for odd in (0, 1)
    ]
    small = compressed(plain, folder / "efficientnet-int8", halves[0])
    right = {}
    for each in (plain, small):
        model = anysize.load(each)
        options = PredictOptions(precision="float32" if each == plain else "auto")
        found = model.evaluate(halves[1], options=options)
        right[each] = found.main()["accuracy"]
        print(f"{each.name}: top-1 {right[each]:.4f} on {len(halves[1])} photographs")
    print(f"int8 loses {100 * (right[plain] - right[small]):.2f} points")


if __name__ == "__main__":
    main()
