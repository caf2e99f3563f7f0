"""How a command ends: one sentence and an exit code for whatever ended it, and safe streams."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
from pathlib import Path
from types import FrameType

from anysize.core.errors import AnysizeError, ConfigurationError
from anysize.core.files import ESCAPED

INTERRUPTED = 130
"""The exit code of Ctrl-C."""

GONE = "the working directory does not exist any more: change to another folder"

VERBS = {
    "--tolerant": ("predict", "evaluate", "augment"),
    "--pages": ("predict", "evaluate", "augment"),
    "--model-options": ("train", "plan"),
    "--validation": ("train", "plan"),
    "--test": ("train", "plan"),
}
"""Options that messages advise wherever they come from, and the verbs that have them."""

_STREAMS = (0, 1, 2)
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_NAME = re.compile(r"[a-z_]+")
_BEGINNING = re.compile(r"^(?:[a-z_]+ and )?[a-z_]+")
received: list[int] = []


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM, SIGHUP); like Ctrl-C, so that all is cleaned up."""

    def __init__(self, number: int) -> None:
        self.signal = number
        super().__init__(number)


class Reported(Exception):  # noqa: N818 - what it reports was an error
    """An error whose JSON document has been written already.

    Attributes:
        message: the sentence.
        code: the exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        self.message = message
        self.code = code
        super().__init__(message)


def ending(error: BaseException) -> tuple[str, int] | None:
    """The sentence and the exit code for an error; None for a fault of the program."""
    if isinstance(error, Reported):
        return error.message, error.code
    if isinstance(error, ConfigurationError):
        return "\n".join(_placed(_as_given(each)) for each in error.problems), error.exit_code
    if isinstance(error, AnysizeError):
        return _placed(str(error)), error.exit_code
    if isinstance(error, Terminated):
        return f"stopped by {signal.Signals(error.signal).name}", 128 + error.signal
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return "interrupted", INTERRUPTED
    if isinstance(error, OSError):
        return _of_the_system(error), 1
    # The parser's own errors. Typer carries its copy of click or uses the installed one, so they
    # are known by what they can do.
    message, status = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    return (message(), status) if callable(message) and isinstance(status, int) else None


def _as_given(problem: str) -> str:
    """With the options that a sentence begins with called as they were given: ``--near``."""
    given = [word.partition("=")[0] for word in sys.argv[1:] if word.startswith("--")]
    flags = {flag[2:].replace("-", "_"): flag for flag in given}
    return _BEGINNING.sub(
        lambda names: _NAME.sub(lambda name: flags.get(name[0], name[0]), names[0]), problem, 1
    )


def which_have(flag: str) -> str | None:
    """The verbs that have an option which messages advise: ``train and plan have --test``."""
    if flag not in VERBS:
        return None
    *others, last = VERBS[flag]
    return f"{', '.join(others)} and {last} have {flag}"


def _placed(message: str) -> str:
    """With the verbs that have what a message advises, where the one that was given lacks it."""
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    advised = dict.fromkeys(flag for flag in _FLAG.findall(message) if flag in VERBS)
    where = [which_have(flag) for flag in advised if verb not in VERBS[flag]]
    refused = "has no option" in message  # says so itself
    return message if refused or not where else f"{message} ({'; '.join(map(str, where))})"


def _of_the_system(error: OSError) -> str:
    """A folder that is read-only, a disk that is full: no fault of the program."""
    words = error.strerror or str(error)
    if error.filename is not None:
        name = error.filename
        return f"{os.fsdecode(name) if isinstance(name, bytes) else name}: {words}"
    return GONE if _is_nowhere() else words


def refuse_nowhere() -> None:
    """Refuses to work in a folder that was deleted: numerical libraries end the process there.

    Raises:
        ConfigurationError: it is so.
    """
    if _is_nowhere():
        raise ConfigurationError(GONE)


def _is_nowhere() -> bool:
    try:
        Path.cwd()
    except OSError:
        return True
    return False


def prepare_streams() -> None:
    """Makes standard streams take whatever is written.

    One that is closed is opened on nothing, or else the next file that is opened would be it.
    Characters that the encoding does not have, in file names above all, are escaped as in JSON.
    """
    for number in _STREAMS:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ESCAPED)


def end_on_signals() -> None:
    """From here on SIGTERM and SIGHUP raise `Terminated`, unless they are ignored (``nohup``)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> None:
    received.append(number)
    raise Terminated(number)


def interruption() -> KeyboardInterrupt:
    """What ended a command that a signal has ended."""
    return Terminated(received[0]) if received else KeyboardInterrupt()


def reader_is_gone() -> bool:
    """Whether whoever read standard output has closed it (``| head``)."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


def flush_output() -> None:
    """Puts out what is still held of standard output.

    Raises:
        OSError: it cannot be written.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def drop_output() -> None:
    """Forgets standard output, so that the interpreter does not fail on it in the end."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
