"""The plug-ins of the developers' pages, installed as packages by their entry points and used."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "develop"
PAGES = {"answers": ("tasks", "add-a-task.md"), "vote": ("mergers", "add-a-merger.md")}

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to be searched for packages, as an installer would leave it."""
    site = tmp_path_factory.mktemp("site")
    points = []
    for name, (room, page) in PAGES.items():
        text = (DOCS / page).read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        (site / f"{name}_plugin.py").write_text(code, encoding="utf-8")
        points.append(f"[anysize.{room}]\n{name} = {name}_plugin\n")
    info = site / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(points))
    return site


@pytest.fixture
def program(installed: Path, run: Run, tmp_path: Path) -> Run:
    """A program of Python in a process that finds the packages; what it prints, as JSON."""

    def program(text: str, *arguments: Path) -> Any:
        script = tmp_path / "program.py"
        script.write_text(text, encoding="utf-8")
        found = run(script, *arguments, PYTHONPATH=str(installed))
        assert found.returncode == 0, found.stderr[-3000:]
        return json.loads(found.stdout.splitlines()[-1])

    return program


def questions(path: Path, records: int, words: int) -> list[str]:
    """Contexts in which ``code WORD NUMBER`` is said once; the question names the word."""
    draw = random.Random(1)
    fill = ["alpha", "beta", "gamma", "river", "stone", "cloud", "tree", "house", "light"]
    numbers = []
    with path.open("w", encoding="utf-8") as file:
        for _ in range(records):
            context = draw.choices(fill, k=words)
            number = str(draw.randrange(100, 999))
            place = draw.randrange(words)
            context[place:place] = ["code", number, "end"]
            row = {"context": " ".join(context), "question": "which code", "answer": number}
            file.write(json.dumps(row) + "\n")
            numbers.append(number)
    return numbers


TRAIN = """
import json, sys, anysize
from pathlib import Path
data, long, out = sys.argv[1:]
sizes = {"hidden_size": "32", "num_layers": "1", "num_heads": "2", "intermediate_size": "64"}
model = anysize.train(
    "answers", data, model="transformer", options=sizes, window=48, overlap=12, epochs=12,
    batch=16, learning_rate=5e-3, out=out, memory="3GiB", quiet=True,
)
results = list(anysize.load(out).predict(Path(long), anysize.PredictOptions(memory="3GiB")))
print(json.dumps([each.to_json() for each in results]))
"""


def test_the_task_of_the_page_trains_and_predicts_any_length(program: Run, tmp_path: Path) -> None:
    questions(tmp_path / "questions.jsonl", 160, 24)
    numbers = questions(tmp_path / "long.jsonl", 6, 400)
    results = program(
        TRAIN, tmp_path / "questions.jsonl", tmp_path / "long.jsonl", tmp_path / "run"
    )
    contexts = [
        json.loads(line)["context"] for line in (tmp_path / "long.jsonl").read_text().splitlines()
    ]
    right = 0
    for result, context, number in zip(results, contexts, numbers, strict=True):
        start, stop = result["prediction"]
        right += context[start:stop] == number
        receipt = result["receipt"]
        assert receipt["windows"] > 10
        assert (receipt["covered"], receipt["dropped"], receipt["unit"]) == (1.0, 0, "tokens")
        # The question is beside every window and counts in none.
        assert receipt["extent"] > 400
        assert "score" not in result
    # By chance it would be none.
    assert right >= 2


VOTE = """
import json, sys
import numpy as np
from anysize import mergers
from anysize.core.windows import Span, Window
merger = mergers.make("r", ("a", "b"), "vote", "tokens")
windows = [(0, 10, [1, 0]), (10, 40, [0, 1]), (40, 45, [1, 0])]
for index, (start, stop, logits) in enumerate(windows):
    span = Span(start, stop)
    window = Window("r", index, span, span, index == 2)
    merger.add(window, {"logits": np.float32(logits)})
print(json.dumps(merger.finish().to_json()))
"""


def test_the_merger_of_the_page_votes(program: Run) -> None:
    result = program(VOTE)
    assert (result["prediction"], result["score"]) == ("b", pytest.approx(30 / 45))
    assert (result["receipt"]["merge"], result["receipt"]["covered"]) == ("vote", 1.0)
