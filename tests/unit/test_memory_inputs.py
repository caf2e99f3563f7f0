"""Things in memory as inputs: tables of every kind, pictures, bytes; and a model's own methods."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import anysize
from anysize.api.model import Model
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.results import ErrorResult, Result
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.modalities.pictures.settings import ImageOptions
from anysize.modalities.texts.settings import TextFacts
from anysize.models import spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest
from anysize.tasks.memory_tables import plain_cell, rows_of

TEXTS = ["a good film", "a bad film", "a film"]
LABELS = ("bad", "good")


def model_of(task: str, family: str, **request: Any) -> Model:
    torch.manual_seed(0)
    network = spec.build(family, BuildRequest(task=task, labels=LABELS, **request))
    card = Card(
        task=task, labels=LABELS, model=family, merge="mean", settings=network.settings
        )  # fmt: skip
    return Model(network, card)


@pytest.fixture(scope="module")
def texts() -> Model:
    return model_of("text-classification", "attention", facts=TextFacts(texts=lambda: TEXTS))


@pytest.fixture(scope="module")
def pictures() -> Model:
    return model_of("image-classification", "mlp", wishes=ImageOptions(image_size=(8, 8)))


class Series:
    """A column as pandas has it."""

    def __init__(self, cells: list[Any]) -> None:
        self.iat = cells

    def __len__(self) -> int:
        return len(self.iat)


class Frame:
    """What is used of a pandas data frame."""

    __module__ = "pandas.core.frame"

    def __init__(self, columns: Mapping[str, list[Any]]) -> None:
        self._columns = columns
        self.columns = list(columns)

    @property
    def iloc(self) -> Any:
        cells = list(self._columns.values())

        class Place:
            def __getitem__(self, key: tuple[slice, int]) -> Series:
                return Series(cells[key[1]])

        return Place()


def scores(results: object) -> list[float]:
    found = list(results)  # type: ignore[call-overload]
    assert all(isinstance(one, Result) for one in found), found
    return [one.score for one in found]


TABLE = {"number": [1, 2, 3], "text": TEXTS, "label": ["good", "bad", "bad"]}
ROWS = [dict(zip(TABLE, cells, strict=True)) for cells in zip(*TABLE.values(), strict=True)]


def test_tables_in_memory_give_what_their_texts_give(texts: Model) -> None:
    expected = scores(texts.predict(TEXTS))
    tables: list[Any] = [TABLE, ROWS, Frame(TABLE), iter(ROWS), (row for row in ROWS)]
    tables.append({**TABLE, "text": np.array(TEXTS)})
    try:
        import pyarrow

        tables.append(pyarrow.table(TABLE))
    except ImportError:
        pass
    for table in tables:
        assert scores(texts.predict(table)) == expected
    assert scores(texts.predict({"review": TEXTS}, columns={"text": "review"})) == expected
    assert scores(texts.predict([text.encode() for text in TEXTS])) == expected


def test_real_data_frames_are_read(texts: Model) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({**TABLE, "text": [TEXTS[0], None, TEXTS[2]]})
    first, second, third = texts(frame)
    assert isinstance(second, ErrorResult)
    assert "has no value in the column 'text'" in second.error
    assert [first.id, second.id, third.id] == ["0", "1", "2"]


def test_a_table_without_the_column_is_refused_before_work(texts: Model) -> None:
    with pytest.raises(DataError, match="the table in memory"):
        texts.predict({"words": TEXTS, "more": [1, 2, 3]})
    with pytest.raises(ConfigurationError, match="one length, not text 3, label 1"):
        texts.predict({"text": TEXTS, "label": ["good"]})


def test_missing_cells_are_known_whoever_made_them() -> None:
    class NAType:
        pass

    assert [plain_cell(cell) for cell in (np.nan, float("nan"), None, NAType())] == [None] * 4
    assert plain_cell(np.float32(1.5)) == 1.5
    assert type(plain_cell(np.int64(3))) is int
    assert rows_of("text") is None
    assert rows_of(TEXTS) is None
    assert rows_of([]) is None


def test_evaluation_takes_tables_in_memory(texts: Model) -> None:
    measured = texts.evaluate(Frame(TABLE))  # type: ignore[arg-type]
    predicted = [found.prediction for found in texts.predict(TEXTS) if isinstance(found, Result)]
    right = sum(a == b for a, b in zip(predicted, TABLE["label"], strict=True))
    assert measured.main()["accuracy"] == pytest.approx(right / 3)


def test_what_has_no_targets_is_not_evaluated(
    texts: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("no folder says what it is")
    (tmp_path / "b.csv").write_text("text,number\nnor does a column,1\n")
    (tmp_path / "c.csv").write_text("text,label\none that is empty,\nalways,\n")
    monkeypatch.setattr(Model, "session", None)  # nothing is run
    for name, said in (("a.txt", r" \(label\)"), ("b.csv", r" \(label\)"), ("c.csv", ": .* empty")):
        with pytest.raises(DataError, match=f"what results are compared with{said}"):
            texts.evaluate(tmp_path / name)


def test_pictures_come_in_many_kinds(pictures: Model) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(2)]
    expected = scores(pictures.predict(arrays))
    made = [image.fromarray(array) for array in arrays]
    files = []
    for picture in made:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        files.append(buffer.getvalue())
    batch: Any = np.stack(arrays)
    kinds: list[Any] = [made, files, batch, {"image": files}, {"image": made}]
    kinds.append([{"image": {"bytes": file, "path": None}, "label": 0} for file in files])
    for kind in kinds:
        assert scores(pictures.predict(kind)) == pytest.approx(expected)
    for single in (arrays[0], made[0], files[0]):
        assert scores(pictures.predict(single)) == pytest.approx(expected[:1])
        assert pictures.predict_one(single).score == pytest.approx(expected[0])  # type: ignore[union-attr]


def test_numbers_come_by_row_and_by_name() -> None:
    model = model_of("tabular-classification", "dense", facts=FeatureFacts(shape=(3,)))
    vectors: Any = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    expected = scores(model.predict(vectors))
    assert scores(model.predict(vectors[0])) == pytest.approx(expected[:1])
    table = {name: vectors[:, place] for place, name in enumerate("abc")}
    assert scores(model.predict(table)) == pytest.approx(expected)
    row = {name: float(column[1]) for name, column in table.items()}
    assert model.predict_one(row).score == pytest.approx(expected[1])  # type: ignore[union-attr]


def test_a_model_says_what_it_is_and_takes_options_by_name(texts: Model, tmp_path: Path) -> None:
    assert texts.labels == LABELS
    assert "text-classification" in repr(texts)
    assert "2 labels (bad, good)" in repr(texts)
    (expected,) = texts.predict(["a good film"])
    assert texts.predict_one("a good film") == expected
    assert texts("a good film") == [expected]
    assert texts(["a good film"], memory="8GiB", merge="max")[0].receipt.merge == "max"  # type: ignore[union-attr]
    options = anysize.PredictOptions(merge="max", window=8)
    assert texts(["a good film"], options, merge="mean")[0].receipt.merge == "mean"  # type: ignore[union-attr]
    with pytest.raises(ConfigurationError, match="'batch' is not an option of prediction"):
        texts.predict(["a"], batch=3)
    table = tmp_path / "films.csv"
    table.write_text("text\na good film\na bad film\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="holds several: use predict"):
        texts.predict_one(table)


def test_a_column_that_is_there_twice_is_refused() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ConfigurationError, match="the column 'a' more than once"):
        rows_of(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(ConfigurationError, match="the column '1' more than once"):
        rows_of({1: [1], "1": [2]})
