"""Damaged inputs of every kind: no traceback, no hang, no more memory than allowed."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from benchmarks.fuzz import kinds
from benchmarks.fuzz.harness import Limits, fuzz
from benchmarks.fuzz.mutation import MUTATORS, Mutator, mutate
from benchmarks.fuzz.table import offences

COUNT = 60

TARGET = """
import os, time
from random import Random
from anysize.core.errors import DataError
from benchmarks.fuzz.mutation import mutate

def prepare(folder):
    (folder / "valid").write_bytes(bytes(100))

def mutated(folder, random, into):
    path = into / str(random.choice(["read", "refuse", "raise", "hang", "crash", "large"]))
    path.write_bytes(mutate((folder / "valid").read_bytes(), random))
    return path

def read(path):
    if path.name == "refuse":
        raise DataError(str(path), "no")
    if path.name == "raise":
        raise KeyError("odd")
    if path.name == "hang":
        time.sleep(60)
    if path.name == "crash":
        os._exit(3)
    if path.name == "large":
        len(bytearray(os.urandom(1)) * (600 << 20))
"""


@pytest.mark.parametrize("kind", kinds.names())
def test_damaged_inputs_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    found = fuzz(kind, range(COUNT), 0, Limits(), tmp_path)
    assert len(found) == COUNT
    assert offences(kind, 0, found) == ""


def test_what_breaks_a_rule_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd_kinds").mkdir()
    (tmp_path / "odd_kinds" / "target.py").write_text(TARGET, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "work").mkdir()
    name, limits = "odd_kinds.target", Limits(seconds=5.0, memory="500MiB")
    expected = {
        "read": "read", "refuse": "refused", "raise": "traceback", "hang": "hang",
        "crash": "crash", "large": "over budget",
    }  # fmt: skip
    first: dict[str, int] = {}
    words = list(expected)
    for number in range(100):
        first.setdefault(kinds.random_of(name, 0, number).choice(words), number)
    found = fuzz(name, first.values(), 0, limits, tmp_path / "work", keep=tmp_path / "kept")
    assert [outcome.answer for outcome in found] == [expected[word] for word in first]
    listed = offences(name, 0, found)
    assert all(f"--first {first[word]} " in listed for word in ("raise", "hang", "crash", "large"))
    assert "KeyError: 'odd' at target.py:19" in listed
    assert len(list((tmp_path / "kept").iterdir())) == 4


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.__name__)
def test_mutations_follow_their_seed(mutator: Mutator) -> None:
    for seed in range(20):
        data = np.random.default_rng(seed).bytes(1 + 40 * seed)
        once, again = (
            bytes(mutator(bytearray(data), Random(seed), (data, b"", b"other"))) for _ in range(2)
        )
        assert once == again


def test_mutate_changes_nearly_all() -> None:
    data = np.random.default_rng(0).bytes(500)
    changed = [mutate(data, Random(seed)) for seed in range(100)]
    assert sum(one != data for one in changed) > 90
    assert len(set(changed)) > 90
