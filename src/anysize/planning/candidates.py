"""The runtimes that are possible for a network and a step under the caller's wishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from anysize.core import plugins
from anysize.core.errors import ConfigurationError, MissingExtraError
from anysize.core.generation import GenerationOptions
from anysize.core.protocols import Opened
from anysize.core.steps import Ability
from anysize.models.network import Network
from anysize.planning.selection import Candidate


@dataclass(frozen=True, slots=True)
class _Functions:
    """What a runtime's module calls the functions of one ability; see ``core.protocols``."""

    precisions: str
    open: str
    opening: str | None = None


_FUNCTIONS: Mapping[Ability, _Functions] = {
    "run": _Functions("precisions", "open_runtime"),
    "generate": _Functions("generation_precisions", "open_generator", "generation_opening_memory"),
    "transcribe": _Functions("transcription_precisions", "open_transcriber"),
}


@dataclass(frozen=True, slots=True)
class ModuleOpener:
    """Opens a runtime with a function of its module.

    Attributes:
        module: of the room ``runtimes``.
        function: name of the function.
        network: what is run.
        folder: the bundle, where compiled forms are kept.
    """

    module: ModuleType
    function: str
    network: Network
    folder: Path | None

    def __call__(self, precision: str, streams: int) -> Opened:
        """See ``planning.selection.Opener``."""
        function: Callable[..., Opened] = getattr(self.module, self.function)
        if streams == 1:
            return function(self.network, precision, folder=self.folder)
        return function(self.network, precision, folder=self.folder, streams=streams)


def candidates_for(
    network: Network,
    runtime: str,
    precision: str,
    folder: Path | None,
    *,
    needs: Ability = "run",
    many: bool = False,
    options: GenerationOptions | None = None,
) -> list[Candidate]:
    """What the caller's wishes leave, the surest first.

    Args:
        network: what is run.
        runtime: the wish; ``auto`` leaves the choice open.
        precision: the same.
        folder: the bundle, where compiled forms are kept.
        needs: what the step asks of a runtime.
        many: whether there are so many windows that runtimes get streams.
        options: of the generation, where the step is one: what cannot do as they say is left out.

    Raises:
        ConfigurationError: the bundle holds a compiled form of another kind, or the runtime cannot
            do what is needed, or not with these options.
        MissingExtraError: the runtime that it needs is not installed.
    """
    if getattr(network.module, "own_runtime", False):
        runtime, precision = "torch", "float32"
    functions = _FUNCTIONS[needs]
    found: list[list[Candidate]] = []
    keys = ["torch", *(key for key in plugins.keys("runtimes") if key != "torch")]
    for key in keys if runtime == "auto" else [runtime]:
        module = plugins.load("runtimes", key)
        if runtime == "auto" and not getattr(module, "AUTOMATIC", True):
            continue
        possible = _precisions(module, functions, network)
        if precision != "auto":
            # Asked for by name, it may say itself what it misses.
            named = runtime != "auto" and not possible and network.form is None
            possible = (precision,) if precision in possible or named else ()
        refusals = _refusals(module, options) if possible else []
        if refusals and (runtime != "auto" or network.form is not None):
            raise ConfigurationError([f"runtime {key} {each}" for each in refusals])
        if refusals:
            continue
        streams = _streams(module, network) if many else 1
        opener = ModuleOpener(module, functions.open, network, folder)
        own = [
            Candidate(
                key, each, opener, _opening(module, functions, network, folder, each), streams
            )
            for each in possible
        ]
        found += [own] if own else []
    # What is opened with the least effort is tried first, each in the order of its precisions.
    found.sort(key=lambda own: min(item.opening for item in own))
    every = [item for own in found for item in own]
    every = every or [_named(network, runtime, precision, folder, functions)]
    for candidate in every:
        _check_ability(candidate, needs)
    return every


def _precisions(module: ModuleType, functions: _Functions, network: Network) -> tuple[str, ...]:
    given: Callable[[Network], tuple[str, ...]] | None
    given = getattr(module, functions.precisions, None)
    return () if given is None else given(network)


def _refusals(module: ModuleType, options: GenerationOptions | None) -> list[str]:
    given: Callable[[GenerationOptions], list[str]] | None
    given = getattr(module, "generation_refusals", None)
    return [] if given is None or options is None else given(options)


def _streams(module: ModuleType, network: Network) -> int:
    given: Callable[[Network], int] | None = getattr(module, "streams", None)
    return 1 if given is None else given(network)


def _opening(
    module: ModuleType, functions: _Functions, network: Network, folder: Path | None, precision: str
) -> int:
    """What opening takes, whatever it is opened for, and what it takes for that on top."""
    given: Callable[[Network, Path | None], int] | None
    given = getattr(module, "opening_memory", None)
    more: Callable[[Network, str], int] | None
    more = None if functions.opening is None else getattr(module, functions.opening, None)
    whole = 0 if given is None else given(network, folder)
    return whole + (0 if more is None else more(network, precision))


def _named(
    network: Network, runtime: str, precision: str, folder: Path | None, functions: _Functions
) -> Candidate:
    """Where nothing is left: the runtime asked for, which says why not, or an error."""
    if network.form is None:
        key = "torch" if runtime == "auto" else runtime
        chosen = "float32" if precision == "auto" else precision
        module = plugins.load("runtimes", key)
        return Candidate(key, chosen, ModuleOpener(module, functions.open, network, folder))
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


def _check_ability(candidate: Candidate, needs: Ability) -> None:
    opener = candidate.opener
    if isinstance(opener, ModuleOpener) and not hasattr(opener.module, opener.function):
        able = [
            key
            for key in plugins.keys("runtimes")
            if hasattr(plugins.load("runtimes", key), opener.function)
        ]
        raise ConfigurationError(
            f"runtime {candidate.name!r} cannot {needs}, which this model's task needs; "
            f"those that can: {', '.join(able)}"
        )
