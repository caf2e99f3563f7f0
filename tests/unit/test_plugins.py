"""Plug-ins are found by file, listed without importing, and loaded when asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anysize import tasks
from anysize.core import plugins
from anysize.core.errors import ConfigurationError

PACKAGE = Path(plugins.__file__).parents[1]
# Every folder of the package that has a plug-in.
ROOMS = sorted(
    path.parent.name
    for path in PACKAGE.glob("*/__init__.py")
    if any("\nPROVIDES" in file.read_text() for file in path.parent.glob("*.py"))
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_key_loads_and_its_module_says_it_provides_it(room: str) -> None:
    keys = plugins.keys(room)
    assert keys
    for key in keys:
        assert key in plugins.load(room, key).PROVIDES
        described = plugins.summary(keys[key])
        assert described != keys[key], f"{keys[key]} has no docstring"
        assert described.split("``")[-1].endswith((".", ":", ";", "?")), described


def test_an_unknown_key_suggests_a_near_one() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'text-classification'"):
        plugins.load("tasks", "text-clasification")


def test_a_room_has_the_keys_it_lists_and_no_others() -> None:
    assert all(plugins.has("tasks", key) for key in plugins.keys("tasks"))
    assert not plugins.has("tasks", "text-clasification")
    assert not plugins.has("tasks", ["text-classification"])


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from anysize.core import plugins;"
        f"[plugins.keys(room) for room in {ROOMS}];"
        "heavy = {'torch', 'transformers', 'cv2', 'openvino', 'tokenizers'} & sys.modules.keys();"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_keys_are_read_from_any_form_of_their_statement(tmp_path: Path) -> None:
    several = 'PROVIDES = (  # of both\n    "one",\n    "two",\n)\n\nX = ("three",)\n'
    (tmp_path / "several.py").write_text(several)
    (tmp_path / "last.py").write_text('PROVIDES = ["alone"]  # the end')
    (tmp_path / "none.py").write_text('"""Says PROVIDES = (\'x\',) in words."""\n')
    found = {path.stem: plugins.provided(path) for path in tmp_path.glob("*.py")}
    assert found == {"several": ("one", "two"), "last": ("alone",), "none": ()}


def test_help_and_opening_a_table_load_only_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\n" + "good,1\nbad,0\n" * 3)
    help_only = (
        "import anysize.cli.main, sys; print([n for n in ('numpy', 'ctypes') if n in sys.modules])"
    )
    table = (
        "import sys\nfrom anysize import tasks\nfrom anysize.sources import open_source\n"
        "columns = tasks.load('text-classification').columns\n"
        f"assert len(open_source({str(tmp_path / 'rows.csv')!r}, roles=columns)) == 6\n"
        "seldom = ('boxes.layouts', 'imagenet.folders', 'tables.packing', 'splits')\n"
        "names = [f'anysize.sources.{name}' for name in seldom]\n"
        # What other packages add is not looked for where a key is ours: that reads them all.
        "names += ['importlib.metadata', 'anysize.readers.documents']\n"
        "print([name for name in names if name in sys.modules])\n"
    )
    for code in (help_only, table):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_what_modules_declare_is_found_without_importing_them() -> None:
    found = set(plugins.declaring("tasks", "RECOGNISES"))
    knowing = {name for name in plugins.keys("tasks") if hasattr(tasks.load(name), "recognises")}
    assert found == knowing == {"automatic-speech-recognition", "question-answering"}
    assert set(plugins.declaring("tasks", "PROVIDES")) == set(plugins.keys("tasks"))
    assert plugins.declaring("tasks", "OVIDES") == ()
