"""Modalities are a seam: nothing outside their room asks which one it is; old cards still open."""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from anysize import modalities
from anysize.core import plugins
from anysize.core.errors import BundleError
from anysize.core.findings import Findings
from anysize.modalities.numbers.settings import FeatureSettings
from anysize.modalities.pictures.settings import ImageSettings
from anysize.modalities.settings import Settings
from anysize.modalities.texts.settings import TextSettings
from anysize.models.bundle import Card
from anysize.models.columns import ColumnEncoding, TableEncoding
from anysize.sources import ColumnSpec, open_source

PACKAGE = Path(modalities.__file__).resolve().parents[1]
KEYS = frozenset(plugins.keys("modalities"))
HELD = frozenset({"card", "network", "student", "teacher"})
SETTINGS = frozenset({"TextSettings", "ImageSettings", "FeatureSettings"})
# What is about one modality, and why.
ABOUT = {
    "compression/int8_onnx.py": "a method for pictures",
    "compression/narrower.py": "students of models of numbers",
    "models/keras/file.py": "Keras models of pictures and of numbers",
    "models/wishes.py": "the values of pixels",
    "sources/imagenet/folders.py": "ImageNet is pictures",
    "sources/profile/large.py": "'text' is a kind of column there",
    "sources/shards.py": "shards of pictures",
}


def asked(tree: ast.Module) -> Iterator[ast.AST]:
    """Where a module asks which modality something is of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            compared = {value for side in (node.left, *node.comparators) for value in values(side)}
            if compared & KEYS:
                yield node
        elif isinstance(node, ast.Dict):
            keyed = [value for key in node.keys if key is not None for value in values(key)]
            if len(KEYS.intersection(keyed)) > 1:
                yield node
        elif isinstance(node, ast.Attribute) and node.attr in KEYS:
            holder = node.value.id if isinstance(node.value, ast.Name) else ""
            holder = node.value.attr if isinstance(node.value, ast.Attribute) else holder
            if holder.lstrip("_") in HELD:
                yield node
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "isinstance"
            and SETTINGS
            & {each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name)}
        ):
            yield node


def values(node: ast.AST) -> Sequence[Any]:
    """The constants of an expression: itself, or what stands in a tuple, list or set."""
    if isinstance(node, ast.Constant):
        return [node.value]
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [each.value for each in node.elts if isinstance(each, ast.Constant)]
    return []


def test_nothing_asks_which_modality_it_is_but_what_is_about_one() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "modalities" not in path.relative_to(PACKAGE).parts
        and any(asked(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == ABOUT.keys()


@pytest.mark.parametrize(
    "code",
    [
        'if task.role == "image": pass',
        'if kind in ("text", "features"): pass',
        'MOST = {"text": 1, "image": 2}',
        'MOST = {("text", "fresh"): 1, ("image", "fresh"): 2}',
        "if network.text is not None: pass",
        "if self._network.image: pass",
        "if isinstance(card.settings, (ImageSettings, TextSettings)): pass",
    ],
)
def test_such_a_question_is_found(code: str) -> None:
    assert list(asked(ast.parse(code)))


ENCODING = TableEncoding(
    columns=(
        ColumnEncoding(name="age", kind="number", fill=40.0, centre=40.0, scale=0.1),
        ColumnEncoding(name="town", kind="category", values=("Ulm", "Köln")),
    )
)
# As cards of the first format had them, key by key.
FIRST = {
    "text": ({"window": 128, "overlap": 16}, TextSettings(window=128, overlap=16)),
    "image": (
        {
            "width": 64, "height": 48, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
            "tiles": "auto", "tile": 0, "overlap": 12, "crop": 0.875, "pages": "first",
            "tolerant": False,
        },
        ImageSettings(
            width=64, height=48, mean=(0.5,) * 3, std=(0.25,) * 3, overlap=12, crop=0.875,
            pages="first",
        ),
    ),
    "features": (
        {
            "width": 4, "steps": 0, "least": 1, "overlap": 0, "names": [],
            "encoding": {
                "columns": [
                    {"name": "age", "kind": "number", "fill": 40.0, "centre": 40.0, "scale": 0.1},
                    {"name": "town", "kind": "category", "values": ["Ulm", "Köln"]},
                ],
            },
        },
        FeatureSettings(width=ENCODING.width, encoding=ENCODING),
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", FIRST)
def test_cards_of_the_first_format_open_and_are_written_in_the_new_one(key: str) -> None:
    kept, settings = FIRST[key]
    kept = {**kept, "width": settings.width} if isinstance(settings, FeatureSettings) else kept
    first = {"format": 1, "task": "t", "labels": ["a", "b"], "model": "m", key: kept}
    card = Card.from_json(first, "anysize.json")
    assert card.settings == settings
    written = json.loads(json.dumps(card.to_json()))
    assert (written["format"], written["modality"]) == (2, key)
    assert Card.from_json(written, "anysize.json") == card


@pytest.mark.parametrize("found", [{}, {"text": {"window": 8}, "image": {"width": 8, "height": 8}}])
def test_a_card_of_no_modality_or_of_two_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="settings of one modality"):
        Card.from_json({"format": 1, "task": "t", "labels": [], "model": "m", **found}, "card")


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_modality_says_what_its_settings_are(key: str) -> None:
    modality = modalities.load(key)
    assert issubclass(modality.settings, Settings)
    assert modality.settings.modality == modality.key == key
    assert modality.suffixes <= modalities.file_suffixes()
    defaults = modality.options()
    assert all(getattr(defaults, item.name) is None for item in dataclasses.fields(defaults))


def test_what_was_asked_of_another_modality_is_named_with_its_counterpart() -> None:
    settings = ImageSettings(width=8, height=8)
    (problem,) = modalities.foreign(settings, {"window": 9, "tile": 3, "tolerant": None})
    assert problem == (
        "window is for numbers, recordings and texts, and this model reads pictures; tile is the "
        "counterpart"
    )


def test_a_column_that_names_files_names_them_for_every_modality(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("in the file", encoding="utf-8")
    (tmp_path / "t.csv").write_text("file_name\na.txt\n", encoding="utf-8")
    text = ColumnSpec(role="text", kind="text", names=("text",))
    source = open_source(tmp_path / "t.csv", roles=(text,), findings=Findings())
    assert "".join(source[0].text("text").chunks()) == "in the file"


def test_fields_are_known_by_their_modality(tmp_path: Path) -> None:
    from anysize.readers.image import Image
    from anysize.readers.text import Text

    fields = {
        "text": Text(tmp_path / "a.txt"),
        "image": Image(tmp_path / "a.png"),
    }
    for key, field in fields.items():
        # None of the files is there: nothing is read.
        found = modalities.of_field(field)
        assert found is not None and found.key == key

    class Other:
        origin = "somewhere"

    assert modalities.of_field(Other()) is None
