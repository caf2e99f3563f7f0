"""The complete plug-ins of the pages for developers, installed by entry points and used."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anysize.core import plugins
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network

DOCS = Path(__file__).resolve().parents[2] / "docs" / "develop"
BLOCK = re.compile(r"<!-- not run: \S*test_add_pages\.py .*?-->\n```python\n(.*?)```", re.DOTALL)
ENTRY = re.compile(r'\[project\.entry-points\."(.+?)"\]\n(\w+) = "my_package\.(\w+)"')


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package with the modules of all pages, and the metadata that installing it would leave."""
    place = tmp_path_factory.mktemp("site")
    package, metadata = place / "my_package", place / "my_package-1.0.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text('"""Plug-ins."""\n')
    groups = []
    for page in ("add-an-engine.md", "add-a-runtime.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        (code,), ((group, key, module),) = BLOCK.findall(text), ENTRY.findall(text)
        (package / f"{module}.py").write_text(code, encoding="utf-8")
        groups.append(f"[{group}]\n{key} = my_package.{module}\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    sys.path.insert(0, str(place))
    importlib.invalidate_caches()
    plugins.keys.cache_clear()
    yield
    sys.path.remove(str(place))
    plugins.keys.cache_clear()


def pictures(folder: Path) -> Path:
    from PIL import Image

    generator = np.random.default_rng(2)
    for number in range(20):
        label = ("dark", "light")[number % 2]
        pixels = generator.integers(0, 160, size=(8, 8, 3)) + (80 if label == "light" else 0)
        (folder / label).mkdir(exist_ok=True, parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number:02d}.png")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Any]:
    from anysize.training import Recipe

    data = pictures(tmp_path / "pictures")

    def make(**changes: Any) -> Recipe:
        values = {
            "task": "image-classification", "data": str(data), "model": "mlp",
            "optimizer": "sgd", "learning_rate": 0.05, "batch": 8, "micro_cost": 64 * 3,
            "precision": "float32", "validation": 0.0, "test": 0.0, "tensorboard": False,
            "augment": "none", "steps": 6,
        }  # fmt: skip
        return Recipe(**{**values, **changes, "out": str(tmp_path / changes["out"])})

    return make


def weights(folder: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(Path(folder) / "model.safetensors")


def test_another_engine_learns_what_the_local_one_learns(recipe: Callable[..., Any]) -> None:
    from anysize.training import run

    alone = run(recipe(out="alone"), quiet=True)
    team = run(recipe(out="team", engine="threads", workers=2), quiet=True)
    assert team.steps == alone.steps == 6
    assert team.records == alone.records
    one, two = weights(alone.bundle), weights(team.bundle)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_member_that_is_lost_is_replaced_from_the_last_checkpoint(
    recipe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from anysize.training import run
    from anysize.training.step import Stepper

    whole = run(recipe(out="whole", engine="threads", workers=2), quiet=True)
    made = Stepper.update
    calls: list[int] = []

    def lost_once(self: Stepper, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:
            raise ConnectionError("the machine is gone")
        return made(self, *arguments)

    monkeypatch.setattr(Stepper, "update", lost_once)
    asked = recipe(out="replaced", engine="threads", workers=2, checkpoint_steps=1)
    replaced = run(asked, quiet=True)
    assert len(calls) > 8
    assert replaced.steps == 6
    one, two = weights(whole.bundle), weights(replaced.bundle)
    for name in one:
        np.testing.assert_array_equal(two[name], one[name], err_msg=name)


def test_an_engine_that_is_not_there_is_a_mistake_of_the_recipe(
    recipe: Callable[..., Any],
) -> None:
    from anysize.core.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match=r"engine must be one of local, threads, not 'c"):
        recipe(out="none", engine="cluster")


def test_a_runtime_of_a_page_predicts_what_torch_predicts(recipe: Callable[..., Any]) -> None:
    import anysize
    from anysize.training import run

    run(recipe(out="model"), quiet=True)
    asked = recipe(out="model")
    model = anysize.load(asked.out)
    ours = model(asked.data, runtime="torch", precision="float32")
    found = model(asked.data, runtime="plain")
    assert [one.to_json() for one in found] == [
        {**one.to_json(), "score": pytest.approx(one.score, abs=1e-6),  # type: ignore[union-attr]
         "probabilities": pytest.approx(one.details["probabilities"], abs=1e-6)}  # type: ignore[union-attr]
        for one in ours
    ]  # fmt: skip


def test_a_generator_of_a_page_writes_what_torch_writes() -> None:
    import transformers

    torch.manual_seed(3)
    config = transformers.GPT2Config(
        vocab_size=90, n_embd=32, n_layer=2, n_head=4, n_positions=64, eos_token_id=5
    )
    module = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for each in module.parameters():
            each.mul_(4.0)
    network = Network(module=module, spec="writer", settings=TextSettings(window=32))
    examples = []
    for ordinal, length in enumerate((3, 9, 5)):
        span = Span(0, length)
        window = Window(record=str(ordinal), index=0, region=span, core=span, last=True)
        ids = np.random.default_rng(ordinal).integers(6, 90, length, dtype=np.int32)
        example = Example(ordinal=ordinal, window=window, arrays={"input_ids": ids}, cost=length)
        examples.append(example)
    options = GenerationOptions(most=10)
    found = {}
    for name in ("torch", "plain"):
        generator = plugins.load("runtimes", name).open_generator(network, "float32")
        every = generator.generate(examples, options)
        found[name] = sorted((one.row, one.tokens.tolist(), one.ending) for one in every)
    assert found["plain"] == found["torch"]
