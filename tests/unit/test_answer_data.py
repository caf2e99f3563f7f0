"""Questions and answers in data: SQuAD's nesting, flat tables, and what is wrong with places."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import anysize
from anysize import tasks
from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.readers.text import PIECE, Text
from anysize.sources import open_source, open_splits
from anysize.tasks.answer_targets import Given, Placed, Wanted, place, wanted
from anysize.tasks.inputs import task_of
from anysize.tasks.understanding import inspected

TASK = tasks.load("question-answering")
CONTEXT = "Anna lives in Oslo. Bert lives in Rome, and Carla lives in Oslo too."


def opened(path: Path, rows: Sequence[dict[str, Any]] | None = None, **given: Any) -> Source:
    if rows is not None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text(text, encoding="utf-8")
    return open_source(path, roles=TASK.columns, **given)


def answers(source: Source) -> list[list[tuple[str, int, int, str]] | None]:
    found = [wanted(source[index], "context") for index in range(len(source))]
    return [None if one is None else [tuple(each) for each in one.answers] for one in found]


def squad(paragraphs: Sequence[dict[str, Any]]) -> str:
    data = [{"title": "People", "paragraphs": list(paragraphs)}]
    return json.dumps({"version": "v2.0", "data": data}, ensure_ascii=False)


def question(text: str, *answers: tuple[str, int], **more: Any) -> dict[str, Any]:
    given = [{"text": answer, "answer_start": start} for answer, start in answers]
    return {"id": text[-3:], "question": text, "answers": given, **more}


def test_squad_is_opened_as_a_row_for_each_question(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    other = {"context": "猫住在北京。", "qas": [question("猫住在哪里？", ("北京", 3))]}
    paragraph = {
        "context": CONTEXT,
        "qas": [
            question("Where does Bert live?", ("Rome", 34), ("Rome", 34)),
            question("Where does Emil live?", is_impossible=True, plausible_answers=[]),
        ],
    }
    path.write_text(squad([paragraph, other]), encoding="utf-8")
    source = opened(path)
    assert [source[i].text("question").read(0, 99) for i in range(3)] == [
        "Where does Bert live?", "Where does Emil live?", "猫住在哪里？"
    ]  # fmt: skip
    assert source[0].values["title"] == "People"
    assert source[0].values["id"] == "ve?"
    rome = ("Rome", 34, 38, "as given")
    assert answers(source) == [[rome, rome], [], [("北京", 3, 5, "as given")]]
    # A file of paragraphs alone, and an array of articles.
    path.write_text(json.dumps([paragraph, other]), encoding="utf-8")
    assert len(opened(path)) == 3
    path.write_text(json.dumps(json.loads(squad([paragraph]))["data"]), encoding="utf-8")
    assert len(opened(path)) == 2


def mrqa(path: Path, *rows: dict[str, Any]) -> Path:
    lines = [{"header": {"dataset": "SQuAD", "split": "train"}}, *rows]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def detected(text: str, *spans: tuple[int, int]) -> dict[str, Any]:
    # The end is that of the last character, as in MRQA.
    return {"text": text, "char_spans": [[a, b - 1] for a, b in spans], "token_spans": [[0, 0]]}


@pytest.mark.parametrize("name", ["dev.jsonl", "dev.jsonl.gz"])
def test_mrqa_is_opened_as_a_row_for_each_question(name: str, tmp_path: Path) -> None:
    oslo = detected("Oslo", (14, 18), (59, 63))
    first = {
        "id": "", "context": CONTEXT, "context_tokens": [["Anna", 0]],
        "qas": [
            {"qid": "q1", "id": "a", "question": "Where is Anna?", "question_tokens": [["W", 0]],
             "detected_answers": [oslo], "answers": ["oslo", "Christiania"]},
            {"qid": "q2", "question": "Bert?", "answers": ["Rome"],
             "detected_answers": [detected("Rome", (30, 34))]},
        ],
    }  # fmt: skip
    second = {"context": "Emil sleeps.", "qas": [
        {"qid": "q3", "question": "Who?", "answers": [], "detected_answers": []}]}  # fmt: skip
    path = mrqa(tmp_path / name, first, second)
    findings = Findings()
    source = opened(path, findings=findings)
    assert answers(source) == [
        [("Oslo", 14, 18, "as given"), ("Oslo", 59, 63, "as given"),
         ("Christiania", -1, -1, "missing")],
        [("Rome", 34, 38, "moved")],
        [],
    ]  # fmt: skip
    assert source[0].values == {"qid": "q1", "id": "a"}
    assert "".join(source[2].text("context").chunks()) == "Emil sleeps."
    # Places that are wrong, and names that the text does not have, are counted.
    inspected(path, TASK, findings=findings)
    codes = {one.code: one.count for one in findings}
    assert codes["answer-start-repaired"] == 1
    assert codes["answer-not-in-context"] == 1


def test_mrqa_with_a_damaged_line_or_places_that_are_none(tmp_path: Path) -> None:
    row = {"context": CONTEXT, "qas": [{"question": "Bert?", "detected_answers": [
        {"text": "Rome", "char_spans": "34"}]}]}  # fmt: skip
    repaired = Wanted((Placed("Rome", 34, 38, "as given"),))
    assert wanted(opened(mrqa(tmp_path / "a.jsonl", row))[0], "context") == repaired
    row["qas"][0]["detected_answers"][0].pop("char_spans")  # type: ignore[index]
    path = mrqa(tmp_path / "b.jsonl", row)
    with path.open("a") as file:
        file.write('{"context": "cut o')
    source = opened(path)
    assert len(source) == 2
    assert wanted(source[0], "context") == repaired
    with pytest.raises(DataError, match="is not JSON"):
        source[1]


@pytest.mark.parametrize(
    "wrong", [{"qas": [{"question": "Who?"}]}, {"context": 5, "qas": ["Who?"]}]
)
def test_a_paragraph_of_squad_that_is_nested_otherwise_fails_alone(
    wrong: Any, tmp_path: Path
) -> None:
    sound = {"context": CONTEXT, "qas": [
        {"question": "Bert?", "answers": [{"text": "Rome", "answer_start": 34}]}]}  # fmt: skip
    path = tmp_path / "squad.json"
    data = [{"paragraphs": [wrong, {"context": CONTEXT}, sound]}, {"paragraphs": "none"}]
    path.write_text(json.dumps({"data": data}), encoding="utf-8")
    source = opened(path)
    assert len(source) == 4
    assert wanted(source[2], "context") == Wanted((Placed("Rome", 34, 38, "as given"),))
    for row in (0, 3):
        with pytest.raises(DataError, match="has no value in the column 'context'"):
            source[row]
    assert "question" not in source[1].fields


@pytest.mark.parametrize(
    "row",
    [
        {"answers": [{"text": "Rome", "answer_start": 34}]},
        {"answers": {"text": ["Rome"], "answer_start": [34]}},
        {"answer": "Rome", "answer_start": 34},
        {"answer_text": ["Rome"], "answer_start": [34]},
        {"answers": ["Rome"]},
        {"answer": "Rome"},
    ],
)
def test_answers_in_all_usual_forms(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    source = opened(path, [{"context": CONTEXT, "question": "Bert?", **row}])
    assert answers(source) == [[("Rome", 34, 38, "as given")]]


def test_tables_of_cells_and_parquet(tmp_path: Path) -> None:
    rows = [["Bert?", CONTEXT, "Rome", "34", ""], ["Emil?", CONTEXT, "", "", "true"]]
    path = tmp_path / "data.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        names = ["question", "passage", "answer", "answer_start", "is_impossible"]
        csv.writer(file).writerows([names, *rows])
    assert answers(opened(path)) == [[("Rome", 34, 38, "as given")], []]
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    nested = {"text": ["Rome"], "answer_start": [34]}
    table = pyarrow.table(
        {
            "question": ["Bert?", "Emil?"],
            "context": [CONTEXT] * 2,
            "answers": [nested, {"text": [], "answer_start": []}],
        }
    )
    parquet.write_table(table, tmp_path / "data.parquet")
    assert answers(opened(tmp_path / "data.parquet")) == [[("Rome", 34, 38, "as given")], []]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (14, (14, 18, "as given")),
        (17, (14, 18, "moved")),  # the nearest of the two
        (50, (59, 63, "moved")),
        (900, (59, 63, "moved")),
        (None, (14, 18, "first of several")),
    ],
)
def test_a_wrong_place_is_repaired_by_the_text(
    start: int | None, expected: tuple[int, int, str]
) -> None:
    assert place(Text(CONTEXT), Given("Oslo", start))[1:] == expected


def test_answers_with_other_case_or_blanks_and_none_at_all() -> None:
    assert place(Text("He said:\n  a   Big cat."), Given("A big cat", 3))[1:] == (11, 22, "nearly")
    assert place(Text(CONTEXT), Given("Paris", 3)) == ("Paris", -1, -1, "missing")
    assert place(Text("北京在中国。"), Given("中国", 0))[1:] == (3, 5, "moved")


def test_an_answer_across_pieces_of_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    filler = "x" * (PIECE - 3)
    path.write_text(f"{filler}needle{filler}needle", encoding="utf-8")
    assert place(Text(path), Given("needle", None))[1:3] == (PIECE - 3, PIECE + 3)
    last = 2 * (PIECE - 3) + 6
    assert place(Text(path), Given("needle", 10 * PIECE))[1:] == (last, last + 6, "moved")


def test_the_answer_given_most_often_is_learned(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    texts = [("in Oslo", 11), ("Oslo", 14), ("Oslo", 14), ("nowhere", 0)]
    source = opened(path, [{"context": CONTEXT, **question("Anna?", *texts)}])
    found = wanted(source[0], "context")
    assert isinstance(found, Wanted)
    assert found.chosen is not None
    assert found.chosen.start == 14
    assert found.texts == ("in Oslo", "Oslo", "Oslo", "nowhere")


def test_what_is_odd_is_counted_and_named_once(tmp_path: Path) -> None:
    def row(text: str, *given: tuple[str, int], **more: Any) -> dict[str, Any]:
        return {"context": CONTEXT, "is_impossible": False, **question(text, *given), **more}

    rows = [
        row("Anna?", ("Oslo", 15)),
        row("Anna2?", ("Oslo", 14), ("Oslo", 3)),
        row("Bert?", ("Paris", 1)),
        row("Emil?", ("Rome", 34), is_impossible=True),
        {"context": CONTEXT, "question": "Emil2?", "answers": None},
        row("Fine?", ("Rome", 34)),
        {"context": CONTEXT, "question": "Carla?", "answers": ["ROME"]},
    ]
    path = tmp_path / "data.jsonl"
    opened(path, rows)
    findings = Findings()
    inspected(path, TASK, findings=findings)
    found = {one.code: (one.level, one.count, one.examples) for one in findings}
    assert found["answer-start-repaired"] == ("warning", 2, ("data.jsonl:0", "data.jsonl:1"))
    assert found["answer-not-in-context"] == ("warning", 1, ("data.jsonl:2",))
    assert found["answer-of-impossible"] == ("warning", 1, ("data.jsonl:3",))
    assert found["question-without-target"] == ("warning", 1, ("data.jsonl:4",))
    assert found["answer-found-nearly"] == ("warning", 1, ("data.jsonl:6",))
    assert "answer-place-guessed" not in found


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answers": [3]}, "an answer must be a text"),
        ({"answer": "Rome", "answer_start": "near the end"}, "answer_start must be a number"),
        ({"answers": [], "is_impossible": "perhaps"}, "is_impossible must be true or false"),
    ],
)
def test_cells_that_are_not_understood_are_named(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.jsonl"
    source = opened(path, [{"context": CONTEXT, "question": "Bert?", **row}])
    with pytest.raises(DataError, match=rf"data\.jsonl:0: {message}"):
        wanted(source[0], "context")


def test_questions_about_one_context_are_in_one_part(tmp_path: Path) -> None:
    rows = [
        {"context": f"context {n // 5} of many", "question": f"question {n}?", "answers": ["many"]}
        for n in range(400)
    ]
    path = tmp_path / "data.jsonl"
    opened(path, rows)
    splits = open_splits(path, roles=TASK.columns)
    parts = {
        name: {part[i].text("context").read(0, 99) for i in range(len(part))}
        for name, part in splits.named().items()
    }
    assert set(parts) == {"train", "validation", "test"}
    assert not parts["train"] & (parts["validation"] | parts["test"])
    assert not parts["validation"] & parts["test"]
    assert sum(map(len, parts.values())) == 80


def test_inspect_knows_questions_and_answers_by_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    qas = [question("Where does Bert live?", ("Rome", 30)), question("Emil?", is_impossible=True)]
    path.write_text(squad([{"context": CONTEXT, "qas": qas}]), encoding="utf-8")
    assert task_of(path, None).name == "question-answering"
    statistics: Any = anysize.inspect(path, quiet=True)
    assert statistics.labels == {"answer": 1, "no answer": 1}
    assert statistics.duplicates.copies == 0
    assert "answer-start-repaired" in {one.code for one in statistics.findings}
    reviews = tmp_path / "reviews.csv"
    reviews.write_text("text,label\ngood film,pos\nbad film,neg\n" * 3)
    assert task_of(reviews, None).name == "text-classification"


def test_tables_in_memory_have_answers_too() -> None:
    from anysize.tasks.inputs import open_inputs

    nested = {"text": ["Rome"], "answer_start": [30]}
    rows = [{"context": CONTEXT, "question": "Bert?", "answers": nested}]
    assert answers(open_inputs(rows, TASK, columns={})) == [[("Rome", 34, 38, "moved")]]
    rows = [{"context": CONTEXT, "question": "Bert?", "answers": ["Rome"], "is_impossible": True}]
    assert answers(open_inputs(rows, TASK, columns={})) == [[]]
