"""``anysize enroll``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import check_not_inside, check_out_folder, document, say
from anysize.core.plurals import number_of


def command(
    bundle: Annotated[
        str,
        typer.Argument(help="A bundle that embeds: faces or voices."),
    ],
    data: Annotated[
        str | None,
        typer.Argument(help="The people to add: a folder for each, or a table with identities."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the gallery; made if need be.")] = Path(
        "gallery"
    ),
    remove: Annotated[
        list[str] | None, typer.Option(help="Delete this person; may be given several times.")
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            help="Other people, to calibrate the thresholds on. "
            "Default: everybody in the gallery is a stranger to the others."
        ),
    ] = None,
    far: Annotated[
        float, typer.Option(help="False-accept rate: the share of strangers that may get a name.")
    ] = 0.01,
    columns: options.Columns = None,
    memory: options.Memory = None,
    as_json: options.Json = False,
) -> None:
    """Add people to a gallery, or delete some; thresholds are calibrated anew."""
    from anysize import api
    from anysize.core.errors import ConfigurationError
    from anysize.recognition.scores import check_rate
    from anysize.sources.inputs import check_paths

    check_rate("--far", far)
    check_paths([path for path in (data, calibrate) if path is not None])
    check_not_inside(out, [path for path in (data, calibrate) if path is not None])
    check_out_folder(out)
    if data is None and not remove:
        raise ConfigurationError("nothing to do: name a folder of people, or --remove NAME")
    settings = api.PredictOptions(memory=memory, columns=options.pairs(columns, "--columns"))
    enrolment = api.load(bundle, memory=settings.budget).enroll(
        out, data, settings, remove=remove or (), calibrate=calibrate, false_accept_rate=far
    )
    for line in enrolment.notes:
        say(line)
    people, samples = len(enrolment.gallery.people), len(enrolment.gallery.vectors)
    say(
        f"{out}: {number_of(people, 'person', 'people')}, {number_of(samples, 'sample')}, "
        f"revision {enrolment.gallery.revision} "
        f"({len(enrolment.added)} added or grown, {len(enrolment.removed)} deleted)"
    )
    if as_json:
        document(enrolment.to_json() | {"out": str(out)})
