"""``anysize augment``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anysize.cli import options
from anysize.cli.output import check_not_input, check_out_file, document, out, say
from anysize.core.errors import ConfigurationError
from anysize.core.plurals import number_of

if TYPE_CHECKING:
    from anysize.augmentation.sheet import Shown


def command(
    data: Annotated[
        list[str],
        typer.Argument(help="Folders, tables or files, or a pattern such as 'photos/*.png'."),
    ],
    sheet: Annotated[
        Path,
        typer.Option(
            "--out",
            help="PNG file that is written; of recordings also a folder with sounds and a page, of "
            "texts a file .tsv or .html.",
        ),
    ],
    augment: Annotated[
        str,
        typer.Option(
            help="Policy or list of steps (anysize list augmentations); auto is what training uses."
        ),
    ] = "auto",
    count: Annotated[int, typer.Option(help="Records shown, at most 100.")] = 6,
    draws: Annotated[int, typer.Option(help="Epochs shown of each, at most 50.")] = 6,
    size: Annotated[
        str | None,
        typer.Option(
            help="The model's input, a side or WIDTHxHEIGHT; 224, or for pictures with objects "
            "what detector-small chooses."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    pages: options.Pages = None,
    tolerant: options.Tolerant = False,
    columns: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 2 where there is a warning.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show pictures, recordings or texts as they are, and as they come in training."""
    from anysize import api
    from anysize.augmentation import Augmentation
    from anysize.readers.pages import pages_problems
    from anysize.sources.inputs import check_paths
    from anysize.sources.opening import all_matching

    check_paths(data)
    wanted, problems = _checked(sheet, count, draws, size)
    problems += [] if pages is None else [f"--{each}" for each in pages_problems(pages)]
    try:
        augmentation = augment if augment == "auto" else Augmentation(augment)
    except ConfigurationError as error:
        problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    check_out_file(sheet)
    check_not_input(sheet, all_matching(data))
    renamed = options.pairs(columns, "--columns")
    made = api.augment(
        data, sheet, augmentation, count=count, draws=draws, seed=seed, size=wanted,
        columns=renamed, encoding=encoding, pages=pages, tolerant=tolerant, strict=strict,
    )  # fmt: skip
    for failure in made.failures:
        say(f"anysize: not shown: {failure}")
    if as_json:
        document(_entries(made, sheet, seed, draws))
        return
    drawn = number_of(draws, "draw")
    last = f"{sheet}: {len(made.records)} {made.noun}, {drawn} each of {made.augment}"
    for line in (*made.lines(), last):
        out(line)


def _entries(made: Shown, sheet: Path, seed: int, draws: int) -> dict[str, Any]:
    """What is written instead of lines."""
    return {
        "sheet": str(sheet),
        "augment": made.augment,
        "seed": seed,
        "records": list(made.records),
        "draws": draws,
        **made.facts(),
        "rows": list(made.rows),
        "failures": list(made.failures),
        "findings": [each.to_json() for each in made.findings],
    }


def _checked(
    sheet: Path, count: int, draws: int, size: str | None
) -> tuple[tuple[int, int] | None, list[str]]:
    """The wanted size, and every fault of the options."""
    from anysize.augmentation.parameters import Rule, WrongValueError, converted

    problems = [
        f"{name} must be from 1 to {most}, not {value}"
        for name, value, most in (("--count", count, 100), ("--draws", draws, 50))
        if not 1 <= value <= most
    ]
    if sheet.suffix.lower() not in ("", ".png", ".tsv", ".html"):
        problems.append(
            f"--out must be a file that ends in .png (pictures, recordings), .tsv or .html "
            f"(texts), or a folder (recordings), not {str(sheet)!r}"
        )
    wanted: tuple[int, int] | None = None
    if size is None:
        return wanted, problems
    try:
        found = converted(size, Rule(about="", kind="size"))
        wanted = (found, found) if isinstance(found, int) else found
    except WrongValueError as error:
        problems.append(f"--size {error}")
    return wanted, problems
