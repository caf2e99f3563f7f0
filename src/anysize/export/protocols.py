"""What an exporter must do, and the checks that all of them share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from anysize.core.errors import ConfigurationError
from anysize.core.files import disk_errors, move_in, scratch

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network


class Exporter(Protocol):
    """A plug-in module of ``anysize.export``.

    It may have a function ``facts(path: Path) -> dict[str, str]``: what the written file says of
    itself that its user wants to know (``opset``, ``max_difference``).
    """

    def export(
        self,
        network: Network,
        card: Card,
        out: Path,
        *,
        source: Path | None,
        options: Mapping[str, str],
    ) -> Path:
        """Writes a network in the module's format, beside first and then moved in.

        Args:
            network: loaded.
            card: of its bundle.
            out: a folder, or the file itself where its suffix is the format's.
            source: the bundle; None where the network has no folder.
            options: of the format, as texts.

        Returns:
            The file or folder that other programs open.

        Raises:
            ConfigurationError: the network or an option does not fit the format.
            MissingExtraError: a library is not installed.
            RunError: what was written does not give what the network gives.
        """
        ...


_OF_A_MODEL = ("anysize.json", "recipe.toml", "model.safetensors")


def check_options(key: str, given: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuses options that a format does not have.

    Raises:
        ConfigurationError: naming all of them.
    """
    problems = [
        f"format {key!r} has no option {name!r}; it has: {', '.join(known) or 'none'}"
        for name in given
        if name not in known
    ]
    if problems:
        raise ConfigurationError(problems)


def target(out: Path, suffix: str, source: Path | None) -> Path:
    """The file that ``out`` means: itself, or ``model`` with the suffix in the folder.

    Args:
        out: where the user wants it.
        suffix: of the format.
        source: the bundle that is exported.

    Raises:
        ConfigurationError: the folder is that of another model or run.
    """
    main = out if out.suffix == suffix else out / f"model{suffix}"
    held = next((name for name in _OF_A_MODEL if (main.parent / name).exists()), None)
    own = source is not None and main.parent.absolute() == source.absolute()
    if held is not None and not own:
        raise ConfigurationError(
            f"out: {main.parent} holds {held}, so that it is the folder of another model or run, "
            "whose files would be mixed with these; name a folder of its own"
        )
    return main


@contextlib.contextmanager
def placing(main: Path) -> Iterator[Path]:
    """A folder to write into; when the block ends well, its files move beside ``main``.

    ``main`` goes last: where it is, all of it is there.
    """
    with scratch(main.parent, "export") as beside, disk_errors(main):
        yield beside
        move_in(beside, main.parent, last=main.name)
