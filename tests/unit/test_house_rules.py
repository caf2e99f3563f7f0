"""The rules of the house that a parser and a subprocess can check.

Imports go down only, the core needs numpy alone, a key is provided once, no pickle is read, and
starting up loads none of the heavy libraries.
"""

from __future__ import annotations

import ast
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "anysize"

LEVELS = {
    "core": 0,
    **dict.fromkeys(
        (
            "augmentation",
            "heads",
            "modalities",
            "mergers",
            "models",
            "readers",
            "recognition",
            "runtimes",
            "sources",
            "synthesis",
            "windows",
        ),
        1,
    ),
    "tasks": 2,
    **dict.fromkeys(
        (
            "compression",
            "evaluation",
            "explanation",
            "export",
            "planning",
            "privacy",
            "results",
            "scale",
            "summaries",
            "training",
        ),
        3,
    ),
    "api": 4,
    "demo": 5,
    **dict.fromkeys(("cli", "serve", "__init__", "__main__"), 6),
}

LINES = 350
"""No file of the package has as many."""

HEAVY = (
    "torch",
    "transformers",
    "tokenizers",
    "openvino",
    "pyarrow",
    "matplotlib",
    "pyvips",
    "cv2",
    "PIL",
    "sklearn",
    "skimage",
    "scipy",
    "keras",
    "h5py",
    "soundfile",
    "soxr",
)


@cache
def modules(package: Path) -> list[tuple[str, str, ast.Module]]:
    """Each module's dotted name below the package, its room and its syntax tree."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found.append((".".join(parts), parts[0], ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every absolute name imported anywhere in a module, lazily or not, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute | ast.Name)
            and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
            == "import_module"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def upward_imports(package: Path) -> list[str]:
    """Imports of a room above the importing module's own, one line of text each."""
    found = []
    for name, room, tree in modules(package):
        for line, target in imports(tree):
            if not target.startswith("anysize."):
                continue
            other = target.split(".")[1]
            if LEVELS.get(other, LEVELS["__init__"]) > LEVELS[room]:
                found.append(f"{name}:{line} imports {target}")
    return found


def test_every_room_has_a_level() -> None:
    rooms = {room for _, room, _ in modules(PACKAGE)}
    assert rooms <= LEVELS.keys()


def test_imports_go_down_only() -> None:
    assert upward_imports(PACKAGE) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from anysize.tasks import classification",
        "import anysize.api",
        "def lazily():\n    from anysize import train",
        "import importlib\nimportlib.import_module('anysize.cli.main')",
    ],
)
def test_an_upward_import_is_found(tmp_path: Path, statement: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "odd.py").write_text(statement, encoding="utf-8")
    assert len(upward_imports(tmp_path)) == 1


def test_core_needs_numpy_only() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "anysize"}
    foreign = [
        f"{name}:{line} imports {target}"
        for name, room, tree in modules(PACKAGE)
        if room == "core"
        for line, target in imports(tree)
        if target.split(".")[0] not in allowed
    ]
    assert foreign == []


def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert [name for name, length in lengths.items() if length >= LINES] == []


def test_no_pickle_is_read_or_written() -> None:
    banned = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    found = [
        f"{name}:{line} imports {target}"
        for name, _, tree in modules(PACKAGE)
        for line, target in imports(tree)
        if target.split(".")[0] in banned
    ]
    assert found == []


def test_plug_in_keys_are_given_once() -> None:
    seen: dict[tuple[str, str], str] = {}
    twice = []
    for name, room, tree in modules(PACKAGE):
        for node in tree.body:
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "PROVIDES" for target in node.targets
            ):
                for key in ast.literal_eval(node.value):
                    if (room, key) in seen:
                        twice.append(f"{room} {key!r}: {seen[room, key]} and {name}")
                    seen[room, key] = name
    assert seen
    assert twice == []


