"""The ``anysize`` command: one verb a file; errors become one clear line and an exit code."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from anysize.cli import (
    augment,
    compress,
    demo,
    enroll,
    evaluate,
    export,
    inspect,
    listing,
    plan,
    predict,
    train,
    verify,
)
from anysize.cli.output import out, say, show_passes, show_warnings
from anysize.core.errors import AnysizeError

app = typer.Typer(
    name="anysize",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    # Plain help: drawing it with rich would double the time that --help takes.
    rich_markup_mode=None,
    help="Train, evaluate and run deep-learning models on inputs of any size, "
    "inside a memory budget that you state.",
)
app.command("demo")(demo.command)
app.command("train")(train.command)
app.command("predict")(predict.command)
app.command("evaluate")(evaluate.command)
app.command("enroll")(enroll.command)
app.command("verify")(verify.command)
app.command("compress")(compress.command)
app.command("export")(export.command)
app.command("inspect")(inspect.command)
app.command("plan")(plan.command)
app.command("augment")(augment.command)
app.command("list")(listing.command)


def _version(wanted: bool) -> None:
    if wanted:
        from anysize import __version__

        out(__version__)
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Options of the command itself."""


def run() -> None:
    """The console script: 0 done, 2 usage or bad input, 1 failure, 130 interrupted."""
    try:
        code = _called()
    except AnysizeError as error:
        _fail(str(error), error.exit_code)
    except typer.Abort:
        _fail("interrupted", 130)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output went away (``| head``): nothing is wrong on this side.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A folder that is read-only, a disk that is full: no fault of the program.
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror or error}", 1)
    except Exception as error:
        # The parser's own errors. Typer carries its copy of click or uses the installed one, so
        # they are known by what they can do.
        show, status = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show is None or not isinstance(status, int):
            raise
        show()
        sys.exit(status)
    sys.exit(code if isinstance(code, int) else 0)


def _called() -> object:
    passes = show_passes()
    show_warnings()
    try:
        return app(standalone_mode=False)
    finally:
        passes.flush()


def _fail(message: str, code: int) -> None:
    for line in message.splitlines() or [""]:
        say(f"anysize: {line}")
    if "--json" in sys.argv:
        out(json.dumps({"error": message, "exit_code": code}, ensure_ascii=False))
    sys.exit(code)
