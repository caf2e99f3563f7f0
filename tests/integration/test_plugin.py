"""A package apart, installed by entry points, adds a modality: every verb takes it.

Nothing of it is in ``src/``: see ``tests/plugin``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

PLUGIN = Path(__file__).resolve().parents[1] / "plugin"
METHOD = PLUGIN.parents[1] / "docs" / "develop" / "add-a-compression-method.md"
SCRIPT = Path(__file__).resolve().parent / "with_plugin.py"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip has installed the package into."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
            "--no-build-isolation", "--target", str(folder / "site"), str(folder / "source"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    _install_method(folder / "site")
    return folder / "site"


def _install_method(site: Path) -> None:
    """Beside it the method of compression of its page, as another package."""
    text = METHOD.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (site / "half_the_bytes.py").write_text(code, encoding="utf-8")
    metadata = site / "half_the_bytes-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: half-the-bytes\nVersion: 1.0\n"
    )
    entry = "[anysize.compression]\nfloat16 = half_the_bytes\n"
    (metadata / "entry_points.txt").write_text(entry)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Points in a ball and points on a line, of many sizes, a folder for each."""
    folder = tmp_path_factory.mktemp("clouds")
    random = np.random.default_rng(0)
    for number in range(60):
        points = random.standard_normal((int(random.integers(8, 90)), 3))
        label = "ball" if number % 2 else "line"
        if label == "line":
            points[:, 1:] *= 0.02
        (folder / label).mkdir(exist_ok=True)
        np.savetxt(folder / label / f"{number}.xyz", points, fmt="%.6f")
    return folder


@pytest.fixture(scope="module")
def bundle(
    run: Run, installed: Path, clouds: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Trained by the command line: killed at its first checkpoint, and resumed."""
    out = tmp_path_factory.mktemp("runs") / "points"
    train = (
        SCRIPT, installed, "train", "point-classification", clouds, "--model", "pointnet",
        "--out", out, "--steps", 60, "--batch", 8, "--checkpoint-steps", 10, "--window", 32,
        "--seed", 1, "--validation", 0.25,
    )  # fmt: skip
    killed = run(*train, KILL_AT=str(out))
    assert killed.returncode == -9
    assert not (out / "anysize.json").exists()
    done = run(*train, "--resume")
    assert done.returncode == 0, done.stderr
    return out


def test_its_modality_is_stored_with_its_own_settings(bundle: Path) -> None:
    card = json.loads((bundle / "anysize.json").read_text())
    assert (card["modality"], card["settings"]) == ("points", {"window": 32, "overlap": 0})


def test_it_is_measured(run: Run, installed: Path, clouds: Path, bundle: Path) -> None:
    done = run(SCRIPT, installed, "evaluate", bundle, clouds, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] > 0.9


def test_inputs_of_any_length_are_predicted_with_receipts(
    run: Run, installed: Path, bundle: Path, tmp_path: Path
) -> None:
    points = np.random.default_rng(5).standard_normal((10_000, 3))
    np.savetxt(tmp_path / "long.xyz", points, fmt="%.6f")
    (tmp_path / "bad.xyz").write_text("1 2\n")
    done = run(SCRIPT, installed, "predict", bundle, tmp_path, "--overlap", 8)
    bad, long = sorted(map(json.loads, done.stdout.splitlines()), key=lambda line: line["id"])
    assert "three numbers" in bad["error"]
    assert long["prediction"] == "ball"
    receipt = long["receipt"]
    assert (receipt["extent"], receipt["unit"], receipt["covered"]) == (10_000, "points", 1.0)
    # Windows of 32 that share 8 begin every 24 points.
    assert receipt["windows"] == -(-(10_000 - 32) // 24) + 1


def test_what_it_does_not_take_is_refused(
    run: Run, installed: Path, clouds: Path, bundle: Path
) -> None:
    done = run(SCRIPT, installed, "predict", bundle, clouds, "--tiles", "always")
    assert done.returncode == 2
    assert "tiles is for pictures, and this model reads point sets" in " ".join(done.stderr.split())


def test_it_is_exported_and_the_graph_gives_the_same(
    run: Run, installed: Path, bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    np.savetxt(tmp_path / "a.xyz", np.random.default_rng(6).standard_normal((50, 3)), fmt="%.6f")
    done = run(SCRIPT, installed, "export", bundle, "--format", "onnx", "--out", tmp_path / "onnx")
    assert done.returncode == 0, done.stderr
    scores = []
    for model in (bundle, tmp_path / "onnx"):
        done = run(
            SCRIPT, installed, "predict", model, tmp_path / "a.xyz", "--precision", "float32"
        )
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(done.stdout)["score"])
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_it_is_compressed_by_a_method_of_another_package(
    run: Run, installed: Path, clouds: Path, bundle: Path, tmp_path: Path
) -> None:
    done = run(
        SCRIPT, installed, "compress", bundle, "--data", clouds, "--method", "float16(least=16)",
        "--out", tmp_path / "small", "--max-drop", 0.5, "--json",
        PYTHONPATH=os.pathsep.join([str(installed), str(PLUGIN.parents[1] / "src")]),
    )  # fmt: skip
    # Whether it is as fast is up to the machine; that it was measured is not.
    assert done.returncode in (0, 1), done.stderr
    table = json.loads(done.stdout)
    (candidate,) = table["candidates"]
    assert (table["task"], candidate["method"]) == (
        "point-classification",
        "float16(least=16)",
    )
    assert candidate["figures"]["size"] < table["original"]["size"]
    assert candidate["figures"]["records"] == table["original"]["records"] > 0
    assert candidate["agreement"] > 0.8
