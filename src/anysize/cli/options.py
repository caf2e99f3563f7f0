"""Options that several verbs share, and how their texts become values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anysize.core import option_values
from anysize.core.errors import ConfigurationError
from anysize.core.option_values import WrongValueError

Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, nothing else there.")
]
Memory = Annotated[
    str | None,
    typer.Option(
        help="Budget for the peak memory of all processes, such as 2GiB. "
        "Default: 70 % of what the machine has free."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(help="Columns of a table by role, such as text=review,label=stars."),
]
Encoding = Annotated[str, typer.Option(help="Encoding of text files, such as gb18030.")]
Task = Annotated[
    str | None, typer.Option(help="The task, if the model's configuration does not name it.")
]
Labels = Annotated[
    str | None,
    typer.Option(
        help="Names of the classes, for a file that has none: a file with a name a line, or names "
        "with commas."
    ),
]
Pixels = Annotated[
    str | None,
    typer.Option(
        help="Values of pixels that a picture model was trained on, where its file does not say: "
        "0-1, 0-255, -1-1, imagenet, caffe, or such as 'scale=0.0078125,mean=127.5' (docs: keras)."
    ),
]
Pages = Annotated[
    str | None,
    typer.Option(
        help="Pages or frames of a picture (TIFF, GIF, WebP, PNG, AVIF) that are read: all, first, "
        "or a number: so many, evenly spread."
    ),
]
Tolerant = Annotated[
    bool,
    typer.Option("--tolerant", help="Read damaged files as far as possible, and say so."),
]
Gallery = Annotated[
    Path | None, typer.Option(help="Gallery of the people who are known by name (enroll).")
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Lowest cosine that is accepted, instead of the gallery's own."),
]


def pairs(text: str | None, parameter: str) -> dict[str, str]:
    """``a=b,c=d`` as a dictionary.

    Raises:
        ConfigurationError: not of that form, or a key twice.
    """
    try:
        return option_values.pairs(text or "", "role=column")
    except WrongValueError as error:
        raise ConfigurationError(f"{parameter} {error}") from None


def labels(text: str | None) -> tuple[str, ...] | None:
    """The names of classes that ``--labels`` gives; None where it is not given."""
    if text is None:
        return None
    from anysize.models.wishes import read_labels

    return read_labels(text)


def choice(value: str | None, parameter: str, allowed: tuple[str, ...]) -> str | None:
    """The value, if it is one of those allowed.

    Raises:
        ConfigurationError: it is not.
    """
    if value is not None and value not in allowed:
        raise ConfigurationError(f"{parameter} must be one of {', '.join(allowed)}, not {value!r}")
    return value
