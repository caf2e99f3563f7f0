"""Writing to the disk: the only place for it.

Everything is written beside its place and renamed, so that whatever happens (a kill, a full disk)
the old content or the new one is there, whole. Files get the modes that the user's umask gives
them, and errors of the disk name the file.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import AnysizeError
from anysize.core.leftovers import is_own_name, own_name, remove_leftovers

ESCAPED = "anysize-escaped"
"""Name of an error handler for encoding: what does not fit is escaped as in JSON."""

_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)
_STANDARD_OUTPUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_PROBE = 1 << 18
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True, private: bool = False) -> Iterator[BinaryIO]:
    """A file beside ``path`` that takes its place when the block ends well, and is else removed.

    Links are followed; a device or a named pipe is written into, never replaced. A file that is
    replaced keeps its mode. The folder is made.

    Args:
        path: of the file.
        durable: whether the content is on the disk when the block has ended.
        private: whether only the user may read it.

    Raises:
        OSError: it cannot be written; names ``path``.
    """
    with disk_errors(path):
        if is_special(path):
            with path.open("wb") as file:
                yield file
            return
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place.parent)
        beside = place.parent / own_name("part")
        try:
            with _created(beside, place, private=private) as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(place.parent)


def write_bytes(path: Path, content: bytes, *, durable: bool = True, private: bool = False) -> None:
    """Writes a whole file; see `replacing`."""
    with replacing(path, durable=durable, private=private) as file:
        file.write(content)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Writes a whole file in UTF-8; half a character (a lone surrogate) becomes a ``?``."""
    write_bytes(path, text.encode("utf-8", "replace"), durable=durable)


def write_json(path: Path, entries: Any, *, durable: bool = True, private: bool = False) -> None:
    """Writes a whole file of JSON."""
    content = (json.dumps(entries, indent=2, ensure_ascii=False) + "\n").encode("utf-8", ESCAPED)
    write_bytes(path, content, durable=durable, private=private)


@contextlib.contextmanager
def scratch(parent: Path | None, kind: str) -> Iterator[Path]:
    """A temporary folder, removed in the end.

    Args:
        parent: where; made where it is not there. None is the system's place for temporary files.
        kind: what it is for, in lower-case letters.

    Raises:
        OSError: it cannot be made.
    """
    hidden = parent is not None
    if parent is None:
        import tempfile  # slow to load

        parent = Path(tempfile.gettempdir())
    place = parent
    with disk_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place)
        folder = place / own_name(kind, hidden=hidden)
        folder.mkdir(mode=0o777 if hidden else 0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_in(folder: Path, target: Path, last: str = "") -> None:
    """Moves what was written in a folder (`scratch`) to its place, on the disk first.

    Args:
        folder: what is in it is moved; the files get the modes of the user's umask.
        target: where to; made where it is not there.
        last: the name that goes last: where it is, all the others are.
    """
    usual_modes(folder)
    for path in _files(folder):
        _sync(path)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir(), key=lambda item: (item.name == last, item.name)):
        path.replace(target / path.name)
    sync_folder(target)


def replace_folder(folder: Path, target: Path) -> None:
    """Renames a folder that was written beside ``target`` (in a `scratch`) to it.

    What ``target`` holds, a folder, is removed.
    """
    usual_modes(folder)
    for path in _files(folder):
        _sync(path)
    if target.is_dir():
        shutil.rmtree(target)
    folder.replace(target)
    sync_folder(target.parent)


def usual_modes(folder: Path) -> None:
    """Gives the files of a folder the modes that the umask gives new files; some libraries do not.

    The folder must have been made under that umask (`scratch`).
    """
    usual = stat.S_IMODE(folder.stat().st_mode) & 0o666
    for path in _files(folder):
        if stat.S_IMODE(path.stat().st_mode) != usual:
            path.chmod(usual)


def is_special(path: Path) -> bool:
    """Whether there is something that is neither a file nor a folder (a device, a named pipe)."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def is_standard_output(path: Path | None) -> bool:
    """Whether a name is one that the system has for standard output, wherever that leads."""
    return path is not None and os.path.abspath(path) in _STANDARD_OUTPUT  # noqa: PTH100


def free_space(place: int | Path) -> int:
    """Bytes that the user may still write to the disk of a folder or an opened file."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def refuses_files(folder: Path) -> str | None:
    """What the system says to a new file in a folder; None where it makes one.

    Modes do not tell: those of ``/proc`` allow it, and so do those of a disk that is read-only.
    """
    probe = folder / own_name("probe")
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by whatever names and links."""
    try:
        return path.samefile(other)
    except OSError:
        return os.path.realpath(path) == os.path.realpath(other)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Errors of the disk inside are ``OSError`` and name ``path``, whatever library met them."""
    try:
        yield
    except OSError as error:
        passing = error.filename is None or is_own_name(error.filename)
        if passing and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    except AnysizeError:
        raise
    except Exception as error:
        number = _system_error(error) or _refusal(path)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _system_error(error: Exception) -> int | None:
    """The system's number for what a library says in words of its own."""
    found = _SYSTEM_ERROR.search(str(error))
    if found is not None:
        return int(found[1] or found[2])
    return next((each for each in _OF_THE_DISK if os.strerror(each) in str(error)), None)


def _refusal(path: Path) -> int | None:
    """The system's number for what it says to a write beside ``path``; None where it allows one.

    Some libraries say no more than that something failed.
    """
    beside = path.absolute().parent / own_name("probe")
    try:
        with beside.open("wb") as file:
            file.write(bytes(_PROBE))
    except OSError as error:
        return error.errno
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return None


def _created(beside: Path, place: Path, *, private: bool) -> BinaryIO:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_CLOEXEC, 0o600 if private else 0o666)

    file: BinaryIO = open(beside, "x+b", opener=opener)  # noqa: SIM115 - the caller closes it
    if not private:
        with contextlib.suppress(OSError):
            os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
    return file


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What an encoding cannot hold, as JSON writes it in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    words = error.object[error.start : error.end]
    return json.dumps(words)[1:-1], error.end


codecs.register_error(ESCAPED, _escaped)
