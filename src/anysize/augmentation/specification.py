"""From a readable list to steps, and back.

::

    rotate(±30), scale(0.8..1.2), crop(224), hflip, colour(0.4), blur(p=0.1)

A specification is a text, or a list of texts, of steps, and of tables such as
``{step = "rotate", degrees = 30}``. A policy's name is short for its steps.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

from anysize.augmentation.parameters import WrongValueError, converted, rules
from anysize.augmentation.policies import POLICIES
from anysize.augmentation.steps import Step
from anysize.core import plugins
from anysize.core.errors import ConfigurationError

Specification: TypeAlias = str | Sequence[str | Step | Mapping[str, Any]]

OTHER_NAMES = {
    "color": "colour",
    "gray": "grey",
    "flip": "hflip",
    "rotation": "rotate",
    "random_crop": "crop",
    "cutout": "erase",
}
"""Other spellings that are understood."""

_ITEM = re.compile(r"\s*([A-Za-z_][\w-]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_STEP = "step"


@cache
def catalogue() -> Mapping[str, type[Step]]:
    """Every step by name; of other packages too, which provide them as plug-ins of this room."""
    modules = {plugins.load("augmentation", key) for key in plugins.keys("augmentation")}
    found = {step.name: step for module in modules for step in getattr(module, "STEPS", ())}
    return dict(sorted(found.items()))


def parse(specification: Specification) -> tuple[Step, ...]:
    """The steps of a specification; none for ``none``.

    Raises:
        ConfigurationError: unknown names, unknown, wrong or doubled parameters, or text that cannot
            be read: all faults at once, with near names.
    """
    faults: list[str] = []
    steps = tuple(_steps(specification, faults))
    if faults:
        raise ConfigurationError(faults)
    return steps


def written(steps: Sequence[Step]) -> str:
    """The specification of steps, as text."""
    return ", ".join(str(step) for step in steps) or "none"


def refuse_unfit(steps: Sequence[Step], content: str, why: str = "") -> None:
    """Refuses the steps that change something else.

    Args:
        steps: of an augmentation.
        content: what the steps must change, ``pictures`` or ``recordings``.
        why: for no other step will do; empty: the data are of this kind.

    Raises:
        ConfigurationError: there are such steps; all of them are named, with what there is.
    """
    wrong = [step for step in steps if step.content != content]
    if not wrong:
        return
    fit = [name for name, kind in catalogue().items() if kind.content == content]
    policies = [
        name
        for name, (text, _) in POLICIES.items()
        if text and all(step.content == content for step in parse(text))
    ]
    names = list(dict.fromkeys(step.name for step in wrong))
    raise ConfigurationError(
        f"augment: {', '.join(names)} {'changes' if len(names) == 1 else 'change'} "
        f"{wrong[0].content}, and {why or f'the data are {content}'}. Policies for "
        f"{content}: none, {', '.join(policies)}. Steps: {', '.join(fit)}"
    )


def _steps(specification: Specification, faults: list[str]) -> Iterator[Step]:
    items: Sequence[Any] = [specification] if isinstance(specification, str) else specification
    for item in items:
        if isinstance(item, Step):
            yield item
        elif isinstance(item, str):
            for part in _split(item, faults):
                yield from _from_text(part, faults)
        elif isinstance(item, Mapping):
            yield from _from_table(item, faults)
        else:
            faults.append(f"augment: an item must be a text, a step or a table, not {item!r}")


def _split(text: str, faults: list[str]) -> list[str]:
    """At the commas, semicolons, bars and line ends outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0 or depth > 1:
            break
        if depth == 0 and character in ",;|\n":
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        faults.append(f"augment: the brackets of {text!r} do not match")
        return []
    return [part for part in parts if part.strip()]


def _from_text(text: str, faults: list[str]) -> Iterator[Step]:
    match = _ITEM.fullmatch(text)
    if match is None:
        faults.append(
            f"augment: {text.strip()!r} is not of the form name or name(value, parameter=value)"
        )
        return
    name, inside = match[1], match[2]
    arguments = [part.strip() for part in (inside or "").split(",") if part.strip()]
    kind = _kind(name, faults)
    if kind is None:
        return
    if isinstance(kind, str):
        if arguments:
            faults.append(f"augment: the policy {name} takes no parameters, found {inside!r}")
        else:
            yield from parse(kind)
        return
    known = list(rules(kind))
    values: dict[str, Any] = {}
    for place, argument in enumerate(arguments):
        key, equals, value = (part.strip() for part in argument.partition("="))
        if not equals:
            if place >= len(known):
                faults.append(
                    f"{kind.name}: takes {len(known)} parameters at most "
                    f"({', '.join(known)}), found {argument!r} as well"
                )
                continue
            key, value = known[place], argument
        if key in values:
            faults.append(f"{kind.name}: {key} is given twice")
        values[key] = value
    yield from _made(kind, values, faults)


def _from_table(table: Mapping[str, Any], faults: list[str]) -> Iterator[Step]:
    values = dict(table)
    name = values.pop(_STEP, None)
    if not isinstance(name, str):
        faults.append(f"augment: a table must name its step ({_STEP} = …), not {dict(table)!r}")
        return
    kind = _kind(name, faults)
    if isinstance(kind, str):
        yield from parse(kind)
    elif kind is not None:
        yield from _made(kind, values, faults)


def _kind(name: str, faults: list[str]) -> type[Step] | str | None:
    """The class of a step, or the text of a policy."""
    key = name.lower().replace("-", "_")
    key = OTHER_NAMES.get(key, key)
    steps = catalogue()
    if key in steps:
        return steps[key]
    if key in POLICIES:
        return POLICIES[key][0]
    near = difflib.get_close_matches(key, [*steps, *POLICIES], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    faults.append(
        f"augment: there is no step or policy {name!r}{hint} "
        f"Policies: {', '.join(POLICIES)}. Steps: {', '.join(steps)}"
    )
    return None


def _made(kind: type[Step], values: Mapping[str, Any], faults: list[str]) -> Iterator[Step]:
    known = rules(kind)
    given: dict[str, Any] = {}
    before = len(faults)
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            faults.append(
                f"{kind.name}: there is no parameter {key!r}{hint} Known: {', '.join(known)}"
            )
            continue
        try:
            given[key] = converted(value, known[key])
        except WrongValueError as error:
            faults.append(f"{kind.name}: {key} {error}")
    if len(faults) == before:
        yield kind(**given)
