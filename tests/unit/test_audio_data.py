"""Recordings as data: folders, tables, cells and memory; what is counted over them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.recordings import RATE, chirp, write

from anysize import modalities, summaries, tasks
from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.pipeline import examples_of
from anysize.core.records import Record
from anysize.evaluation.audio_statistics import AudioStatistics
from anysize.evaluation.rendering import render
from anysize.mergers.coverage import Coverage
from anysize.modalities.sounds.settings import AudioSettings
from anysize.readers.audio.sound import Sound
from anysize.sources import open_source
from anysize.tasks.audio_classification import AudioPreprocess
from anysize.tasks.inputs import open_inputs, task_of

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

TASK = tasks.load("audio-classification")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings in folders of their classes."""
    for place, label in enumerate(("cat", "dog", "dog")):
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        write(tmp_path / "data" / label / f"{place}.wav", chirp(0.2 + place / 10, seed=place))
    return tmp_path / "data"


def samples(record: Record) -> int:
    return sum(map(len, record.audio("audio").blocks()))


def test_folders_of_classes(folder: Path) -> None:
    source = open_source(folder, roles=TASK.columns, findings=Findings())
    assert [source[place].target for place in range(3)] == ["cat", "dog", "dog"]
    assert [samples(source[place]) for place in range(3)] == [3200, 4800, 6400]


@pytest.mark.parametrize("column", ["audio", "path", "file_name", "recording"])
def test_tables_that_name_files(column: str, folder: Path) -> None:
    (folder / "table.csv").write_text(f"{column},label\ncat/0.wav,a\ndog/1.wav,b\n")
    source = open_source(folder / "table.csv", roles=TASK.columns, findings=Findings())
    assert [source[place].target for place in range(2)] == ["a", "b"]
    assert samples(source[1]) == 4800
    if column != "file_name":  # which a table of texts may have as well
        assert task_of(folder / "table.csv", None).name == "audio-classification"


def test_cells_that_hold_recordings(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    content = (folder / "cat" / "0.wav").read_bytes()
    cells = [{"bytes": content, "path": "0.wav"}, {"bytes": b"none", "path": "1.wav"}]
    table = pa.table({"audio": cells, "label": ["a", "b"]})
    parquet.write_table(table, folder / "t.parquet")
    source = open_source(folder / "t.parquet", roles=TASK.columns, findings=Findings())
    assert samples(source[0]) == 3200
    with pytest.raises(DataError, match=r"column 'audio'.*convert it to WAV or FLAC"):
        samples(source[1])


def test_what_is_given_in_memory(folder: Path) -> None:
    pair = (chirp(0.5), RATE)
    rows = [{"audio": {"array": chirp(0.25), "sampling_rate": RATE}, "label": "a"}]
    content = (folder / "cat" / "0.wav").read_bytes()
    for given, wanted in (
        (pair, [8000]), ([pair, pair], [8000, 8000]), (rows, [4000]), (content, [3200]),
        ([folder / "cat" / "0.wav", pair], [3200, 8000]), (str(folder), [3200, 4800, 6400]),
    ):  # fmt: skip
        source = open_inputs(given, task=TASK, columns={})
        assert [samples(source[place]) for place in range(len(source))] == wanted


def test_the_task_of_data_is_found(folder: Path) -> None:
    assert task_of(folder, None).name == "audio-classification"


def examples(field: Sound, **settings: Any) -> list[Any]:
    preprocess = AudioPreprocess(AudioSettings(**settings))
    record = Record(id="r", fields={"audio": field})
    return list(examples_of(0, record, preprocess, strict=True))


def test_the_receipt_counts_every_sample_and_says_what_was_found(tmp_path: Path) -> None:
    both = np.stack([chirp(2.05, 44_100)] * 2, 1)
    found = examples(Sound(write(tmp_path / "a.flac", both, 44_100)), window=RATE, overlap=1600)
    coverage = Coverage("samples")
    for example in found:
        coverage.add(example.window)
        assert example.cost == 160 * len(example.arrays["frames"])
    receipt = coverage.receipt("mean", "approximate").with_facts(found[-1].facts)
    assert (receipt.extent, receipt.covered, receipt.windows) == (32_800, 1.0, 3)
    assert receipt.counts == {"milliseconds": 2050, "sample_rate": 44_100, "channels": 2}
    assert receipt.notes == ("its 2 channels were mixed to one, their mean",)


def test_samples_that_are_missing_are_not_covered(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp(2.0, 8000), 8000)
    path.write_bytes(path.read_bytes()[: -8000 * 2])
    (example,) = examples(Sound(path))
    coverage = Coverage("samples")
    coverage.add(example.window)
    receipt = coverage.receipt("mean", "approximate").with_facts(example.facts)
    assert (receipt.extent, receipt.dropped, receipt.covered) == (32_000, 16_000, 0.5)
    assert receipt.reason == "the file claims samples that it does not give"
    assert receipt.fidelity == "approximate"


def test_what_is_counted_over_recordings(folder: Path) -> None:
    (folder / "dog" / "copy.wav").write_bytes((folder / "cat" / "0.wav").read_bytes())
    write(folder / "dog" / "silent.flac", np.zeros((8000, 2)), 8000)
    (folder / "dog" / "broken.wav").write_bytes(b"RIFF")
    findings = Findings()
    source = open_source(folder, roles=TASK.columns, findings=findings)
    found = summaries.statistics("audio", source, role="audio", preprocess=None, findings=findings)
    assert isinstance(found, AudioStatistics)
    assert (found.records, found.unreadable, found.noted) == (6, 1, 1)
    assert found.rates == {RATE: 4, 8000: 1}
    assert found.channels == {1: 4, 2: 1}
    assert found.formats == {"WAV PCM_16": 4, "FLAC PCM_16": 1}
    assert (found.duplicates.copies, found.duplicates.conflicting) == (1, 1)
    assert found.milliseconds.largest == 1000
    said = {finding.code: finding for finding in findings}
    assert "silent.flac: is silent" in said["recording-odd"].examples[0]
    assert "16,000 Hz (4), 8,000 Hz (1)" in said["recording-rates"].message
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(found))
    shown = console.export_text()
    assert "rates: 16,000 Hz (4), 8,000 Hz (1)" in shown
    assert found.to_json()["sample_rates"] == {"16000": 4, "8000": 1}


def test_reports_show_length_and_format(folder: Path) -> None:
    field = Sound(folder / "dog" / "1.wav")
    modality = modalities.of_field(field)
    assert modality is not None and modality.key == "audio"
    assert modality.excerpt(field, {}).text == "0.30 seconds, 16,000 Hz, 1 channel, WAV PCM_16"
    assert modality.estimated_cost(field) == pytest.approx(4800)
    one, other = (b"".join(modality.content(field)) for _ in range(2))
    assert one == other


def test_a_text_beside_recordings_does_not_make_them_texts(tmp_path: Path) -> None:
    for label in ("low", "high"):
        (tmp_path / label).mkdir()
        for number in range(2):
            write(tmp_path / label / f"{number}.wav", chirp(0.1))
    (tmp_path / "low" / "readme.txt").write_text("what is here")
    assert task_of(tmp_path, None).name == "audio-classification"