def private_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Private names of the package that a test imports, reads or replaces, with their lines."""
    ours: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ours |= {
                alias.asname or "anysize" for alias in node.names if alias.name[:7] == "anysize"
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "anysize":
            ours |= {alias.asname or alias.name for alias in node.names}
            yield from ((node.lineno, alias.name) for alias in node.names if is_private(alias.name))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                pass
            case ast.Call(
                func=ast.Attribute(attr="setattr" | "delattr"),
                args=[ast.Name(id=owner), ast.Constant(value=str(name)), *_],
            ):
                pass
            case ast.Call(
                func=ast.Attribute(attr="setattr" | "delattr"),
                args=[ast.Constant(value=str(path)), *_],
            ) if path.startswith("anysize."):
                owner, _, name = path.rpartition(".")
                ours.add(owner)
            case _:
                continue
        if owner in ours and is_private(name):
            yield node.lineno, f"{owner}.{name}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_tests_use_public_names() -> None:
    tests = PACKAGE.parents[1] / "tests"
    found = [
        f"{path.relative_to(tests)}:{line} uses {name}"
        for path in sorted(tests.rglob("*.py"))
        for line, name in private_names(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "statement",
    [
        "from anysize.sources.cache import _temporary",
        "import anysize\nprint(anysize._HOMES)",
        "from anysize.cli import train as command\ncommand._given({})",
        "from anysize.core import progress\nmonkeypatch.setattr(progress, '_FIRST', 0)",
        "monkeypatch.setattr('anysize.core.progress._FIRST', 0)",
    ],
)
def test_a_private_name_is_found(statement: str) -> None:
    assert len(list(private_names(ast.parse(statement)))) == 1


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(PACKAGE.parent),
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=850,
    )


def loaded(*arguments: str) -> set[str]:
    """Top-level names of all modules that a Python command imports."""
    report = run("-X", "importtime", *arguments).stderr
    names = [line.rsplit("|", 1)[1].strip() for line in report.splitlines() if "|" in line]
    return {name.split(".")[0] for name in names}


STARTS = {
    "import": ("-c", "import anysize"),
    "public names": ("-c", "import anysize; dir(anysize); anysize.__version__"),
    "help": ("-m", "anysize", "--help"),
    "version": ("-m", "anysize", "--version"),
    "help of a verb": ("-m", "anysize", "train", "--help"),
    "list": ("-m", "anysize", "list", "models"),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_starting_loads_nothing_heavy(start: tuple[str, ...]) -> None:
    names = loaded(*start)
    assert "anysize" in names
    assert names.isdisjoint(HEAVY)


def test_the_import_report_would_show_a_heavy_module() -> None:
    assert "PIL" in loaded("-c", "import PIL.Image")


def ratio(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Processor time of one command over that of another: the least of five tries of each.

    Processor time, because other programs on the machine lengthen the time on the clock.
    """

    def seconds(arguments: tuple[str, ...]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [(seconds(one), seconds(other)) for _ in range(5)]
    return min(first for first, _ in pairs) / min(second for _, second in pairs)


def test_help_costs_little_more_than_an_empty_typer_application() -> None:
    empty = (
        "import sys, typer, rich.console\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def nothing(name: str = 'x') -> None:\n"
        "    'Do nothing.'\n"
        "sys.argv[1:] = ['--help']\n"
        "app()\n"
    )
    assert ratio(("-m", "anysize", "--help"), ("-c", empty)) < 2.5


def test_import_costs_little_more_than_the_interpreter() -> None:
    assert ratio(("-c", "import anysize"), ("-c", "pass")) < 3


def test_public_names_survive_the_import_of_rooms_of_the_same_name() -> None:
    # Importing a submodule binds its name in the package, over a function of that name.
    done = run(
        "-c",
        "import anysize, anysize.augmentation.specification, anysize.training.recipe\n"
        "import anysize.planning.budget, anysize.compression.verdict, anysize.evaluation.findings\n"
        "names = ('augment', 'compress', 'evaluate', 'inspect', 'load', 'plan', 'train')\n"
        "print(all(callable(getattr(anysize, name)) for name in names))",
    )
    assert done.stdout == "True\n"


UNDERSTOOD = PACKAGE.parents[1] / "tests" / "understood"


def test_every_line_of_what_is_understood_has_a_test_of_its_name() -> None:
    """The tables of docs/data-layouts.md and the tests in tests/understood name the same cases."""
    page = (PACKAGE.parents[1] / "docs" / "data-layouts.md").read_text(encoding="utf-8")
    section = page.partition("## What is understood")[2].partition("\n## ")[0]
    codes = re.findall(r"^\| `([a-z0-9-]+)` \|", section, flags=re.MULTILINE)
    tests = [
        node.name
        for path in UNDERSTOOD.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert len(codes) == len(set(codes))
    assert sorted("test_" + code.replace("-", "_") for code in codes) == sorted(tests)
