"""The choice among runtimes: nothing is opened in vain, and the versions are part of the answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from anysize.core import plugins
from anysize.core.examples import Example, Outputs
from anysize.core.windows import Box, Window
from anysize.modalities.pictures.settings import ImageOptions
from anysize.modalities.texts.settings import TextFacts
from anysize.models import spec
from anysize.models.network import BuildRequest, Network
from anysize.planning.candidates import candidates_for
from anysize.planning.selection import Candidate, fastest, keep, known, machine_key


class Sleeper:
    """A runtime that takes a stated time for each example."""

    name = precision = "sleeper"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def run(self, examples: Sequence[Example]) -> Outputs:
        time.sleep(self._seconds * len(examples))
        return Outputs({"logits": np.zeros((len(examples), 2), np.float32)})

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def network() -> Network:
    request = BuildRequest(
        task="image-classification", labels=("a", "b"), wishes=ImageOptions(image_size=(8, 8))
    )
    return spec.build("mlp", request)


@pytest.fixture
def examples() -> list[Example]:
    box = Box(0, 0, 8, 8)
    window = Window(record="x", index=0, region=box, core=box, last=True)
    pixels = np.zeros((8, 8, 3), np.uint8)
    return [Example(ordinal=0, window=window, arrays={"pixels": pixels}, cost=64)] * 2


def test_a_precision_that_was_clearly_slower_is_not_tried_again(
    network: Network, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    opened: list[str] = []

    def candidate(name: str, precision: str, seconds: float) -> Candidate:
        def opener(precision: str, streams: int) -> Sleeper:
            opened.append(f"{name} {precision}")
            return Sleeper(seconds)

        return Candidate(name, precision, opener)

    candidates = [
        candidate("torch", "bfloat16", 0.004), candidate("torch", "float32", 0.04),
        candidate("other", "float32", 0.001), candidate("other", "bfloat16", 0.001),
    ]  # fmt: skip
    assert known(candidates, network) is None
    found = fastest(candidates, examples, fits=lambda _: True)
    assert (found.name, found.precision) == ("other", "bfloat16")
    assert opened == ["torch bfloat16", "torch float32", "other bfloat16"]
    assert found.rates.keys() == set(opened)
    keep(candidates, network, found)
    assert known(candidates, network) == ("other", "bfloat16")


def test_what_does_not_fit_is_not_opened(network: Network, examples: list[Example]) -> None:
    def never(precision: str, streams: int) -> Sleeper:
        raise AssertionError

    candidates = [
        Candidate("torch", "float16", lambda *_: Sleeper(0.001)),
        Candidate("other", "float16", never, opening=1 << 40),
    ]
    chosen = fastest(candidates, examples, fits=lambda item: item.opening < 1 << 30)
    assert (chosen.name, chosen.precision) == ("torch", "float16")


def test_streams_are_for_many_windows_of_text(tmp_path: Path, network: Network) -> None:
    pytest.importorskip("openvino")
    request = BuildRequest(
        task="text-classification", labels=("a", "b"), facts=TextFacts(texts=lambda: ["a b c"])
    )
    text = spec.build("attention", request)
    for many in (False, True):
        found = candidates_for(text, "openvino", "float32", tmp_path, many=many)
        streams = plugins.load("runtimes", "openvino").streams(text)
        assert (found[0].alone is not None) == (many and streams > 1)
    assert candidates_for(network, "openvino", "float32", tmp_path, many=True)[0].alone is None


def test_streams_are_measured_side_by_side(network: Network, examples: list[Example]) -> None:
    class Streaming(Sleeper):
        streams = 2

    alone = Candidate("torch", "float32", lambda *_: Sleeper(0.05))
    streaming = Candidate("other", "bfloat16", lambda *_: Streaming(0.05))
    many = [replace(example, cost=4096) for example in examples] * 2
    rates = fastest([alone, streaming], many, fits=lambda _: True).rates
    assert rates["other bfloat16"] > 1.3 * rates["torch float32"]


def test_versions_of_runtimes_are_part_of_the_key(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machine_key(network)
    real = metadata.version
    for package in ("torch", "openvino", "onnxruntime"):
        monkeypatch.setattr(
            metadata, "version", lambda name, new=package: "9.9" if name == new else real(name)
        )
        assert machine_key(network) != before


def test_conversion_is_counted_until_it_is_done(network: Network, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    def opening() -> int:
        found = candidates_for(network, "auto", "float32", tmp_path)
        assert found[0].name == "torch" and found[0].opening == 0
        return next(item.opening for item in found if item.name == "onnx")

    before = opening()
    file = tmp_path / "runtimes" / "onnx" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.touch()
    assert opening() < before
