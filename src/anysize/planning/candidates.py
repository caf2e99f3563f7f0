"""The runtimes that are possible for a network under its caller's wishes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from anysize.core import plugins
from anysize.core.errors import ConfigurationError, MissingExtraError
from anysize.models.network import Network
from anysize.planning.selection import Candidate


def candidates_for(
    network: Network, runtime: str, precision: str, folder: Path | None, *, many: bool = False
) -> list[Candidate]:
    """What the caller's wishes leave, the surest first.

    Args:
        network: what is run.
        runtime: the wish; ``auto`` leaves the choice open.
        precision: the same.
        folder: the bundle, where compiled forms are kept.
        many: whether there are so many windows that runtimes get streams.

    Raises:
        ConfigurationError: the bundle holds a compiled form of another kind.
        MissingExtraError: the runtime that it needs is not installed.
    """
    if getattr(network.module, "own_runtime", False):
        runtime, precision = "torch", "float32"
    found = []
    keys = ["torch", *(key for key in plugins.keys("runtimes") if key != "torch")]
    for key in keys if runtime == "auto" else [runtime]:
        module = plugins.load("runtimes", key)
        if runtime == "auto" and not getattr(module, "AUTOMATIC", True):
            continue
        possible: tuple[str, ...] = module.precisions(network)
        if precision != "auto":
            # Asked for by name, it may say itself what it misses.
            named = runtime != "auto" and not possible and network.form is None
            possible = (precision,) if precision in possible or named else ()
        opener = functools.partial(module.open_runtime, network, folder=folder)
        streams = module.streams(network) if many and hasattr(module, "streams") else 1
        needs: Callable[[Network, Path | None], int] | None
        needs = getattr(module, "opening_memory", None)
        opening = needs(network, folder) if needs is not None and possible else 0
        for each in possible:
            alone = functools.partial(opener, each)
            if streams == 1:
                found.append(Candidate(key, each, alone, opening))
            else:
                several = functools.partial(alone, streams=streams)
                found.append(Candidate(key, each, several, opening, alone))
    # What is opened with the least effort is tried first.
    found.sort(key=lambda item: item.opening)
    if not found:
        found = _named(network, runtime, precision, folder)
    return found


def _named(network: Network, runtime: str, precision: str, folder: Path | None) -> list[Candidate]:
    """Where nothing is left: the runtime asked for, which says why not, or an error."""
    if network.form is None:
        key = "torch" if runtime == "auto" else runtime
        chosen = "float32" if precision == "auto" else precision
        module = plugins.load("runtimes", key)
        return [Candidate(key, chosen, lambda: module.open_runtime(network, chosen, folder=folder))]
    form = network.form
    wishes = [
        f"{name} must be {has!r} or 'auto', not {wish!r}"
        for name, has, wish in (
            ("runtime", form.runtime, runtime),
            ("precision", form.precision, precision),
        )
        if wish not in ("auto", has)
    ]
    if wishes:
        raise ConfigurationError([f"the bundle holds a compiled form: {each}" for each in wishes])
    raise MissingExtraError(form.runtime, form.runtime)
