"""How many sequences are generated at once: as many as steps of ever more rows are faster with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.test_plan_plans import text_network

from anysize.core import memory
from anysize.core.batches import cut
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.steps import ONE_RUN, Generation
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.planning import rows, selection
from anysize.planning.batching import plan_batches
from anysize.planning.choice import LONGEST_TRIED, choose, side_by_side
from anysize.planning.prediction import worth_streams
from anysize.planning.sampling import Sample
from anysize.planning.selection import Candidate
from anysize.planning.synthetic import windows_of

MIB = 1 << 20
GIB = 1 << 30


class Stepping:
    """A generator whose steps take a time of their own, and some for each row."""

    name, precision, packed = "stepping", "float32", False
    token_bytes = 1
    ragged = False

    def __init__(self, *, fixed: float, each: float, row_bytes: int = 0) -> None:
        self._fixed, self._each, self._row_bytes = fixed, each, row_bytes
        self.rehearsed: list[int] = []

    def generate(self, *_: Any, **__: Any) -> Iterator[Growth]:
        raise NotImplementedError

    def rehearse(
        self, examples: Sequence[Example], options: GenerationOptions, *, limits: Sequence[int]
    ) -> float:
        count = len(examples) * options.beams
        self.rehearsed.append(count)
        np.ones(self._row_bytes * count, np.uint8)
        return max(limits) * (self._fixed + self._each * count)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path))


def network() -> Network:
    found = text_network(window=64)
    assert isinstance(found.settings, TextSettings)
    return found


def step(beams: int = 1) -> Generation:
    return Generation(options=GenerationOptions(most=64, beams=beams), per_unit=2.0, spare=2)


def planned(
    runtime: Stepping, *, beams: int, sequences: int, budget: int = 8 * GIB, longest: int = 10
) -> Any:
    job = step(beams)
    return plan_batches(
        runtime, network(), step=job, memory=budget, packed=False, own=rows.Sizes(10, longest),
        total_cost=sequences * job.cost(10),
    )  # fmt: skip


@pytest.mark.parametrize("beams", [1, 4])
def test_rows_are_added_while_they_are_faster(beams: int) -> None:
    runtime = Stepping(fixed=1.0, each=0.1)
    plan = planned(runtime, beams=beams, sequences=4096)
    # n / (1 + n / 10) gains less than four percent beyond 256, seen twice.
    assert max(runtime.rehearsed) == 1024
    count = plan.batches.budget // step(beams).cost(10) * beams
    assert count == pytest.approx(256, abs=beams)
    assert "sequences of the job's size at once (more would not be faster)" in plan.why[0]
    # It is kept, and none of the many rows are tried again.
    runtime.rehearsed.clear()
    again = planned(runtime, beams=beams, sequences=4096)
    assert again.batches == plan.batches
    assert max(runtime.rehearsed) <= 8


def test_rows_fit_the_budget_and_the_job() -> None:
    ample = planned(Stepping(fixed=1.0, each=1e-3, row_bytes=MIB), beams=1, sequences=100)
    assert ample.batches.budget <= 100 * step().cost(10)
    assert "about 100 sequences of the job's size at once (all that there are)" in ample.why[0]
    budget = memory.resident() + 150 * MIB
    tight = planned(
        Stepping(fixed=1.0, each=1e-3, row_bytes=MIB), beams=1, sequences=4096, budget=budget
    )
    assert tight.predicted_peak <= budget
    assert 16 * step().cost(10) <= tight.batches.budget <= 130 * step().cost(10)


def test_few_rows_are_not_measured(tmp_path: Path) -> None:
    runtime = Stepping(fixed=1.0, each=0.1)
    plan = planned(runtime, beams=4, sequences=rows.LEAST // 4)
    assert not list(tmp_path.glob("rows-*"))
    assert plan.batches.budget >= step(4).cost(10) * rows.LEAST // 4


def test_the_size_of_a_job_is_that_of_its_sequences() -> None:
    span = Span(0, 1)
    window = Window("a", 0, span, span, last=True)
    examples = [Example(ordinal=0, window=window, arrays={}, cost=cost) for cost in (4, 8, 30)]
    assert rows.sizes(step(), examples) == (14, max(example.cost for example in examples))
    assert rows.sizes(step(), []) is None
    assert rows.sizes(ONE_RUN, examples) is None


def test_rows_of_all_lengths_go_together_where_padding_takes_no_time() -> None:
    runtime = Stepping(fixed=1.0, each=1e-3)
    tight = planned(runtime, beams=1, sequences=32, longest=50).batches
    runtime.ragged = True
    loose = planned(runtime, beams=1, sequences=32, longest=50).batches
    job = windows_of(network(), [50] * 2 + [20] * 10 + [3] * 20)
    assert len(cut(job, tight, step().cost)) > 2
    (whole,) = cut(job, loose, step().cost)
    assert len(whole.examples) == 32
    # Short ones alone do not become more than are worth it, since memory is planned for the long.
    many = cut(windows_of(network(), [3] * 4096), loose, step().cost)
    assert max(len(each.examples) for each in many) <= rows.LEAST


def sample_of(records: int, examples: int = 3) -> Sample:
    """A look at a job of so many records of 10 tokens."""
    found = windows_of(network(), [10] * examples)
    return Sample(examples=tuple(found), record_cost=10.0, total_cost=10 * records, reading=0)


@pytest.mark.parametrize(("records", "fastest"), [(4, "eager"), (4096, "engine")])
def test_runtimes_are_compared_with_as_many_rows_as_the_job_has(records: int, fastest: str) -> None:
    # Each step of the engine takes long, and hardly longer for many rows.
    runtimes = {
        "eager": Stepping(fixed=1.0, each=1.0), "engine": Stepping(fixed=50.0, each=0.1),
    }  # fmt: skip
    candidates = [
        Candidate(name, "float32", lambda *_, opened=opened: opened)  # type: ignore[misc]
        for name, opened in runtimes.items()
    ]
    job = step(beams=4)
    few = side_by_side(sample_of(records), job.options)
    assert len(few) == min(records, 2 * rows.LEAST // 4)
    # Nothing is really generated: what is made up for a trial would go on to its limits.
    measured = selection.fastest(candidates, few, fits=lambda _: True, step=job)
    assert measured.name == fastest


def test_a_trial_of_long_sequences_stays_within_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = Stepping(fixed=1.0, each=1.0)
    monkeypatch.setattr(Stepping, "token_bytes", selection.TRIAL // (20 * step().cost(10)))
    candidate = Candidate("eager", "float32", lambda *_: runtime)
    few = side_by_side(sample_of(100), step().options)
    assert len(few) == 100
    selection.fastest([candidate], few, fits=lambda _: True, step=step())
    assert max(runtime.rehearsed) == 12


@pytest.mark.parametrize(("sequences", "many"), [(127, False), (128, True)])
def test_two_full_batches_are_worth_streams(sequences: int, many: bool) -> None:
    assert worth_streams(network(), sample_of(sequences), step(beams=4)) == many


def test_a_long_prompt_is_not_read_to_estimate_how_long_it_takes(tmp_path: Path) -> None:
    class Reading(Stepping):
        longest = 0

        def rehearse(
            self, examples: Sequence[Example], options: GenerationOptions, *, limits: Sequence[int]
        ) -> float:
            self.longest = max(self.longest, *(example.cost for example in examples))
            return 1e-6

    runtime = Reading(fixed=1.0, each=1.0)
    candidates = [
        Candidate(name, "float32", lambda *_: runtime)  # type: ignore[misc]
        for name in ("torch", "other")
    ]
    span = Span(0, 50_000)
    window = Window("book", 0, span, span, last=True)
    book = Example(ordinal=0, window=window, arrays={}, cost=50_000)
    seen = Sample(examples=(book,), record_cost=50_000.0, total_cost=50_000, reading=0)
    chosen = choose(
        candidates, network(), seen, 8 * GIB, folder=tmp_path, thorough=False, step=step()
    )
    assert chosen.candidate.name == "torch"
    assert 0 < runtime.longest <= LONGEST_TRIED
