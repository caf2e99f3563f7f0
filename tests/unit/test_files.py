"""Writing: whole or not at all, under the user's umask, through links, into devices."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from anysize.cli.output import check_out_folder
from anysize.core import files, leftovers
from anysize.core.errors import ConfigurationError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def write() -> None:
        with files.replacing(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_modes_are_those_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "deep" / "a", "x")
        files.write_bytes(tmp_path / "private", b"x", private=True)
        with files.scratch(tmp_path, "test") as folder:
            (folder / "secret").touch(mode=0o600)
            files.move_in(folder, tmp_path)
    finally:
        os.umask(before)
    assert mode(tmp_path / "deep" / "a") == 0o640
    assert mode(tmp_path / "deep") == 0o750
    assert mode(tmp_path / "private") == 0o600
    assert mode(tmp_path / "secret") == 0o640


def test_links_are_followed_and_devices_written_into(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    files.write_text(link, "through")
    assert link.is_symlink() and target.read_text() == "through"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    files.write_text(pipe, "into")
    reader.join()
    assert read == ["into"] and files.is_special(pipe)
    with pytest.raises(OSError, match="No space") as caught:
        files.write_bytes(Path("/dev/full"), b"x" * 100_000)
    assert caught.value.filename == "/dev/full"


@pytest.mark.parametrize(
    "words",
    ["Error while serializing: I/O error: No space left on device (os error 28)",
     "Error writing bytes. Detail: [errno 28] No space left on device",
     "No space left on device"],
)  # fmt: skip
def test_errors_of_libraries_name_the_file(words: str) -> None:
    with pytest.raises(OSError, match="No space") as caught, files.disk_errors(Path("some/file")):
        raise RuntimeError(words)
    assert (caught.value.errno, caught.value.filename) == (28, "some/file")


def test_what_a_process_that_is_gone_has_left_is_removed(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from anysize.core.leftovers import own_name\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "(folder / own_name('test')).mkdir()\n"
        "(folder / own_name('part')).touch()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path])
    kept = [tmp_path / "user.txt", tmp_path / leftovers.own_name("part")]
    for path in kept:
        path.touch()
    assert len(list(tmp_path.iterdir())) == 4
    leftovers.remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
@pytest.mark.parametrize("name", ["/proc/x", "/proc/x/y.jsonl"])
def test_a_place_where_no_file_can_be_made_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"into /proc, .*choose another folder"):
        check_out_folder(Path(name))


def test_looking_whether_a_folder_takes_files_leaves_none(tmp_path: Path) -> None:
    check_out_folder(tmp_path / "new" / "run")
    assert not list(tmp_path.iterdir())


def test_standard_output_has_several_names(tmp_path: Path) -> None:
    found = [Path(each) for each in ("/dev/stdout", "/dev/fd/1", "/dev/../dev/stdout")]
    assert all(map(files.is_standard_output, found))
    others = [Path("/dev/null"), Path("/dev/stderr"), tmp_path / "stdout"]
    assert not any(map(files.is_standard_output, [*others, None]))
