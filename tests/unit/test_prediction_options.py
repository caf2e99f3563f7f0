"""Options of prediction: those of every model, and those that a task declares for itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from anysize import api, tasks
from anysize.cli.main import app
from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.bundle import Card
from anysize.models.network import Network
from anysize.planning.options import PredictOptions, adapted, task_asked, with_settings
from anysize.tasks.face_recognition import FaceRecognition
from anysize.tasks.match_options import MatchOptions
from anysize.tasks.object_detection import ObjectDetection
from anysize.training.recipe import Recipe

TEXTS = "text-classification"
SETTINGS = ImageSettings(
    width=64, height=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), crop=0, tiles="auto"
)


def card(**fields: Any) -> Card:
    given = {"task": "object-detection", "labels": ("cat",), "model": "d", "settings": SETTINGS}
    return Card(**{**given, **fields})


def bundle(folder: Path, task: str) -> Path:
    """What the command line looks at to know a bundle's task."""
    folder.mkdir()
    (folder / "anysize.json").write_text(json.dumps({"task": task}))
    return folder


def rules(task: object) -> tuple[float, float]:
    assert isinstance(task, ObjectDetection)
    return task._rules.threshold, task._rules.overlap


def test_what_the_caller_asks_comes_before_what_the_bundle_keeps() -> None:
    kept = card(prediction={"threshold": 0.4, "nms_iou": 0.5})
    task = tasks.of(kept)
    assert rules(task) == (0.4, 0.5)
    options = with_settings(None, {"threshold": 0.7, "memory": "1GiB"}, task)
    assert options.of_task == {"threshold": 0.7}
    assert options.budget == 1 << 30
    assert rules(task_asked(task, kept, options)) == (0.7, 0.5)


def test_options_that_are_added_keep_the_others() -> None:
    task = tasks.load("object-detection")
    options = with_settings(PredictOptions(of_task={"threshold": 0.7}), {"nms_iou": 0.3}, task)
    assert options.of_task == {"threshold": 0.7, "nms_iou": 0.3}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("threshold", 2, "threshold must be a number from 0 to 1, not 2"),
        (
            "gallery",
            "people",
            "gallery is for automatic-speech-recognition and face-recognition and "
            "speaker-recognition, not for object-detection",
        ),
        ("treshold", 0.5, "'treshold' is not an option of prediction with object-detection; did"),
    ],
)
def test_mistakes_name_the_option_and_the_task(name: str, value: object, words: str) -> None:
    options = PredictOptions(of_task={name: value})
    with pytest.raises(ConfigurationError) as error:
        task_asked(tasks.load("object-detection"), card(), options)
    assert words in str(error.value)


def test_unknown_settings_are_refused_together() -> None:
    with pytest.raises(ConfigurationError) as error:
        with_settings(None, {"memry": 1, "gallery": "x"}, tasks.load("object-detection"))
    assert len(error.value.problems) == 2
    assert "did you mean 'memory'?" in str(error.value)


def test_a_card_with_a_damaged_option_is_refused() -> None:
    with pytest.raises(BundleError, match=r"prediction\.threshold must be a number from 0 to 1"):
        tasks.of(card(prediction={"threshold": "high"}))


def test_bundles_with_the_older_name_of_the_options_are_read() -> None:
    entries = {**card().to_json(), "selection": {"threshold": 0.4}}
    assert Card.from_json(entries, "bundle").prediction == {"threshold": 0.4}


def test_recognition_takes_its_gallery() -> None:
    task = tasks.load("face-recognition")
    options = with_settings(None, {"gallery": Path("people"), "threshold": 0.2}, task)
    found = task_asked(task, card(task="face-recognition"), options)
    assert isinstance(found, FaceRecognition)
    assert found.matching == MatchOptions(gallery=Path("people"), threshold=0.2)


