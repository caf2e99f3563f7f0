"""The reference of options, docs/reference/options.md, made from the dataclasses that declare them.

Run it after an option was added or changed; a test compares what it makes with the page::

    python tools/options_reference.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

from anysize.core.options import Declared, Options, declared
from anysize.tasks.options import every_table
from anysize.training.recipe import Recipe

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "options.md"

_HEAD = """\
# Options of training

<!-- Made by tools/options_reference.py from the dataclasses of options; do not edit. -->

Each table below is a table of a [recipe](recipe.md) and a group in `anysize train TASK --help`.
In Python, `anysize.train` takes every option by its name, whichever table it is in.
"""


def page() -> str:
    """The whole page."""
    common = [kind for kind in Recipe.__mro__ if issubclass(kind, Options) and kind.table]
    parts = [_HEAD]
    parts += ["## Of every task\n", *(_section(kind) for kind in reversed(common))]
    parts += ["## Of some tasks\n", *(_section(kind) for kind in every_table().values())]
    return "\n".join(parts)


def _section(kind: type[Options]) -> str:
    about = inspect.getdoc(kind) or ""
    first = " ".join(about.split("\n\n")[0].split())
    lines = [f"### [{kind.table}]", "", first, ""]
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
