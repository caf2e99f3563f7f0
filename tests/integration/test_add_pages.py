"""The complete plug-ins of the pages for developers, installed by entry points and used."""

from __future__ import annotations

import importlib
import json
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
PAGES = (
    "add-an-engine.md", "add-a-runtime.md", "add-a-head.md", "add-a-model.md",
    "add-a-compression-method.md",
)  # fmt: skip
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
    for page in PAGES:
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


def visits(path: Path, *, least: int = 0) -> Path:
    """How often something happens, with a mean that is exponential in a number."""
    draw = np.random.default_rng(4)
    inputs = draw.uniform(-2, 2, 300)
    counted = draw.poisson(np.exp(1 + inputs)) + least
    rows = [f"{value:.3f},{number}" for value, number in zip(inputs, counted, strict=True)]
    path.write_text("\n".join(["x,visits", *rows]) + "\n")
    return path


def test_a_head_of_a_page_learns_counts(tmp_path: Path) -> None:
    import anysize

    data = visits(tmp_path / "visits.csv")
    model = anysize.train(
        "tabular-regression", data, model="dense", head="counts", out=tmp_path / "run",
        columns={"target": "visits"}, options={"hidden": "16"}, epochs=12, batch=16,
        learning_rate=1e-2, memory="3GiB", quiet=True, seed=0, precision="float32",
    )  # fmt: skip
    card = json.loads((tmp_path / "run" / "anysize.json").read_text())
    assert card["head"]["name"] == "counts"
    assert card["head"]["mean"] > 0
    plainly = anysize.PredictOptions(runtime="torch", precision="float32", memory="3GiB")
    results = list(anysize.load(tmp_path / "run").predict(data, plainly))
    values = [one.prediction for one in results]  # type: ignore[union-attr]
    # It grows by e for each step of x, as the means do that the data were drawn with.
    inputs = np.loadtxt(data, delimiter=",", skiprows=1)[:, 0]
    slope = np.polyfit(inputs, np.log(values), 1)[0]
    assert 0.8 < slope < 1.2
    for one in results:
        low, high = one.details["interval"]  # type: ignore[union-attr]
        assert 0 <= low <= one.prediction <= high  # type: ignore[union-attr]
    measured = model.evaluate(data, options=plainly, columns={"target": "visits"}).main()
    assert measured["mae"] == pytest.approx(
        np.mean(np.abs(np.array(values) - np.loadtxt(data, delimiter=",", skiprows=1)[:, 1]))
    )


def test_a_head_of_a_page_learns_from_a_teacher_of_another_scale() -> None:
    from anysize import heads

    entries = {"name": "counts", "deviation": 1.0}
    student, teacher = (heads.of({**entries, "mean": mean}) for mean in (2.0, 6.0))
    logits = torch.tensor([[0.0], [0.5], [-1.0]])
    alike = student.soft_loss(logits + np.log(3), logits, teacher, 1.0)
    torch.testing.assert_close(alike, torch.zeros(3))
    assert (student.soft_loss(logits, logits, teacher, 1.0) > 0.1).all()


def test_a_head_of_a_page_refuses_what_it_cannot_learn(tmp_path: Path) -> None:
    import anysize

    with pytest.raises(anysize.DataError, match="smallest target is -5"):
        anysize.train(
            "tabular-regression", visits(tmp_path / "v.csv", least=-5), model="dense",
            columns={"target": "visits"}, head="counts", out=tmp_path / "run", steps=1, quiet=True,
        )  # fmt: skip


def opinions(path: Path) -> Path:
    draw = np.random.default_rng(3)
    rows = ["text,label"]
    for number in range(80):
        label = ("bad", "good")[number % 2]
        words = draw.choice(["the", "film", "was", "a", "and", "story"], 8).tolist()
        words[int(draw.integers(8))] = ("awful", "lovely")[number % 2]
        rows.append(f"{' '.join(words)},{label}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def averaging(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Texts, and a bundle of the model of the page."""
    import anysize

    folder = tmp_path_factory.mktemp("averaging")
    data = opinions(folder / "opinions.csv")
    anysize.train(
        "text-classification", data, model="averaging", out=folder / "run", epochs=12, batch=8,
        options={"hidden_size": "32", "num_layers": "1"}, learning_rate=5e-3, window=16,
        memory="3GiB", quiet=True, seed=0,
    )  # fmt: skip
    return data, folder / "run"


def test_a_model_of_a_page_reads_texts_of_any_length(averaging: tuple[Path, Path]) -> None:
    import anysize

    data, bundle = averaging
    model = anysize.load(bundle)
    assert model.card.model == "averaging"
    assert model.evaluate(data).main()["accuracy"] > 0.9
    (long,) = model(["the film was lovely and " * 40])
    assert long.prediction == "good"  # type: ignore[union-attr]
    assert long.receipt.windows > 5  # type: ignore[union-attr]
    assert long.receipt.covered == 1.0  # type: ignore[union-attr]


def test_a_model_of_a_page_says_what_it_is_not_for(averaging: tuple[Path, Path]) -> None:
    from anysize.core.errors import ConfigurationError
    from anysize.modalities.texts.settings import TextFacts
    from anysize.models.network import BuildRequest
    from anysize.models.spec import build

    facts = TextFacts(texts=lambda: iter(["a b c"]))
    asked = BuildRequest(task="token-classification", labels=("O", "B-X"), facts=facts)
    with pytest.raises(ConfigurationError, match=r"text-classification.*not for token-classif"):
        build("averaging", asked)
    asked = BuildRequest(
        task="text-classification", labels=("a", "b"), facts=facts, options={"num_layers": "0"}
    )
    with pytest.raises(ConfigurationError, match="num_layers must be a whole number of at least"):
        build("averaging", asked)


def test_a_method_of_a_page_keeps_what_was_learned(
    averaging: tuple[Path, Path], tmp_path: Path
) -> None:
    import anysize
    from anysize import tasks
    from anysize.compression.chain import parse
    from anysize.compression.protocols import Context

    # The judge measures it in test_plugin.py.
    _, bundle = averaging
    (step,) = parse("float16(least=64)")
    said: list[str] = []
    context = Context(
        task=tasks.load("text-classification"), original=bundle, memory=1 << 30, say=said.append
    )
    step.method.apply(bundle, tmp_path / "small", step.options, context)
    assert said == ["weights of at least 64 numbers stored as float16"]
    small, large = weights(str(tmp_path / "small")), weights(str(bundle))
    assert {str(each.dtype) for each in small.values()} == {"float16", "float32"}
    for name, each in large.items():
        np.testing.assert_allclose(small[name], each, rtol=1e-3, atol=1e-7, err_msg=name)
    (result,) = anysize.load(tmp_path / "small")(["a lovely story"])
    assert result.prediction == "good"  # type: ignore[union-attr]


def test_a_method_of_a_page_refuses_what_it_cannot_do(averaging: tuple[Path, Path]) -> None:
    from anysize.compression.chain import load_method, parse
    from anysize.core.errors import ConfigurationError
    from anysize.models.spec import open_network

    with pytest.raises(ConfigurationError, match="least must be at least 0, not -1"):
        parse("float16(least=-1)")
    network, card = open_network(str(averaging[1]))
    method = load_method("float16")
    assert method.problems(network, card) == []
    with torch.no_grad():
        network.module.classifier.bias[0] = 1e5
    assert method.problems(network, card) == [
        "classifier.bias has numbers above 65504, which float16 cannot hold"
    ]
