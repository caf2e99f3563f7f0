"""Runtimes are measured in a process of their own, and only where a job is worth it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from anysize.core.steps import Step
from anysize.modalities.texts.settings import TextFacts
from anysize.models import bundle, spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.planning import apart, choice, synthetic
from anysize.planning.candidates import candidates_for
from anysize.planning.sampling import Sample
from anysize.planning.selection import Candidate, Measured, known

GIB = 1 << 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "small"
    request = BuildRequest(
        task="text-classification",
        labels=("a", "b"),
        facts=TextFacts(texts=lambda: ["a good film"]),
    )
    network = spec.build("attention", request)
    card = Card(
        task="text-classification", labels=("a", "b"), model="attention", merge="mean",
        settings=network.settings,
    )  # fmt: skip
    bundle.save(out, network, card)
    return out


@pytest.fixture
def network(folder: Path) -> Network:
    return spec.open_network(str(folder))[0]


def job(network: Network, windows: int) -> Sample:
    examples = synthetic.windows(network, 4)
    cost = examples[0].cost
    return Sample(examples=tuple(examples), record_cost=cost, total_cost=windows * cost, reading=0)


def test_another_process_measures_converts_and_probes(
    network: Network, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path))
    monkeypatch.setenv("ANYSIZE_TESTS_COLD", "1")  # a process that starts from nothing
    candidates = candidates_for(network, "auto", "auto", folder)
    for item in candidates:
        monkeypatch.setattr(f"anysize.runtimes.{item.name}.open_runtime", None)
    examples = synthetic.windows(network, 2)
    found = apart.measure(network, folder, candidates, examples, memory=64 * GIB, worth=0.0)
    assert found is not None
    assert {name.split()[0] for name in found.rates} >= {"torch", "openvino"}
    assert (folder / "runtimes" / "openvino" / "model.xml").is_file()
    assert list(tmp_path.glob("climb-*.json"))


def test_a_process_that_fails_costs_nothing_but_the_answer(
    network: Network,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*arguments: object, **settings: object) -> object:
        return subprocess.CompletedProcess("measure", -9, stdout="", stderr="first\nlast\n")

    monkeypatch.setattr(subprocess, "run", killed)
    candidates = [Candidate("torch", "float32", lambda *_: None)]  # type: ignore[arg-type, return-value]
    assert apart.measure(network, folder, candidates, [], memory=64 * GIB, worth=0.0) is None
    assert "could not be measured: last" in caplog.text


def test_only_what_is_worth_it_is_measured(
    network: Network, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path))
    candidates = candidates_for(network, "auto", "auto", folder)
    candidates = [*candidates, Candidate("other", "float32", candidates[0].opener)]
    asked: list[float] = []

    def measure(*_: object, memory: int, worth: float, step: Step) -> Measured:
        asked.append(worth)
        rates = {"other float32": 2.0, "torch float32": 1.0}
        return Measured(name="other", precision="float32", rates=rates)

    monkeypatch.setattr(apart, "measure", measure)

    def choose(windows: int, memory: int, place: Path | None = folder) -> choice.Choice:
        return choice.choose(
            candidates, network, job(network, windows), memory, folder=place, thorough=False
        )

    short = choose(2, 64 * GIB)
    assert short.candidate is candidates[0]
    assert not short.settled
    assert not asked
    long = 10_000_000
    for obstacle in (choose(long, 64 * GIB, None), choose(long, 1)):
        assert obstacle.candidate is candidates[0]
        assert obstacle.settled
        assert obstacle.why
    assert not asked
    assert choose(long, 64 * GIB).candidate.name == "other"
    assert len(asked) == 1
    assert known(candidates, network) == ("other", "float32")
    assert choose(2, 64 * GIB).candidate.name == "other"
    assert len(asked) == 1
