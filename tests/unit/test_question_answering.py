"""Question answering: windows and what is learned of them, and a small model from end to end."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

import anysize
from anysize import api, tasks
from anysize.core.errors import BundleError, ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.core.windows import Span
from anysize.heads.soft import divergence
from anysize.mergers.answers import OUTPUTS
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.models.tokenizers import train_tokenizer
from anysize.readers.recent import RecentText
from anysize.readers.text import Text
from anysize.tasks.answer_options import AnswerOptions
from anysize.tasks.distilling import Side
from anysize.tasks.protocols import LossBatch, MergeOptions
from anysize.tasks.question_answering import QuestionAnswering

WORDS = ("red", "green", "blue", "grey", "and", "the")
PLACES = ("Oslo", "Rome", "Lima", "Kyiv", "北京")
QUESTION = "Which place?"
TOKENIZER = train_tokenizer([" ".join([*WORDS, *PLACES, QUESTION]) * 3], vocabulary=330)
OPTIONS = {"runtime": "torch", "precision": "float32", "memory": "4GiB"}


def network(window: int, overlap: int) -> Network:
    module: Any = torch.nn.Linear(1, 1)
    return Network(
        module=module,
        spec="none",
        settings=TextSettings(window=window, overlap=overlap),
        tokenizer=TOKENIZER,
        beside=("token_type_ids",),
    )


def record(context: str, *answers: str, start: int | None = None) -> Record:
    given = [{"text": each, "answer_start": start} for each in answers]
    fields = {"context": Text(context, "c"), "question": Text(QUESTION, "q")}
    return Record(id="r", fields=fields, target=json.dumps(given))


def examples(item: Record, window: int, overlap: int, draw: int | None = 0) -> list[Example]:
    preprocess = QuestionAnswering().preprocess(network(window, overlap))
    return list(preprocess(0, item, draw))


def filler(count: int, seed: int = 0) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count).tolist())


def text_of(example: Example) -> str:
    rows = example.aside["rows"]
    ids = example.arrays["input_ids"][rows[0] : rows[1] + 1].tolist()
    return str(TOKENIZER.decode(ids)).strip()


def test_windows_with_the_answer_point_at_it_and_others_at_none() -> None:
    context = f"{filler(60)} Oslo {filler(60, 1)}"
    found = examples(record(context, "Oslo"), 40, 12)
    assert len(found) > 4
    start = context.index("Oslo")
    plain = examples(record(context, "Oslo"), 40, 12, draw=None)
    holding = []
    for example, other in zip(found, plain, strict=True):
        offsets = other.aside["offsets"]
        holds = bool(((offsets[:, 0] <= start) & (start < offsets[:, 1])).any())
        whole = holds and bool((offsets[:, 1] >= start + 4).any())
        holding.append(whole)
        if whole:
            assert text_of(example).lower() == "oslo"
        else:
            assert example.aside["rows"].tolist() == [0, 0]
    assert 1 <= sum(holding) <= 2
    # A record counts once: half for the windows with the answer, half for the others.
    weights = np.array([float(example.aside["weight"]) for example in found])
    assert weights.sum() == pytest.approx(1.0)
    assert weights[holding].sum() == pytest.approx(0.5)


def test_a_question_without_an_answer_teaches_none_in_every_window() -> None:
    found = examples(record(filler(120)), 40, 8)
    assert all(example.aside["rows"].tolist() == [0, 0] for example in found)
    assert sum(float(example.aside["weight"]) for example in found) == pytest.approx(1.0)


def test_long_contexts_are_counted_before_they_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    item = record(f"{filler(100)} 北京 {filler(100)}", "北京")
    short = examples(item, 40, 8)
    monkeypatch.setattr("anysize.tasks.answer_windows.HELD", 2)
    again = examples(item, 40, 8)
    assert len(short) == len(again) > 4
    for one, other in zip(short, again, strict=True):
        assert one.window == other.window
        for name in one.aside:
            np.testing.assert_array_equal(one.aside[name], other.aside[name])


def test_what_cannot_be_learned_is_refused_with_the_reason() -> None:
    for item, message in (
        (record(filler(10), "Paris"), "none of its answers is in its context"),
        (record(filler(90), filler(90)), "fits into no window: use a larger --window"),
        (Record(id="r", fields=record("a").fields), "has no answers: mark a question"),
    ):
        with pytest.raises(DataError, match=message):
            examples(item, 40, 8)
    lonely = Record(id="r", fields={"context": Text("red", "c")}, target="[]")
    with pytest.raises(DataError, match="has no question: ask one with --question"):
        examples(lonely, 40, 8)
    blank = Record(id="r", fields={"context": Text("a"), "question": Text(" ")}, target="[]")
    with pytest.raises(DataError, match="its question is blank"):
        examples(blank, 40, 8)
    with pytest.raises(DataError, match="nothing to read: the text is empty"):
        examples(record(""), 40, 8, draw=None)


def test_the_loss_is_over_the_context_and_no_answer_alone() -> None:
    found = examples(record(f"{filler(50)} Rome", "Rome"), 40, 8)
    lengths = [len(example.arrays["input_ids"]) for example in found]
    generator = torch.Generator().manual_seed(0)
    outputs = {
        name: torch.randn(sum(lengths), generator=generator)
        for name in ("start_logits", "end_logits")
    }
    batch = LossBatch(
        examples=found,
        owners=torch.zeros(len(found), dtype=torch.int64),
        weights=torch.ones(len(found)),
        targets=[0],
        lengths=torch.tensor(lengths),
    )
    expected, begin = 0.0, 0
    for example, length in zip(found, lengths, strict=True):
        first, size = int(example.aside["first"]), example.window.region.size
        rows = [0, *range(first, first + size)]
        for name, row in zip(outputs, example.aside["rows"].tolist(), strict=True):
            logits = outputs[name][begin : begin + length]
            loss = torch.logsumexp(logits[rows], 0) - logits[row]
            expected += float(loss) * float(example.aside["weight"]) / 2
        begin += length
    task = QuestionAnswering()
    assert float(task.loss(network(40, 8), outputs, batch)) == pytest.approx(expected, rel=1e-5)
    # Logits of the question count in nothing.
    first = int(found[0].aside["first"])
    outputs["start_logits"][1 : first - 1] += 9.0
    assert float(task.loss(network(40, 8), outputs, batch)) == pytest.approx(expected, rel=1e-5)


def test_a_student_is_compared_where_an_answer_may_be() -> None:
    found = examples(record(f"{filler(50)} Rome", "Rome"), 40, 8)
    lengths = [len(example.arrays["input_ids"]) for example in found]
    generator = torch.Generator().manual_seed(0)
    own, wanted = (
        {name: torch.randn(sum(lengths), generator=generator) for name in OUTPUTS} for _ in range(2)
    )
    side = Side(network=network(40, 8), labels=("start", "end"), head={})
    soft = QuestionAnswering().soft_targets(side, side, 2.0)
    begin = 0
    for example, length, loss in zip(
        found, lengths, soft.loss(own, wanted, found).tolist(), strict=True
    ):
        first, size = int(example.aside["first"]), example.window.region.size
        rows = [begin, *range(begin + first, begin + first + size)]
        each = [divergence(own[name][rows], wanted[name][rows], 2.0) for name in OUTPUTS]
        assert loss == pytest.approx(float(sum(each)) / 2, rel=1e-4)
        begin += length
    assert float(soft.loss(own, own, found).abs().max()) < 1e-6


def test_a_student_learns_from_a_teacher(trained: anysize.Model, tmp_path: Path) -> None:
    assert trained.folder is not None
    student = anysize.train(
        "question-answering", trained.folder.parent / "data.jsonl", model="transformer",
        out=tmp_path / "student", window=48, teacher=str(trained.folder), distil_weight=1.0,
        options={"hidden_size": "16", "num_layers": "1", "num_heads": "2", "dropout": "0",
                 "intermediate_size": "16"},
        steps=60, batch=24, learning_rate=1e-2, precision="float32", test=0.0, loaders=1,
        micro_cost=1 << 20, quiet=True, tensorboard=False,
    )  # fmt: skip
    assert student.card.metrics["validation_f1"] > 0.8


def test_a_window_has_the_characters_of_its_tokens() -> None:
    context = f"{filler(40)}\n\n\n\n{filler(40, 2)} 北京，Oslo\u3000!"
    for example in examples(record(context, "北京"), 40, 8, draw=None):
        region = example.window.region
        assert isinstance(region, Span)
        begin = int(example.aside["begin"])
        characters = example.aside["characters"].tobytes().decode("utf-32-le")
        assert characters == context[begin : begin + len(characters)]
        offsets = example.aside["offsets"]
        assert len(offsets) == region.size
        assert begin <= offsets.min()
        assert offsets.max() <= begin + len(characters)


def _metaspace() -> Tokenizer:
    text = ["Anna lives in Oslo. 我们在北京！ naïve ﬁne é 😀 Zürich "] * 3
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<unk>", "<s>", "</s>"]
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=specials, unk_token="<unk>")
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s> <s>",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )  # fmt: skip
    return tokenizer


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"]
    )
    tokenizer.train_from_iterator(["Anna lives in Oslo. Zürich"] * 3, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tokenizer


@pytest.mark.parametrize("make", [_metaspace, _byte_level, lambda: TOKENIZER])
def test_answers_are_exact_slices_with_any_tokenizer(make: Callable[[], Tokenizer]) -> None:
    """Blanks, emoji, ligatures, Chinese: as transformers issues 17706 and 6144 and haystack 2."""
    context = "Anna  lives in Oslo.\n\n\n\n我们在北京！ naïve  ﬁne cafe\u0301 😀 Zürich\t\n" * 4
    made = dataclasses.replace(network(64, 20), tokenizer=make())
    plain = QuestionAnswering().preprocess(made)
    for gold in ("Oslo", "北京", "naïve", "ﬁne", "cafe\u0301", "😀", "Zürich", "in Oslo"):
        item = record(context, gold, start=context.rindex(gold))
        lessons, windows = plain(0, item, 0), plain(0, item)
        merger = QuestionAnswering().new_merger(())("r")
        for lesson, example in zip(lessons, windows, strict=True):
            logits = [np.zeros(len(example.arrays["input_ids"]), np.float32) for _ in range(2)]
            for each, row in zip(logits, lesson.aside["rows"].tolist(), strict=True):
                each[row] = 9.0
            output = {"start_logits": logits[0], "end_logits": logits[1], **example.aside}
            merger.add(example.window, output)
        result: Any = merger.finish()
        start, end = result.details["start"], result.details["end"]
        assert context[start:end] == result.prediction
        # The smallest stretch of whole tokens that has the answer in it.
        assert gold in result.prediction
        assert start <= context.rindex(gold) < end
        assert len(result.prediction) <= len(gold) + 3


def test_no_answer_is_where_the_model_has_its_first_token() -> None:
    """In XLNet and the like it comes last."""
    made = dataclasses.replace(
        network(64, 20), tokenizer=_metaspace(), hub_tokenizer=SimpleNamespace(cls_token_id=1)
    )
    (example,) = QuestionAnswering().preprocess(made)(0, record("Anna lives in Oslo."))
    assert int(example.aside["none"]) == len(example.arrays["input_ids"]) - 1
    assert example.arrays["input_ids"][-1] == 1


def test_what_was_read_of_a_text_is_let_go() -> None:
    text = RecentText(Text("abcdefghij" * 20_000))
    read = 0
    for chunk in text.chunks():
        read += len(chunk)
        assert text.read(read - 10, read) == ("abcdefghij" * 2)[read % 10 :][:10]
        text.forget(read - 10)
        assert len(pickle.dumps(text)) < 210_000  # the text itself, and ten characters
    assert text.read(0, 3) == "abc"  # from the text itself


def make_bundle(folder: Path) -> None:
    """A model that has learned that places answer the question."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(240):
        words = rng.choice(WORDS, int(rng.integers(3, 40))).tolist()
        answers = []
        if number % 3:
            place = PLACES[number % len(PLACES)]
            words.insert(int(rng.integers(0, len(words) + 1)), place)
            answers = [place]
        rows.append({"context": " ".join(words), "question": QUESTION, "answers": answers})
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    anysize.train(
        "question-answering", data, model="transformer", out=folder / "run", window=48,
        options={"hidden_size": "32", "num_layers": "1", "num_heads": "2", "dropout": "0",
                 "intermediate_size": "32"},
        steps=45, batch=24, learning_rate=1e-2, precision="float32", test=0.0, loaders=1,
        micro_cost=1 << 20, quiet=True, tensorboard=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(shelf: Callable[..., Path]) -> anysize.Model:
    return anysize.load(shelf("answers", make_bundle, own=True) / "run")


def ask(model: anysize.Model, rows: Any, **options: Any) -> list[Any]:
    return list(model.predict(rows, **OPTIONS, **options))


def test_a_trained_model_answers_with_slices_of_the_context(trained: anysize.Model) -> None:
    assert trained.card.metrics["validation_f1"] > 0.95
    settings = trained.card.reads(TextSettings)
    assert (settings.window, settings.overlap) == (48, 12)  # a quarter, where nothing is said
    contexts = [f"{filler(n, n)} {PLACES[n % 5]}\t\n {filler(n, n + 1)}" for n in (1, 9, 90, 400)]
    rows = [{"context": each, "question": QUESTION} for each in contexts]
    results = list(trained.predict(rows, **OPTIONS))
    for number, context, result in zip((1, 9, 90, 400), contexts, results, strict=True):
        assert result.prediction == PLACES[number % 5]
        start, end = result.details["start"], result.details["end"]
        assert context[start:end] == result.prediction
        assert result.receipt.covered == 1.0
        assert result.receipt.dropped == 0
    assert results[-1].receipt.windows > 20


def test_the_threshold_of_no_answer_is_found_and_kept(trained: anysize.Model) -> None:
    threshold = trained.card.prediction["no_answer_threshold"]
    task: Any = tasks.of(trained.card)
    assert task.options.no_answer_threshold == threshold
    rows = [{"context": filler(200), "question": QUESTION}]
    (none,) = trained.predict(rows, **OPTIONS)
    assert none.prediction is None
    (given,) = ask(trained, rows, no_answer_threshold=-1000.0)
    assert given.prediction == none.details["answers"][0]["answer"]
    (other,) = ask(trained, rows, no_answer_threshold=1000.0)
    assert other.prediction is None


def test_one_question_is_asked_of_files(trained: anysize.Model, tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text(f"{filler(900)}\r\n Lima. {filler(900, 1)}", encoding="utf-8")
    (result,) = ask(trained, book, question=QUESTION)
    assert result.prediction == "Lima"
    with book.open(encoding="utf-8", newline="") as file:
        assert file.read()[result.details["start"] : result.details["end"]] == "Lima"
    (missing,) = trained.predict(book, **OPTIONS)
    assert "has no question: ask one with --question" in missing.error
    rows = [{"context": "red Rome", "question": "something else"}]
    assert ask(trained, rows, question=QUESTION)[0].prediction == "Rome"


def test_an_answer_in_a_document_says_where_it_stands(
    trained: anysize.Model, tmp_path: Path
) -> None:
    book = tmp_path / "book.md"
    book.write_text(f"# Blue\n\n{filler(90)}\n\n# Grey\n\n{filler(60)} Kyiv {filler(40)}\n")
    (result,) = ask(trained, book, question=QUESTION)
    assert result.prediction == "Kyiv"
    assert result.details["section"] == "Grey"
    assert result.details["answers"][0]["section"] == "Grey"


def test_several_answers_of_a_model(trained: anysize.Model) -> None:
    context = f"{filler(60)} Oslo {filler(60)} Rome {filler(60)} Oslo {filler(20)}"
    rows = [{"context": context, "question": QUESTION}]
    (result,) = ask(trained, rows, top_k=2, longest_answer=1)
    assert {each["answer"] for each in result.details["answers"]} == {"Oslo", "Rome"}


def test_a_question_too_long_for_the_window_is_refused_and_not_cut(trained: anysize.Model) -> None:
    rows = [{"context": "red Rome", "question": filler(200)}]
    (result,) = trained.predict(rows, **OPTIONS)
    assert "the question is too long to be read beside each window" in result.error


def test_the_order_and_company_of_records_change_nothing(trained: anysize.Model) -> None:
    rows = [
        {"context": f"{filler(n * 17 % 90, n)} {PLACES[n % 5]}", "question": QUESTION}
        for n in range(12)
    ]
    together = list(trained.predict(rows, **OPTIONS))
    for row, result in zip(rows, together, strict=True):
        (alone,) = trained.predict([row], **OPTIONS)
        assert alone.prediction == result.prediction
        assert alone.score == pytest.approx(result.score, abs=1e-5)


def test_a_folder_of_transformers_answers_always(trained: anysize.Model, tmp_path: Path) -> None:
    """Without a calibration nothing is known of when there is no answer."""
    assert trained.folder is not None
    folder = Path(shutil.copytree(trained.folder, tmp_path / "hub"))
    (folder / "anysize.json").unlink()
    model = anysize.load(folder)
    assert model.card.task == "question-answering"
    rows = [{"context": f"{filler(30)} Kyiv {filler(99)}", "question": QUESTION}]
    (result,) = model.predict(rows, **OPTIONS)
    assert result.prediction == "Kyiv"
    (none,) = model.predict([{"context": filler(9), "question": QUESTION}], **OPTIONS)
    assert none.prediction is not None
    from transformers import AutoModelForQuestionAnswering

    plain = AutoModelForQuestionAnswering.from_pretrained(folder)
    assert type(plain).__name__ == "BertForQuestionAnswering"


def test_a_damaged_calibration_is_refused(trained: anysize.Model) -> None:
    card = dataclasses.replace(trained.card, prediction={"no_answer_threshold": "high"})
    with pytest.raises(BundleError, match=r"not a valid card: prediction\.no_answer_threshold"):
        tasks.of(card)


def test_rules_of_merging_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="merge must be left out"):
        QuestionAnswering().new_merger((), MergeOptions(rule="max"))
    with pytest.raises(ConfigurationError, match="top_k must be a whole number from 1 to 100"):
        AnswerOptions(top_k=0)


def test_an_evaluation_and_its_report(trained: anysize.Model, tmp_path: Path) -> None:
    rows = []
    for number in range(24):
        place = PLACES[number % 5]
        far = f"{filler(number * 9, number)} {place}. {filler(30)}"
        given = [{"text": place, "answer_start": far.index(place)}] if number % 4 else []
        context = far if given else filler(40, number)
        rows.append({"context": context, "question": "<b>Which place?", "answers": given})
    rows.append({"context": filler(30), "question": QUESTION, "answers": ["red"]})
    rows.append({"context": filler(30), "question": QUESTION, "answers": None})
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found: Any = trained.evaluate(data, tmp_path / "report", **OPTIONS)
    main = found.main()
    assert main["f1"] >= 0.9
    assert main["exact_match"] <= main["f1"] <= main["best_f1"] + 1e-9
    assert found.questions == 25
    assert found.answerable == 19
    assert found.without_target == 1
    assert 15 <= found.answered <= 23
    names = {each.name: each for each in found.baselines}
    assert set(names) == {"no_answer", "sentence_retrieval", "first_window"}
    assert names["no_answer"].f1 == pytest.approx(6 / 25)
    assert names["first_window"].f1 < main["f1"]
    assert sum(each.records for each in found.by_depth) == 19
    assert sum(each.records for each in found.by_length) == 25
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["f1"] == main["f1"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert '<mark class="both">' in page
    assert "<b>Which" not in page
    from anysize.evaluation.rendering import render

    assert render(found) is not None


def test_inspecting_data_says_which_text_is_cut_and_which_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"context": f"The sky is blue {n}.", "question": "What?"} for n in range(4)]
    path.write_text("".join(json.dumps({**row, "answers": ["blue"]}) + "\n" for row in rows))
    found = {line.name: line.reading for line in api.statistics(str(path)).columns}
    assert found["context"] == "cut into windows"
    assert found["question"] == "repeated in each window"
    assert found["answers"] == ""
