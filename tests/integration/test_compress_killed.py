"""Compression that is ended from outside leaves neither a copy of the weights nor a process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch

from anysize.modalities.texts.settings import TextFacts
from anysize.models import bundle, spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest

Start: TypeAlias = Callable[..., Any]


def hub_folder(place: Path) -> Path:
    """A model in the layout of Hugging Face, which is compressed from a copy made as a bundle."""
    torch.manual_seed(0)
    request = BuildRequest(
        task="text-classification",
        labels=("no", "yes"),
        facts=TextFacts(texts=lambda: iter(["red green"] * 9)),
    )
    network = spec.build("transformer", request)
    card = Card(
        task=request.task, labels=request.labels, model="transformer", settings=network.settings
    )
    bundle.save(place, network, card)
    (place / "anysize.json").unlink()
    return place


def measuring(folder: Path) -> set[int]:
    """The processes that measure something in a folder."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if "anysize.compression.worker" in words and any(str(folder) in word for word in words):
            found.add(int(path.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_ended_compression_leaves_no_copy_of_the_weights(
    number: signal.Signals, start: Start, tmp_path: Path
) -> None:
    hub_folder(tmp_path / "hub")
    place = tmp_path / "runs"
    process = start("compress", tmp_path / "hub", "--out", place / "small", "--method", "bf16",
                    cold=True)  # fmt: skip
    # The copy is made before the process that measures it.
    while process.poll() is None and not measuring(place):
        time.sleep(0.1)  # looking into every process takes what the others need
    assert process.poll() is None, process.wait().stderr
    copies = [path.name for path in place.rglob("*.safetensors")]
    assert copies == ["model.safetensors"]
    process.send(number)
    done = process.wait()
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert list(place.iterdir()) == []
    assert not measuring(place)
