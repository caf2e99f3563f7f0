"""Numbers: read from files and tables, cut along time, never changed by padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import anysize
from anysize import tasks
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.modalities.numbers.settings import FeatureFacts, FeatureSettings
from anysize.models import bundle, spec
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest, Network
from anysize.readers.features import Features
from anysize.sources import open_source
from anysize.windows.features import FeatureWindows

VECTORS, SEQUENCES = "tabular-classification", "time-series-classification"


def source_of(path: Path, task: str = VECTORS, **columns: str) -> Any:
    return open_source(path, roles=tasks.load(task).columns, columns=columns)


def values(source: Any, index: int = 0) -> list[Any]:
    field = source[index].features("features")
    return field.read(0, field.shape[0]).tolist()  # type: ignore[no-any-return]


def conv_network(**options: str) -> Network:
    torch.manual_seed(0)
    request = BuildRequest(
        task=SEQUENCES, labels=("a", "b", "c"), facts=FeatureFacts(shape=(9, 4)), options=options
    )
    network = spec.build("conv1d", request)
    network.module.train(False)
    return network


def test_columns_of_numbers_are_the_features(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,name,age,height,label,weight\n7,ann,3,1.5,x,20\n8,bob,4,-2e3,y,21\n")
    source = source_of(path)
    assert source[0].features("features").names == ("age", "height", "weight")
    assert (values(source), values(source, 1)) == ([3, 1.5, 20], [4, -2000, 21])
    assert (source[0].target, source[0].values) == ("x", {"id": "7", "name": "ann"})
    named = source_of(path, features="weight+age")
    assert values(named) == [20, 3]
    with pytest.raises(ConfigurationError, match="'wait'"):
        source_of(path, features="wait+age")
    path.write_text("name,label\nann,x\nbob,y\n")
    with pytest.raises(DataError, match=r"'name'.*a value of its own"):
        source_of(path)


@pytest.mark.parametrize("cell", ['"1, 2.5, -3"', "1 2.5 -3", '"[1, 2.5, -3]"', "1;2.5;-3"])
def test_a_cell_of_numbers(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"features,label\n{cell},x\n")
    assert values(source_of(path)) == [1, 2.5, -3]


def test_lists_in_json_lines_and_parquet(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    lines = tmp_path / "t.jsonl"
    lines.write_text('{"features": [[1, 2], [3, 4], [5, 6]], "label": "x"}\n')
    assert values(source_of(lines, SEQUENCES)) == [[1, 2], [3, 4], [5, 6]]
    table = pyarrow.table({"series": [[[1.5, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], "label": ["x", "y"]})
    parquet.write_table(table, tmp_path / "t.parquet")
    source = source_of(tmp_path / "t.parquet", SEQUENCES)
    assert (values(source), values(source, 1)) == ([[1.5, 2]], [[3, 4], [5, 6]])


def test_a_folder_for_each_class_and_a_table_of_files(tmp_path: Path) -> None:
    for name in ("x/1.npy", "y/2.npy"):
        (tmp_path / name).parent.mkdir()
        np.save(tmp_path / name, np.full((3, 2), int(name[2])))
    source = source_of(tmp_path, SEQUENCES)
    assert [source[index].target for index in range(2)] == ["x", "y"]
    assert values(source, 1) == [[2, 2]] * 3
    (tmp_path / "metadata.csv").write_text("file_name,label\ny/2.npy,z\n")
    described = source_of(tmp_path, SEQUENCES)
    assert (described[0].target, values(described)) == ("z", [[2, 2]] * 3)


def test_a_file_is_read_by_region(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).standard_normal((50, 3))
    np.save(tmp_path / "a.npy", whole)
    np.save(tmp_path / "b.npy", np.asfortranarray(whole))
    for name in ("a.npy", "b.npy"):
        field = Features(tmp_path / name)
        assert field.shape == (50, 3)
        np.testing.assert_array_equal(field.read(10, 20), whole[10:20].astype(np.float32))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (np.array(["a"]), "numbers"),
        (np.zeros((2, 2, 2)), "shape"),
        (np.array([1.0, np.nan]), "missing"),
        (np.array([1e300]), "too large"),
        (np.array([1j]), "numbers"),
    ],
)
def test_what_is_no_numbers(content: np.ndarray, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, content)
    with pytest.raises(DataError, match=rf"x\.npy.*{problem}"):
        Features(path).read(0, 1 + Features(path).shape[0])


def test_pickled_objects_and_damage_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy"):
        _ = Features(path).shape
    np.save(path, np.zeros(1000))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"x\.npy"):
        _ = Features(path).shape
    with pytest.raises(DataError, match="lists of the same length"):
        Features([[1.0], [2.0, 3.0]])


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 60),
    steps=st.integers(1, 20),
    least=st.integers(1, 20),
    overlap=st.integers(0, 19),
)
def test_windows_own_each_step_once(length: int, steps: int, least: int, overlap: int) -> None:
    least, overlap = min(least, steps), min(overlap, steps - 1)
    sequence = np.arange(2 * length, dtype=np.float32).reshape(length, 2)
    cutter = FeatureWindows(width=2, steps=steps, least=least, overlap=overlap)
    owned: list[int] = []
    found = list(cutter.stream(Features(sequence)))
    for region, core, read, last in found:
        np.testing.assert_array_equal(read[: region.size], sequence[region.start : region.stop])
        assert not read[region.size :].any()
        assert least <= len(read) <= steps
        owned += range(core.start, core.stop)
        assert last == (core.stop == length)
    assert owned == list(range(length))


def test_numbers_that_do_not_fit_the_model() -> None:
    vectors = FeatureWindows(width=3)
    with pytest.raises(DataError, match=r"\(4,\).*\(3,\)"):
        list(vectors.stream(Features([1, 2, 3, 4])))
    sequences = FeatureWindows(width=3, steps=10)
    with pytest.raises(DataError, match=r"\(2, 4\).*\(steps, 3\)"):
        list(sequences.stream(Features([[1, 2, 3, 4]] * 2)))
    with pytest.raises(DataError, match="empty"):
        list(sequences.stream(Features(np.zeros((0, 3)))))
    named = FeatureWindows(width=2, names=("a", "b"))
    with pytest.raises(DataError, match="lacks the columns b"):
        list(named.stream(Features([1, 2], names=("a", "c"))))
    ((_, _, read, _),) = named.stream(Features([1, 2, 3], names=("b", "c", "a")))
    assert read.tolist() == [3, 1]


def test_a_sequence_does_not_depend_on_what_it_is_batched_with() -> None:
    network = conv_network()
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((int(n), 4)) for n in rng.integers(1, 70, 24)]
    model = anysize.Model(
        network,
        bundle.Card(
            task=SEQUENCES, labels=("a", "b", "c"), model="conv1d", settings=network.settings
        ),
    )
    options = anysize.PredictOptions(runtime="torch", precision="float32", memory="6GiB")
    together = list(model.predict(sequences, options))
    for index in (0, 7, 23):
        (alone,) = model.predict([sequences[index]], options)
        assert isinstance(alone, anysize.Result)
        result = together[index]
        assert isinstance(result, anysize.Result)
        assert alone.score == pytest.approx(result.score, abs=1e-6)
        assert alone.receipt == result.receipt
        assert alone.receipt.extent == len(sequences[index])


def test_gradients_do_not_depend_on_what_a_sequence_is_batched_with() -> None:
    network = conv_network()
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((n, 4)).astype(np.float32) for n in (5, 9, 5, 30)]
    examples = [
        Example(ordinal=0, window=None, arrays={"features": each}, cost=1)  # type: ignore[arg-type]
        for each in arrays
    ]
    execution = make_execution(network)

    def gradient(batches: list[list[Example]]) -> torch.Tensor:
        network.module.zero_grad()
        for batch in batches:
            logits = execution(batch)["logits"]
            logits.logsumexp(1).sum().backward()
        weights = [item.grad for item in network.module.parameters() if item.grad is not None]
        return torch.cat([weight.flatten() for weight in weights])

    together, apart = gradient([examples]), gradient([[each] for each in examples])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
    # The order of the outputs is that of the examples.
    logits = execution(examples)["logits"]
    for place, example in enumerate(examples):
        torch.testing.assert_close(logits[place], execution([example])["logits"][0])


def test_the_statistics_of_the_data_become_the_first_layer(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal([5, -100, 0], [1, 30, 0], (40, 3))
    path = tmp_path / "t.csv"
    lines = [",".join([*map(repr, row.tolist()), "xy"[i % 2]]) for i, row in enumerate(table)]
    path.write_text("a,b,c,label\n" + "\n".join(lines) + "\n")
    task, source = tasks.load(VECTORS), source_of(path)
    request = BuildRequest(task=VECTORS, labels=("x", "y"), facts=FeatureFacts(shape=(3,)))
    network = spec.build("dense", request)
    task.begin(network, source, ("x", "y"))
    assert network.settings.names == ("a", "b", "c")
    layer = network.module.body.layers.scaled  # type: ignore[union-attr]
    np.testing.assert_allclose(layer.mean, table.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.variance[:2], table.var(axis=0)[:2], rtol=1e-4)
    assert layer.variance[2] == 1.0  # never divided by zero


def test_statistics_of_a_dataset(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,label\n1,10,x\n3,20,y\n1,10,x\n2,oops,x\n")
    from anysize import api

    found = api.statistics(path, task=VECTORS, columns={"features": "a+b"}).to_json()
    assert (found["records"], found["unreadable"]) == (4, 0)
    assert [(line["name"], line["role"]) for line in found["columns"]] == [
        ("a", "features"), ("b", "features"), ("label", "label"),
    ]  # fmt: skip
    assert found["duplicates"]["copies"] == 1
    assert found["numbers"]["b"] == pytest.approx(
        {"low": 10, "high": 20, "mean": 40 / 3, "deviation": np.std([10, 20, 10])}
    )


def test_faults_of_settings_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        FeatureSettings(width=0, steps=5, least=9, overlap=5)
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigurationError, match="time-series-classification"):
        tasks.load(VECTORS).preprocess(conv_network())