def test_help_shows_what_a_bundle_takes(tmp_path: Path) -> None:
    shown = {
        task: CliRunner().invoke(app, ["predict", str(bundle(tmp_path / task, task)), "--help"])
        for task in ("object-detection", "text-classification")
    }
    detection, text = (found.stdout for found in shown.values())
    assert "--nms-iou" in detection and "--tiles" in detection and "--window" not in detection
    assert "--nms-iou" not in text and "--tiles" not in text and "--window" in text
    voice = CliRunner().invoke(app, ["predict", "piper-joe", "--help"]).stdout
    assert "--speed" in voice and "--tiles" not in voice and "BUNDLE --help" not in voice
    common = CliRunner().invoke(app, ["evaluate", "--help"]).stdout
    assert "--tiles" in common and "--window" in common and "BUNDLE --help" in common


def test_help_lists_what_the_task_can_use(tmp_path: Path) -> None:
    def options(*words: str) -> str:
        return " ".join(CliRunner().invoke(app, [*words, "--help"]).stdout.split())

    places = {name: str(bundle(tmp_path / name, name)) for name in ("object-detection", TEXTS)}
    assert "--merge attention|grid|max|mean" in options("predict", places[TEXTS])
    assert "--merge" not in options("predict", places["object-detection"])
    assert "--merge mean|max|attention" in options("train", TEXTS)
    assert "--merge" not in options("train", "question-answering")
    assert "--head regression " in options("train", "text-regression")
    shown = options("train", TEXTS)
    assert "|ordinal_regression|single_label_classification " in shown
    assert "several|" not in shown and "|regression|" not in shown


def test_a_merge_rule_that_does_nothing_is_refused() -> None:
    problem = "merge has no effect on question-answering, which has one way to join windows"
    with pytest.raises(ConfigurationError, match=problem):
        Recipe(task="question-answering", data="d.csv", model="minilm", out="o", merge="max")
    assert Recipe(task=TEXTS, data="d.csv", model="minilm", out="o", merge="max").merge == "max"
    module: Any = None
    network = Network(module=module, spec="d", settings=SETTINGS)
    with pytest.raises(ConfigurationError, match="merge has no effect on object-detection"):
        adapted(network, card(), PredictOptions(merge="max"))


def test_an_earlier_name_is_taken_with_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task: Any = tasks.load("object-detection")
    older: Any = {"threads": 3}
    for options in (PredictOptions(**older), with_settings(None, older, task)):
        assert options.loaders == 3
    assert caplog.messages == ["threads is now called loaders"] * 2
    place = str(bundle(tmp_path / "run", TEXTS))
    for words in (["--threads", "-1"], ["--threads=-1"]):
        found = CliRunner().invoke(app, ["predict", place, "x.txt", *words])
        assert str(found.exception) == "--loaders must be a whole number of at least 0, not -1"
    assert caplog.messages[2:] == ["--threads is now called --loaders"] * 2


def test_all_mistakes_of_a_command_line_are_reported_before_the_model_is_opened(
    tmp_path: Path,
) -> None:
    place = str(bundle(tmp_path / "run", "text-classification"))
    words = ["predict", place, "x.txt", "--loaders", "-1", "--nms-iou", "0.5", "--tiles", "some"]
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, ConfigurationError)
    said = str(found.exception)
    assert "--loaders must be a whole number of at least 0, not -1" in said
    assert "--nms-iou is for object-detection, not for text-classification" in said
    assert "--tiles must be one of auto, always, never, not 'some'" in said


def test_drawn_pictures_are_kept_out_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(b"x")
    spec = str(bundle(tmp_path / "b", "image-classification"))
    for draw in ("in", "in/drawn"):
        given = ["predict", spec, str(tmp_path / "in"), "--draw", str(tmp_path / draw)]
        result = CliRunner().invoke(app, given)
        assert isinstance(result.exception, ConfigurationError)
        assert "is in the input folder" in str(result.exception)


def test_models_that_are_ready_say_for_which_task() -> None:
    ready = {key: plugins.declared("models", key, "READY") for key in plugins.keys("models")}
    named = {key for key, task in ready.items() if task is not None}
    assert named == {key for key in ready if hasattr(plugins.load("models", key), "ready")}
    assert {task for task in ready.values() if task} <= set(plugins.keys("tasks"))
    assert api.card("lead")["task"] == ready["lead"]
    assert plugins.declared("models", "no such model", "READY") is None
