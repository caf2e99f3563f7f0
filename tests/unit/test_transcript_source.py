"""Recordings with transcripts keep the contract of a source."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from tests.recordings import chirp, write

from anysize import tasks
from anysize.core.records import Source
from anysize.sources import open_source
from anysize.sources.hashes import id_hashes
from anysize.sources.labels.targets import targets


def opened(path: Path) -> Source:
    return open_source(path, roles=tasks.load("automatic-speech-recognition").columns)


def test_recordings_with_transcripts_are_a_source(tmp_path: Path) -> None:
    for place in range(2):
        write(tmp_path / f"1-2-000{place}.flac", chirp(0.1, seed=place))
    path = tmp_path / "1-2.trans.txt"
    path.write_text("1-2-0000 ONE\n1-2-0001 TWO\n")
    source = opened(tmp_path)
    assert list(targets(source)) == ["ONE", "TWO"]
    again = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert [again[place].target for place in range(2)] == ["ONE", "TWO"]
    assert [again[place].id for place in range(2)] == ["1-2-0000.flac", "1-2-0001.flac"]
    assert len(set(id_hashes(source, 0, 2).tolist())) == 2
    with pytest.raises(IndexError):
        source[2]
    before = source.fingerprint()
    assert opened(tmp_path).fingerprint() == before
    path.write_text(path.read_text().replace("TWO", "TOO"))
    assert opened(tmp_path).fingerprint() != before
