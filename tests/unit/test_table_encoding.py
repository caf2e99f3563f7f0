"""What is learned of columns travels with the weights; what was trained before still works."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import anysize
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.models import bundle, graph_metadata, spec
from anysize.models.bundle import Card
from anysize.models.columns import ColumnEncoding, TableEncoding
from anysize.models.columns.encoder import CLIP, RowEncoder
from anysize.models.network import BuildRequest, Network
from anysize.readers.dates import moment
from anysize.readers.values import number, number_form

TASK = "tabular-classification"
OPTIONS = anysize.PredictOptions(runtime="torch", precision="float32", memory="6GiB")
ENCODING = TableEncoding(
    columns=(
        ColumnEncoding(name="age", kind="number", fill=40, centre=40, scale=0.05, gaps=True),
        ColumnEncoding(name="income", kind="number", fill=9, centre=9, scale=0.1, steps=(1, 9, 99)),
        ColumnEncoding(name="city", kind="category", values=("Bonn", "Ulm")),
        ColumnEncoding(name="member", kind="boolean", centre=0.5, scale=2),
        ColumnEncoding(name="since", kind="date", scale=1e-8, parts=("year", "weekday")),
    )
)


def network_of(encoding: TableEncoding | None, width: int) -> Network:
    torch.manual_seed(0)
    request = BuildRequest(
        task=TASK,
        labels=("n", "y"),
        facts=FeatureFacts(shape=(width,), encoding=encoding),
    )
    return spec.build("dense", request)


def card_of(network: Network) -> Card:
    return Card(task=TASK, labels=("n", "y"), model="dense", settings=network.settings)


def scores(model: anysize.Model, inputs: object) -> list[float]:
    found = list(model.predict(inputs, OPTIONS))  # type: ignore[arg-type]
    assert all(isinstance(one, anysize.Result) for one in found), found
    return [one.score for one in found if isinstance(one, anysize.Result)]


def test_each_column_has_its_features() -> None:
    cells = {"age": "60", "income": "9", "city": "Ulm", "member": "yes", "since": "2010-01-04"}
    values, whole = RowEncoder(ENCODING)(cells)
    when = moment("2010-01-04")
    assert when is not None
    since = when.timestamp() * 1e-8
    wanted = [
        1 / math.sqrt(1 + 1 / CLIP**2), 0,  # one scale above the centre, not missing
        0, 0,  # at the centre, in the middle of three
        0, 0, 1,
        1,
        since / math.sqrt(1 + (since / CLIP) ** 2), 0.5, 0, 1,  # a Monday
    ]  # fmt: skip
    np.testing.assert_allclose(values, wanted, atol=1e-6)
    assert whole
    nothing, whole = RowEncoder(ENCODING)({})
    assert not whole
    assert nothing[:7].tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert len(RowEncoder(ENCODING).notes({})) == 5


def test_the_encoding_is_in_the_bundle_and_in_graphs(tmp_path: Path) -> None:
    network = network_of(ENCODING, ENCODING.width)
    path = tmp_path / "new.csv"
    path.write_text(
        "since,age,city,income,member\n2010-01-04,60,Ulm,9,yes\n,,Rom,50,no\n", encoding="utf-8"
    )
    before = scores(anysize.Model(network, card_of(network)), path)
    bundle.save(tmp_path / "bundle", network, card_of(network))
    loaded = anysize.load(tmp_path / "bundle")
    assert loaded.card.settings == network.settings
    assert scores(loaded, path) == pytest.approx(before, abs=1e-6)
    described = graph_metadata.read(graph_metadata.describe(network, card_of(network)), "x.onnx")
    assert described is not None
    assert described.card.settings == network.settings


def test_a_bundle_without_an_encoding_gives_the_same_answers(tmp_path: Path) -> None:
    network = network_of(None, 2)
    network.settings = dataclasses.replace(network.settings, names=("b", "a"))
    bundle.save(tmp_path / "bundle", network, card_of(network))
    loaded = anysize.load(tmp_path / "bundle")
    (tmp_path / "new.csv").write_text("word,a,b\nx,1,2\ny,3,-4\n", encoding="utf-8")
    vectors = [np.array([2.0, 1.0]), np.array([-4.0, 3.0])]
    assert scores(loaded, tmp_path / "new.csv") == pytest.approx(scores(loaded, vectors), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "form", "point", "comma"),
    [
        ("1.5", "point", 1.5, 1.5),
        ("1,5", "comma", 1.5, 1.5),
        ("-0,877", "comma", -0.877, -0.877),
        ("2,430", "either", 2430, 2.43),
        ("1.234", "point", 1.234, 1234),
        ("1.234,5", "comma", 1234.5, 1234.5),
        ("1,234.5", "thousands", 1234.5, 1234.5),
        ("1 234,5", "comma", 1234.5, 1234.5),
        ("$5.20", "point", 5.2, 5.2),
        ("12 %", "plain", 12, 12),
        ("\u22123", "plain", -3, -3),
        ("1e5", "plain", 1e5, 1e5),
        ("1.2.3", None, None, None),
        ("2024-01-05", None, None, None),
        ("12 kg", None, None, None),
        ("", None, None, None),
    ],
)
def test_numbers_as_they_are_written(
    text: str, form: str | None, point: float | None, comma: float | None
) -> None:
    assert number_form(text) == form
    assert number(text) == point
    assert number(text, ",") == comma
