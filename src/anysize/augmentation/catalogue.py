"""What steps and policies there are, described from their own declarations."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from anysize.augmentation.parameters import rules, written
from anysize.augmentation.policies import POLICIES
from anysize.augmentation.specification import catalogue
from anysize.augmentation.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a step: its name, default as in a specification, meaning and rule."""

    name: str
    default: str
    about: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A step or a policy.

    Attributes:
        name: as in a specification.
        about: one sentence.
        fuses: what it becomes part of (see ``Step.fuses``), or ``policy``.
        content: of a step, what it changes: ``pictures``, ``recordings`` or ``texts``.
        steps: of a policy, its specification.
        parameters: of a step.
    """

    name: str
    about: str
    fuses: str
    content: str = ""
    steps: str = ""
    parameters: tuple[Parameter, ...] = ()

    @property
    def usage(self) -> str:
        """The step with all its parameters and their defaults."""
        inside = ", ".join(f"{item.name}={item.default}" for item in self.parameters)
        return f"{self.name}({inside})" if inside else self.name


def describe() -> list[Entry]:
    """All policies, then all steps, each sorted by name."""
    policies = [
        Entry(name=name, about=about, fuses="policy", steps=steps or "none")
        for name, (steps, about) in sorted(POLICIES.items())
    ]
    return policies + [_entry(kind) for kind in catalogue().values()]


def _entry(kind: type[Step]) -> Entry:
    known = rules(kind)
    return Entry(
        name=kind.name,
        about=(kind.__doc__ or "").split("\n\n")[0].replace("\n    ", " "),
        fuses=kind.fuses,
        content=kind.content,
        parameters=tuple(
            Parameter(
                name=item.name,
                default="model" if item.default is None else written(item.default),
                about=known[item.name].about,
                rule=known[item.name].expected(),
            )
            for item in dataclasses.fields(kind)
        ),
    )
