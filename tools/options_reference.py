"""The reference of options, docs/reference/options.md, made from the dataclasses that declare them.

Run it after an option was added or changed; a test compares what it makes with the page::

    python tools/options_reference.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

from anysize.core.options import Declared, Options, declared
from anysize.planning.options import PredictOptions
from anysize.tasks.options import every_table
from anysize.tasks.prediction import every
from anysize.training.recipe import Recipe

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "options.md"

_HEAD = """\
# Options

<!-- Made by tools/options_reference.py from the dataclasses of options; do not edit. -->

Options of [training](#training-any-task) are tables of a [recipe](recipe.md) and groups in
`anysize train TASK --help`; in Python, `anysize.train` takes every one by its name. Those of
[prediction](#prediction-any-model) are groups in `anysize predict BUNDLE --help`, and `evaluate`
has them too; in Python, `model.predict` and `model.evaluate` take every one by its name.
"""


def page() -> str:
    """The whole page."""
    common = [kind for kind in Recipe.__mro__ if issubclass(kind, Options) and kind.table]
    parts = [_HEAD]
    parts += ["## Training, any task\n", *(_section(kind) for kind in reversed(common))]
    parts += ["## Training, some tasks\n", *(_section(kind) for kind in every_table().values())]
    asked = [kind for kind in PredictOptions.__mro__ if issubclass(kind, Options) and kind.table]
    asked = [kind for kind in reversed(asked) if kind is not PredictOptions]
    parts += ["## Prediction, any model\n", *(_section(kind) for kind in asked)]
    own = [_section(kind, f"Of {name}") for name, kind in every().items()]
    parts += ["## Prediction, some tasks\n", *own, *_shared()]
    return "\n".join(parts)


def _shared() -> list[str]:
    """Tables that several tasks have beside their own."""
    found: dict[type[Options], list[str]] = {}
    for name, kind in every().items():
        for base in kind.__mro__[1:]:
            if issubclass(base, Options) and base.table not in ("", kind.table):
                found.setdefault(base, []).append(name)
    return [_section(kind, f"Of {' and '.join(names)}") for kind, names in found.items()]


def _section(kind: type[Options], title: str = "") -> str:
    about = inspect.getdoc(kind) or ""
    first = " ".join(about.split("\n\n")[0].split())
    lines = [f"### {title or f'[{kind.table}]'}", "", first, ""]
    lines += ["| option | command line | allowed | default | |", "|---|---|---|---|---|"]
    own = [one for one in declared(kind) if one.table == kind.table]
    return "\n".join([*lines, *map(_row, own), ""])


def _row(one: Declared) -> str:
    name = f"`{one.name}`" if one.key == one.name else f"`{one.name}` (in the table: `{one.key}`)"
    flag = "" if one.flag is None else f"`{one.flag}`"
    default = one.rules.automatic if one.required else one.shown(one.default)
    cells = (name, flag, one.expected(), default, one.rules.help)
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*") if "`" not in text else text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
