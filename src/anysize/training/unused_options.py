"""Options that were given and change nothing in this run, because of others or of the data."""

from __future__ import annotations

from collections.abc import Iterator

from anysize.core.findings import Findings
from anysize.core.options import by_flag, declared
from anysize.training.recipe import Recipe

_OF_A_TEACHER = ("distil_weight", "temperature", "hidden_weight")
_OF_VALIDATION = ("patience", "validate_every", "metric")


def tell_unused(given: Recipe, resolved: Recipe, *, validated: bool, findings: Findings) -> None:
    """Says which options were given and have no effect.

    Args:
        given: what the user asked for.
        resolved: what is done.
        validated: whether there are records to validate with.
        findings: takes it.
    """
    flags = {
        one.name: one for kind in (Recipe, *map(type, given.own.values())) for one in declared(kind)
    }
    for name, why in _unused(resolved, validated):
        one = flags.get(name)
        if one is not None and given.value(name) not in (None, one.default, one.rules.off):
            findings.add(
                "option-without-effect",
                f"{by_flag(one)} has no effect: {why}",
                unit="options",
                remedy="leave it out",
            )


def _unused(resolved: Recipe, validated: bool) -> Iterator[tuple[str, str]]:
    if resolved.optimizer != "sgd":
        yield "momentum", f"it is for sgd, and the optimizer is {resolved.optimizer}"
    if resolved.teacher is None:
        yield from ((name, "it is for --teacher, which is not given") for name in _OF_A_TEACHER)
    if not validated:
        yield from ((name, "there are no records to validate with") for name in _OF_VALIDATION)
