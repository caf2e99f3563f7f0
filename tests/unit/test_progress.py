"""Long passes over data tell how far they are, and short ones nothing."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anysize.core import progress
from anysize.core.progress import Pass, Progress, counted, note, silenced
from anysize.core.progress_display import ProgressHandler, say
from anysize.core.progress_display import shown as shown_meanwhile
from anysize.sources import ColumnSpec, open_source, target_counts

TEXT = ColumnSpec(role="text", kind="text", names=("text",))
IMAGE = ColumnSpec(role="image", kind="image", names=("image",))
LABEL = ColumnSpec(role="label", kind="target", names=("label",), required=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock on."""
    now = [100.0]

    def forward(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return forward


@pytest.fixture
def told() -> Iterator[list[logging.LogRecord]]:
    """What is logged, as it comes."""
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, keeper = logging.getLogger(progress.NAME), Keeper()
    before = logger.level
    logger.addHandler(keeper)
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(keeper)
    logger.setLevel(before)


def test_rate_and_time_left(clock: Callable[[float], None], told: list[logging.LogRecord]) -> None:
    going = Progress("indexing a.csv", 3_000_000_000, "bytes")
    clock(1.9)
    going.at(500_000_000)
    assert told == []
    clock(8.1)
    going.at(1_000_000_000)
    clock(0.1)
    going.at(1_100_000_000)
    clock(19.9)
    going.end(3_000_000_000)
    assert [record.getMessage() for record in told] == [
        "indexing a.csv: 33% of 3 GB, 100 MB/s, 0:20 left",
        "indexing a.csv: 3 GB in 0:30",
    ]


def test_a_short_pass_tells_nothing(told: list[logging.LogRecord]) -> None:
    assert list(counted("abc", "reading", 3)) == ["a", "b", "c"]
    assert told == []


def test_an_unknown_total(clock: Callable[[float], None], told: list[logging.LogRecord]) -> None:
    going = Progress("listing", 0, "files")
    clock(4)
    going.at(1200)
    assert told[0].getMessage() == "listing: 1,200 files, 300 files/s"


def csv(folder: Path) -> Path:
    path = folder / "a.csv"
    path.write_text("text,label\n" + "x,1\n" * 300_000)
    return path


def parquet(folder: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"text": ["a", "b", "c"]}), folder / "a.parquet")
    return folder / "a.parquet"


def archive(folder: Path) -> Path:
    with tarfile.open(folder / "a.tar", "w") as file:
        for number in range(3):
            file.addfile(tarfile.TarInfo(f"{number}.png"), io.BytesIO())
    return folder / "a.tar"


@pytest.mark.parametrize(
    ("write", "words"),
    [(csv, "indexing"), (parquet, "unpacking"), (archive, "indexing")],
    ids=["csv", "parquet", "tar"],
)
def test_what_is_built_once_tells_how_far_it_is(
    write: Callable[[Path], Path],
    words: str,
    tmp_path: Path,
    told: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    path = write(tmp_path)
    column = IMAGE if path.suffix == ".tar" else TEXT
    open_source(path, roles=[column], cache=tmp_path / "cache")
    messages = [record.getMessage() for record in told]
    assert len(messages) >= 2
    assert all(message.startswith(f"{words} {path}, once: ") for message in messages)
    assert "% of" in messages[0]
    told.clear()
    open_source(path, roles=[column], cache=tmp_path / "cache")
    assert told == []


def test_counting_targets_tells_how_far_it_is(
    tmp_path: Path, told: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    (tmp_path / "a.csv").write_text("text,label\nx,1\ny,2\n")
    source = open_source(tmp_path / "a.csv", roles=[TEXT, LABEL])
    assert target_counts(source) == {"1": 1, "2": 1}
    start = f"reading the targets of {source.name}: 50% of 2 records"
    assert told[0].getMessage().startswith(start)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(
    stream: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    seconds: list[float],
    part: float | None = None,
) -> str:
    """What is written of a pass whose lines come at these seconds, the last one its end."""
    monkeypatch.setattr(sys, "stderr", stream)
    handler, work = ProgressHandler(), Pass()
    for place, at in enumerate(seconds):
        record = logging.makeLogRecord({
            "msg": f"line {place}", "created": at, "of": work, "part": part,
            "ended": place == len(seconds) - 1,
        })  # fmt: skip
        handler.handle(record)
    return stream.getvalue()


def test_a_terminal_shows_one_line_and_a_file_one_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [2.0, 2.5, 11.9, 12.0, 12.5]
    on_terminal = shown(Terminal(), monkeypatch, seconds)
    assert on_terminal.count("\r") == 5
    assert on_terminal.endswith("line 4\x1b[K\n")
    assert on_terminal.count("\n") == 1
    in_file = shown(io.StringIO(), monkeypatch, seconds)
    assert in_file == "line 0\nline 3\nline 4\n"
    with_bar = shown(Terminal(), monkeypatch, [2.0, 2.5], part=0.25)
    assert with_bar == f"\r[{'#' * 6}{' ' * 18}] line 0\x1b[K\rline 1\x1b[K\n"


def test_what_follows_a_line_that_is_open_begins_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    handler = ProgressHandler()
    work = Pass()
    entries = {"msg": "half done", "created": 1.0, "of": work, "part": None, "ended": False}
    handler.handle(logging.makeLogRecord(entries))
    for _ in range(2):
        handler.flush()
    assert stream.getvalue() == "\rhalf done\x1b[K\n"


def test_work_that_nobody_listens_to_is_shown_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logger = logging.getLogger(progress.NAME)
    assert not logger.handlers
    with shown_meanwhile():
        work = Pass(first=0.0)
        work.report(0.5, "half of it")
        note("something else")
        with silenced(True):
            note("nobody hears this")
            Pass(first=0.0).report(0.5, "nor this")
        say("a line of its own")
        with shown_meanwhile():  # once is enough
            note("again")
    note("nobody listens any more")
    assert stream.getvalue() == "half of it\nsomething else\na line of its own\nagain\n"
    assert not logger.handlers and logger.propagate


def test_commands_show_long_passes(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,1\ny,2\n")
    program = (
        "import sys\n"
        "from anysize.core import progress\n"
        "from anysize.cli.main import run\n"
        "progress.FIRST_SECONDS = 0\n"
        "sys.argv = ['anysize', 'inspect', 'a.csv', '--json']\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    # Other passes may follow, such as one over the columns.
    lines = [line for line in done.stderr.splitlines() if line.startswith("reading a.csv")]
    *_, first, last = lines
    assert first.startswith("reading a.csv: 50% of 2 records")
    assert last.startswith("reading a.csv: 2 records in ")
    assert json.loads(done.stdout)["records"] == 2
