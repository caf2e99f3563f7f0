"""Findings are counted once each, the gravest first, and stop the work where they must."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anysize
from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.core.examples import Example, Outputs
from anysize.core.findings import Findings
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.receipts import Facts, Receipt
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.sources import ColumnSpec, open_source


def test_the_same_finding_is_kept_once_with_its_counts_added() -> None:
    findings = Findings()
    for row in range(7):
        findings.add("gap", "t.csv: empty cells", examples=[f"t.csv:{row}"], level="note")
    findings.add("other", "t.csv: something else")
    first, second = findings
    assert (first.code, first.level) == ("other", "warning")
    assert (second.count, second.examples) == (7, tuple(f"t.csv:{row}" for row in range(5)))
    assert (
        second.sentence() == "t.csv: empty cells (t.csv:0, t.csv:1, t.csv:2, t.csv:3, t.csv:4, …)"
    )


def test_warnings_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    findings = Findings()
    findings.add("a", "one.csv: left out", examples=["one.csv:1"], remedy="mend it")
    findings.add("b", "one.csv: by the way", level="note")
    findings.checked()
    findings.add("c", "one.csv: odd")
    findings.checked()
    assert caplog.messages == ["one.csv: left out (one.csv:1); mend it", "one.csv: odd"]


def test_refusals_stop_the_work_all_at_once_and_strict_takes_warnings_too() -> None:
    findings = Findings()
    findings.add("a", "first", level="warning", remedy="do this")
    findings.refuse()
    with pytest.raises(DataError, match="first; do this"):
        findings.refuse(strict=True)
    findings.add("b", "second", level="refusal")
    findings.add("c", "third", level="refusal")
    with pytest.raises(DataError, match="second\nthird") as caught:
        findings.refuse()
    assert "first" not in str(caught.value)


class _Field:
    def notes(self) -> tuple[str, ...]:
        return ("one cell was filled",)

    def counts(self) -> dict[str, int]:
        return {"pages": 3}


class _Source:
    name = "made"

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Record:
        return Record(id="0", fields={"x": _Field()})  # type: ignore[dict-item]

    def fingerprint(self) -> str:
        return ""


class _Runtime:
    name, precision = "none", "float32"

    def run(self, examples: list[Example]) -> Outputs:
        return Outputs({"logits": np.zeros((len(examples), 1), np.float32)})

    def close(self) -> None: ...


class _Merger:
    order_independent = True

    def add(self, window: Window, output: dict[str, Any]) -> None: ...

    def finish(self) -> Result:
        receipt = Receipt(
            extent=10,
            unit="tokens",
            windows=2,
            covered=1.0,
            dropped=0,
            merge="mean",
            fidelity="exact",
        )
        return Result(id="0", prediction="a", score=1.0, receipt=receipt)


def test_what_reading_showed_is_on_the_receipt() -> None:
    def preprocess(ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        for index in range(2):
            span = Span(index * 5, index * 5 + 5)
            window = Window(record="0", index=index, region=span, core=span, last=index == 1)
            facts = Facts(counts={"unknown_tokens": 4}, unread=4, reason="unknown tokens")
            yield Example(
                ordinal=0, window=window, arrays={}, cost=1, facts=facts if index else None
            )

    plan = BatchPlan(budget=8)
    results = list(
        predict(_Source(), [Position(0, 0)], preprocess, _Runtime(), lambda _: _Merger(), plan)
    )
    receipt = results[0].receipt  # type: ignore[union-attr]
    assert receipt.counts == {"pages": 3, "unknown_tokens": 4}
    assert receipt.notes == ("one cell was filled",)
    assert (receipt.covered, receipt.dropped, receipt.reason) == (0.6, 4, "unknown tokens")


@pytest.mark.parametrize("count", [0, 2])
def test_findings_survive_pickling(count: int) -> None:
    findings = Findings()
    for number in range(count):
        findings.add("column-gaps", f"column {number}")
    again = pickle.loads(pickle.dumps(findings))  # noqa: S301  what workers do with sources
    assert again.to_json() == findings.to_json()
    again.add("column-gaps", "column 0")
    assert len(again) == max(count, 1)


def test_another_name_of_a_column_that_is_read(tmp_path: Path) -> None:
    lines = "".join(f"text {n},one,one and more of it in many words\n" for n in range(4))
    path = tmp_path / "a.csv"
    path.write_text("text,all_summaries,summary\n" + lines, encoding="utf-8")
    findings = Findings()
    text = ColumnSpec(role="text", kind="text", names=("text",))
    target = ColumnSpec(role="summary", kind="target", names=("all_summaries", "summary"))
    open_source(path, roles=[text, target], findings=findings)
    (found,) = [one for one in findings if one.code == "column-left-out"]
    assert found.level == "note"
    assert found.message == "the column 'summary' is not used: 'all_summaries' is read as summary"
    assert found.remedy == "to read it instead, give --columns summary=summary"


def test_what_is_found_later_goes_on_to_where_it_leads() -> None:
    first, whole = Findings(), Findings()
    first.add("copies", "two are alike", count=2)
    first.lead_to(whole)
    first.add("copies", "two are alike", count=3)
    first.add("column-gaps", "the column 'a' has gaps")
    assert [(one.code, one.count) for one in whole] == [("copies", 5), ("column-gaps", 1)]


def test_training_keeps_what_is_found_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{1000 + place},{place % 7} kg,{place % 5},{'ab'[place % 2]}" for place in range(60)]
    path.write_text("id,weight,b,label\n" + "\n".join(rows), encoding="utf-8")
    model = anysize.train("tabular-classification", path, out=tmp_path / "r", steps=1, quiet=True)
    codes = {one.code for one in model.findings}
    assert codes >= {"column-row-number", "column-units"}
    assert model.card.settings.columns == ("weight", "b")


def test_who_names_the_column_of_texts_is_not_told_of_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("en,fr\n" + "two men at work,deux hommes au travail\n" * 4, encoding="utf-8")
    text = ColumnSpec(role="source", kind="text", names=("en",))
    for columns, level in (({}, "warning"), ({"source": "en"}, "note")):
        findings = Findings()
        open_source(path, roles=[text], columns=columns, findings=findings)
        (found,) = [one for one in findings if one.code == "column-left-out"]
        assert (found.level, bool(found.remedy)) == (level, level == "warning")


def test_a_model_reads_no_more_columns_than_it_was_trained_with(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("en,fr\n" + "two men at work,deux hommes au travail\n" * 4, encoding="utf-8")
    text = ColumnSpec(role="source", kind="text", names=("en",), settled=True)
    findings = Findings()
    open_source(path, roles=[text], findings=findings)
    (found,) = [one for one in findings if one.code == "column-left-out"]
    assert (found.level, found.remedy) == ("note", "")
