"""The ``anysize`` command: one verb a file; errors become one clear line and an exit code."""

from __future__ import annotations

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
from anysize.cli.bundle_command import BundleCommand
from anysize.cli.ending import (
    INTERRUPTED,
    Reported,
    drop_output,
    end_on_signals,
    ending,
    flush_output,
    interruption,
    prepare_streams,
    reader_is_gone,
    refuse_nowhere,
)
from anysize.cli.flags import Command
from anysize.cli.output import document, out, say, show_warnings
from anysize.cli.task_command import TaskCommand
from anysize.core import progress_display

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
app.command("demo", cls=Command)(demo.command)
app.command("train", cls=TaskCommand)(train.command)
app.command("predict", cls=BundleCommand)(predict.command)
app.command("evaluate", cls=BundleCommand)(evaluate.command)
app.command("enroll", cls=Command)(enroll.command)
app.command("verify", cls=Command)(verify.command)
app.command("compress", cls=Command)(compress.command)
app.command("export", cls=Command)(export.command)
app.command("inspect", cls=Command)(inspect.command)
app.command("plan", cls=TaskCommand)(plan.command)
app.command("augment", cls=Command)(augment.command)
app.command("list", cls=Command)(listing.command)


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
    refuse_nowhere()


def run() -> None:
    """The console script: 0 done, 2 usage or bad input, 1 failure, 128 and more for signals."""
    prepare_streams()
    end_on_signals()
    try:
        code = _called()
        if code == INTERRUPTED:  # Typer makes a code of the signal's exception
            raise interruption()
        flush_output()
    except BaseException as error:
        if isinstance(error, BrokenPipeError) and reader_is_gone():
            drop_output()
            sys.exit(0)  # nothing is wrong on this side
        found = ending(error)
        if found is None:
            raise
        _fail(error, *found)
    sys.exit(code if isinstance(code, int) else 0)


def _called() -> object:
    progress = progress_display.show()
    show_warnings()
    try:
        return app(standalone_mode=False)
    finally:
        progress.flush()


def _fail(error: BaseException, message: str, code: int) -> None:
    show = getattr(error, "show", None)
    if callable(show):
        show()  # the parser shows the usage as well
    else:
        for line in message.splitlines() or [""]:
            say(f"anysize: {line}")
    try:
        if "--json" in sys.argv and not isinstance(error, Reported):
            document({"error": message, "exit_code": code})
        flush_output()
    except OSError:
        drop_output()
    sys.exit(code)
