"""Labels: a test for each line of the table in docs/data-layouts.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import anysize
from anysize import heads, tasks
from anysize.core.errors import DataError
from anysize.core.findings import Finding, Findings
from anysize.sources import open_source
from anysize.sources.inputs import Chosen
from anysize.sources.labels.alike import alike
from anysize.sources.labels.class_findings import tell_named
from anysize.tasks.understanding import Understood, comparable, inspected, understand

TASK = "text-classification"
ROWS = 120


def table(path: Path, labels: Sequence[Any]) -> Path:
    """A text and a label a row; the texts all differ."""
    rows = [(f"text number {place}", label) for place, label in enumerate(labels)]
    if path.suffix == ".jsonl":
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    else:
        lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def learned(path: Path) -> tuple[Understood, dict[str, Finding]]:
    """What training makes of data, and its findings by code."""
    findings = Findings()
    found = understand(path, tasks.load(TASK), findings=findings)
    return found, {one.code: one for one in findings}


def counts(found: Understood) -> Counter[str]:
    """Records by class over all parts, counted one by one."""
    parts = found.splits.named().values()
    return Counter(part[index].target for part in parts for index in range(len(part)))


def refused(path: Path, head: str = "") -> str:
    task: Any = tasks.load(TASK)
    findings = Findings()
    with pytest.raises(DataError) as error:
        understand(path, task.headed(heads.load(head)) if head else task, findings=findings)
    return str(error.value)


def test_label_blanks(tmp_path: Path) -> None:
    spelled = ["good", " good", "good ", "bad", "  bad", "bad\u00a0"] * 20
    found, codes = learned(table(tmp_path / "a.csv", spelled))
    assert counts(found) == {"good": 60, "bad": 60}
    assert (codes["labels-spelling"].level, codes["labels-spelling"].count) == ("note", 80)


def test_label_unicode_form(tmp_path: Path) -> None:
    found, codes = learned(table(tmp_path / "a.csv", ["caf\u00e9", "cafe\u0301", "the"] * 40))
    assert counts(found) == {"caf\u00e9": 80, "the": 40}
    assert codes["labels-spelling"].count == 40


def test_label_number_format(tmp_path: Path) -> None:
    found, _ = learned(table(tmp_path / "a.jsonl", [1, "1", 1.0, 0, "0", 0.0] * 20))
    assert counts(found) == {"0": 60, "1": 60}
    as_text, _ = learned(table(tmp_path / "a.csv", ["1", "1.0", "0", "0.00"] * 30))
    assert found.labels == as_text.labels == ("0", "1")
    versions, _ = learned(table(tmp_path / "b.csv", ["3.1", "3.10", "007"] * 30))
    assert versions.labels is not None
    assert set(versions.labels) == {"3.1", "3.10", "007"}


def test_label_boolean_format(tmp_path: Path) -> None:
    one, _ = learned(table(tmp_path / "a.csv", ["True", "False"] * 60))
    other, _ = learned(table(tmp_path / "a.jsonl", [True, False] * 60))
    assert one.labels == other.labels == ("false", "true")


def test_label_case(tmp_path: Path) -> None:
    spelled = ["Positive", "positive", "positive", "NEGATIVE", "Negative", "Negative"] * 20
    found, codes = learned(table(tmp_path / "a.csv", spelled))
    assert counts(found) == {"positive": 60, "Negative": 60}
    assert (codes["labels-case"].level, codes["labels-case"].count) == ("warning", 40)


def test_label_letters_differ_by_case(tmp_path: Path) -> None:
    letters = [*"abcdefgh", *"ABCDEFGH"]
    found, codes = learned(table(tmp_path / "a.csv", letters * 10))
    assert found.labels is not None
    assert set(found.labels) == set(letters)
    assert "labels-case" not in codes


def test_label_look_alike(tmp_path: Path) -> None:
    spelled = ["not good", "not_good", "Not-Good", "01", "1", "ｆｉｎｅ", "fine", "bad"]
    found, codes = learned(table(tmp_path / "a.csv", spelled * 20))
    assert found.labels is not None
    assert set(found.labels) == set(spelled)
    one = codes["labels-alike"]
    assert (one.level, one.count, one.unit) == ("warning", 3, "groups")
    assert set(one.examples) == {
        "'Not-Good' (20) and 'not good' (20) and 'not_good' (20)",
        "'01' (20) and '1' (20)",
        "'fine' (20) and 'ｆｉｎｅ' (20)",
    }
    (tmp_path / "parts").mkdir()
    for part, labels in (("train", ["yes", "not sure"]), ("test", ["yes", "not-sure"])):
        table(tmp_path / "parts" / f"{part}.csv", labels * 40)
    _, codes = learned(tmp_path / "parts")
    assert codes["labels-alike"].examples == ("'not sure' (40) and 'not-sure' (40)",)
    several = table(tmp_path / "a.jsonl", [["sci fi", "new"], ["sci-fi"], ["new"]] * 40)
    assert "labels-alike" in learned(several)[1]
    tagged = tmp_path / "tags.jsonl"
    rows = [{"text": f"Anna {place}", "tags": ["B-PER", "I-per"]} for place in range(50)]
    tagged.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    codes = {one.code: one for one in anysize.inspect(tagged, task="token-classification").findings}
    assert codes["labels-alike"].examples == ("'PER' (50) and 'per' (50)",)


@pytest.mark.parametrize(
    "spelled",
    [
        ["C", "C++", "C#"],
        ["A", "A-", "A+"],
        ["1", "-1", "score 1", "score -1"],
        ["15", "1.5", "1-5", "1 5"],
        ["3.1", "3.10", "2020-01", "202001"],
        [*"abcdefgh", *"ABCDEFGH"],
        ["to", "too", "\N{THUMBS UP SIGN}", "...", "…!"],
    ],
)
def test_label_that_does_not_look_alike(spelled: list[str]) -> None:
    assert alike(spelled) == []


def test_label_missing_word(tmp_path: Path) -> None:
    missing = ["nan", "NaN", "None", "null", "NA", "n/a", "-", ""]
    labels = ["yes", "no"] * 60 + missing
    found, codes = learned(table(tmp_path / "a.csv", labels))
    assert counts(found) == {"yes": 60, "no": 60}
    one = codes["labels-missing"]
    assert (one.level, one.count, one.unit) == ("warning", len(missing), "records")
    assert one.examples[0] == "a.csv:120: 'nan'"
    same, codes = learned(
        table(tmp_path / "a.jsonl", ["yes", "no"] * 60 + [None, float("nan"), ""])
    )
    assert counts(same) == {"yes": 60, "no": 60}
    assert codes["labels-missing"].count == 3


def test_label_named_none(tmp_path: Path) -> None:
    found, codes = learned(table(tmp_path / "a.csv", ["favor", "against", "none"] * 40))
    assert counts(found) == {"favor": 40, "against": 40, "none": 40}
    assert codes["labels-missing-word"].level == "warning"


def test_label_unreadable_row(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["good", "bad"] * 60)
    with path.open("a") as file:
        file.write("too,many,cells\n")
    _, codes = learned(path)
    one = codes["records-unreadable"]
    assert (one.level, one.count, one.examples) == ("warning", 1, ("a.csv:120",))


@pytest.mark.parametrize("nothing", ["", "   ", None])
def test_label_of_an_empty_text(tmp_path: Path, nothing: str | None) -> None:
    path = table(tmp_path / "a.jsonl", ["good", "bad"] * 60)
    with path.open("a") as file:
        file.write(json.dumps({"text": nothing, "label": "good"}) + "\n")
    found, codes = learned(path)
    one = codes["records-unreadable"]
    assert (one.level, one.count, one.examples) == ("warning", 1, ("a.jsonl:120",))
    findings = Findings()
    findings.join([one])
    assert "left out: 1 record" in found.summary(findings)[2]


def test_label_list(tmp_path: Path) -> None:
    several = table(tmp_path / "a.jsonl", [["good"], ["bad", "short"], ["good", "long"]] * 20)
    message = refused(several, "one")
    assert "several labels for a record" in message
    assert "--head multi_label_classification" in message
    assert "--columns label=NAME" in message
    found, codes = learned(several)
    assert found.labels == ("bad", "good", "long", "short")
    assert codes["head-chosen"].level == "note"
    found, _ = learned(table(tmp_path / "b.jsonl", [["good"], ["bad"]] * 40))
    assert found.labels == ("bad", "good")


def test_label_object(tmp_path: Path) -> None:
    labels = ['"{""id"": 1}"', '"{""id"": 2}"'] * 20
    assert "JSON objects" in refused(table(tmp_path / "a.csv", labels))


def test_label_joined(tmp_path: Path) -> None:
    labels = ["comedy", "drama", "comedy|drama", "comedy|crime", "crime|drama", "crime|war"] * 20
    _, codes = learned(table(tmp_path / "a.csv", labels))
    assert codes["labels-joined"].level == "warning"
    assert "'|'" in codes["labels-joined"].message


def test_label_quantity(tmp_path: Path) -> None:
    for name, labels in (
        ("a.csv", [f"{place * 0.37:.3f}" for place in range(ROWS)]),
        ("b.csv", [str(100_000 + 37 * place) for place in range(ROWS)]),
    ):
        message = refused(table(tmp_path / name, labels))
        assert "120 different numbers" in message
        assert "regression" in message
    stars, _ = learned(table(tmp_path / "c.csv", [1, 2, 3, 4, 5] * 24))
    assert stars.labels == ("1", "2", "3", "4", "5")


def test_label_all_different(tmp_path: Path) -> None:
    labels = [f"title {place}" for place in range(ROWS)]
    assert "120 different labels in 120 records" in refused(table(tmp_path / "a.csv", labels))


def test_label_single(tmp_path: Path) -> None:
    labels = ["good", "bad"] * 100 + [f"rare {place}" for place in range(20)]
    found, codes = learned(table(tmp_path / "a.csv", labels))
    training = found.counts["train"]
    single = sum(count == 1 for count in training.values())
    assert (codes["labels-single"].count, codes["labels-single"].unit) == (single, "classes")
    for part in ("validation", "test"):
        held = found.counts[part]
        unknown = {name: count for name, count in held.items() if name not in training}
        assert codes[f"labels-unknown-{part}"].count == sum(unknown.values())


def test_label_absent_from_a_part(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", ["a", "b", "c"] * 20)
    table(tmp_path / "val.csv", ["a", "b"] * 5)
    _, codes = learned(tmp_path)
    assert codes["labels-absent-validation"].examples == ("'c'",)


def test_label_uneven(tmp_path: Path) -> None:
    found, codes = learned(table(tmp_path / "a.csv", (["good"] * 19 + ["bad"]) * 20))
    assert "macro_f1" in codes["labels-uneven"].remedy
    training = found.counts["train"]
    share = training["good"] / sum(training.values())
    assert f"{share:.0%}" in codes["labels-uneven"].message
    _, codes = learned(table(tmp_path / "b.csv", (["good"] * 3 + ["bad"]) * 30))
    assert "labels-uneven" not in codes


def test_label_of_no_class_of_the_model(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["Good", "bad", "good", "None", "so so"] * 10)
    task = tasks.load(TASK)
    findings = Findings()
    source = open_source(path, roles=task.columns)
    judged = comparable(Chosen(source=source), task, ("bad", "good"), findings)
    assert [judged[index].target for index in range(5)] == ["good", "bad", "good", None, "so so"]
    codes = {one.code: one for one in findings}
    assert (codes["labels-unknown"].count, codes["labels-unknown"].examples) == (
        10,
        ("'so so' (10)",),
    )
    assert codes["labels-case"].count == codes["labels-missing"].count == 10


def test_label_unlike_those_named() -> None:
    findings = Findings()
    tell_named({"low": 3, "high": 9}, ["low", "hihg"], findings)
    found = {one.code: one for one in findings}
    assert (found["labels-unnamed"].count, found["labels-unnamed"].examples) == (9, ("'high' (9)",))
    assert found["labels-named-absent"].examples == ("'hihg'",)
    none = Findings()
    tell_named({"low": 3, "high": 9}, ["high", "low"], none)
    tell_named({"low": 3}, (), none)
    tell_named({}, ["value"], none)
    assert not len(none)


def test_label_of_one_class_alone(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["good"] * ROWS)
    assert "only one label, 'good'" in refused(path)
    findings = Findings()
    inspected(path, tasks.load(TASK), findings=findings)
    (one,) = [each for each in findings if each.code == "labels-one"]
    assert one.level == "warning" and "'good'" in one.message
