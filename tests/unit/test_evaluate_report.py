"""The report page, the metrics file, excerpts and the terminal tables."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from jinja2 import UndefinedError
from rich.console import Console

from anysize.core.errors import DataError, MissingExtraError
from anysize.core.excerpts import Excerpt
from anysize.core.findings import Finding
from anysize.core.objects import Annotation, Detection
from anysize.core.receipts import Receipt
from anysize.core.records import Record, Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import Evaluation, evaluate, pages, render, render_report, write_report
from anysize.evaluation.detection_report import write as write_detections
from anysize.evaluation.detection_result import DetectionEvaluation, Misses
from anysize.evaluation.excerpts import excerpt_reader
from anysize.evaluation.mistakes import Mistake
from anysize.modalities.pictures.excerpt import excerpt_of as image_excerpt
from anysize.modalities.texts.excerpt import excerpt_of as text_excerpt
from anysize.readers.image import Image
from anysize.tasks.detection_coco import ClassScore, CocoScores

pytest.importorskip("matplotlib")
pillow = pytest.importorskip("PIL.Image")

HOSTILE = "<script>alert('体育 & \"x\"')</script>"


def stream(labels: list[str], records: int, windows: int = 4) -> Iterator[Result | ErrorResult]:
    generator = np.random.default_rng(0)
    for index in range(records):
        if index % 40 == 39:
            yield ErrorResult(id=f"{HOSTILE}{index}", error=f"torn {HOSTILE}")
            continue
        target = int(generator.integers(len(labels)))
        logits = generator.normal(size=(2, len(labels)))
        logits[:, target] += 2
        shares = np.exp(logits)
        full, first = shares / shares.sum(axis=1, keepdims=True)
        count = int(generator.integers(1, windows + 1))
        yield Result(
            id=f"r{index}",
            prediction=labels[int(full.argmax())],
            score=float(full.max()),
            receipt=Receipt(
                extent=100 * count, unit="tokens", windows=count, covered=1.0, dropped=0,
                merge="mean", fidelity="exact" if count == 1 else "approximate",
            ),
            details={
                "probabilities": dict(zip(labels, full.tolist(), strict=True)),
                "first_window": dict(zip(labels, first.tolist(), strict=True)),
            },
            target=labels[target] if index else "unheard of",
        )  # fmt: skip


def evaluated(labels: list[str], records: int = 200, windows: int = 4) -> Evaluation:
    def excerpt(mistake: Mistake) -> Excerpt:
        return Excerpt(text=f"Ein Stück Text 一段文字 {HOSTILE}", where="the beginning")

    return evaluate(stream(labels, records, windows), labels, excerpt=excerpt)


class Balance(HTMLParser):
    """Every element is closed in order, and nothing is fetched from elsewhere."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert value is not None and value.startswith(("data:", "#"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Balance:
    reader = Balance()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("classes", [2, 10, 24, 100])
def test_page_is_complete_and_needs_nothing_else(classes: int) -> None:
    labels = [f"类别 {index}" for index in range(classes)]
    page = render_report(evaluated(labels), title="Test")
    found = parsed(page)
    assert "script" not in found.seen and "link" not in found.seen
    assert not re.search(r"@import|url\((?!#)", page)
    words = "".join(found.text)
    for title in (
        "Against simple baselines", "By size of the input", "Calibration", "Classes", "Confusion",
        "Worst mistakes", "Could not be read", "Provenance",
    ):  # fmt: skip
        assert title in words
    assert "类别 1" in words and "一段文字" in words and "unheard of" in words
    assert found.seen.count("svg") == (5 if classes > 30 else 4)
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ElementTree.fromstring(svg)
    # Every stand-in colour has become a variable of the style.
    assert not re.search(r"#(010203|040506|070809|0a0b0c|0d0e0f)", page)


def test_everything_from_the_data_is_escaped() -> None:
    labels = [HOSTILE, "b", "c<d>"]
    card = {"task": HOSTILE, "model": HOSTILE, "labels": labels, HOSTILE: HOSTILE}
    page = render_report(evaluated(labels), card=card, title=HOSTILE)
    assert "script" not in parsed(page).seen
    assert HOSTILE not in page


def test_same_evaluation_gives_the_same_page() -> None:
    labels = ["a", "b"]
    assert render_report(evaluated(labels)) == render_report(evaluated(labels))


@pytest.mark.parametrize("records", [2, 3])
def test_tiny_evaluations_have_a_page(records: int) -> None:
    assert "svg" in parsed(render_report(evaluated(["a", "b"], records=records, windows=1))).seen


def test_records_of_one_window_need_no_size_plot() -> None:
    same = evaluated(["a", "b"], windows=1)
    assert parsed(render_report(same)).seen.count("svg") == 3


def test_writes_both_files_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = evaluated(["体育", "b"])
    card = {"task": "text-classification", "model": "minilm", "labels": ("体育", "b")}
    metrics, report = write_report(evaluation, tmp_path / "out", card=card)
    entries = json.loads(metrics.read_text(encoding="utf-8"))
    assert next(iter(entries)) == "accuracy"
    assert entries["accuracy"] == evaluation.summary.accuracy
    assert entries["provenance"]["labels"] == ["体育", "b"]
    assert "text-classification · minilm" in report.read_text(encoding="utf-8")
    before = report.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            write_report(evaluation, tmp_path / "out")
    assert report.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "metrics.json",
        "report.html",
    ]


def test_names_that_are_not_unicode_do_not_cost_the_report(tmp_path: Path) -> None:
    results = [*stream(["a", "b"], 30), ErrorResult(id="caf\udce9.jpg", error="torn")]
    _, report = write_report(evaluate(results, ["a", "b"]), tmp_path)
    assert "caf?.jpg" in report.read_text(encoding="utf-8")


def test_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = evaluated(["a", "b"])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"anysize\[report\]"):
        render_report(evaluation)


def test_plots_leave_no_global_state() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    render_report(evaluated(["a", "b"]))
    assert dict(matplotlib.rcParams) == before


def test_package_is_light_until_used() -> None:
    code = (
        "import sys, anysize.evaluation\n"
        "assert not any(name.startswith('anysize.evaluation.') for name in sys.modules)\n"
        "from anysize.evaluation import evaluate, render, write_report, text_statistics\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'PIL', 'pyvips', 'cv2', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@dataclass(frozen=True)
class Story:
    content: str
    origin: str = "story.txt"

    @property
    def size_hint(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[str]:
        yield self.content

    def read(self, start: int, stop: int) -> str:
        return self.content[start:stop]


@dataclass(frozen=True)
class Photo:
    width: int
    height: int
    origin: str = "photo.jpg"

    @property
    def extent(self) -> tuple[int, int]:
        return self.width, self.height

    def resized(self, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), 128, dtype=np.uint8)

    def regions(self, boxes: object) -> Iterator[np.ndarray]:
        raise NotImplementedError


def mistake(region: dict[str, int] | None = None) -> Mistake:
    receipt = Receipt(
        extent=1, unit="tokens", windows=1, covered=1.0, dropped=0, merge="mean", fidelity="exact"
    )
    return Mistake(
        ordinal=0, id="r0", target="a", prediction="b", score=0.9, target_probability=0.1,
        receipt=receipt, region=region,
    )  # fmt: skip


def test_text_excerpts() -> None:
    assert text_excerpt(Story("short"), {}) == Excerpt(text="short", where="")
    story = Story("0123456789" * 100)
    cut = text_excerpt(story, {}, characters=10)
    assert (cut.text, cut.where) == ("0123456789…", "the first 10 characters")
    exact = text_excerpt(Story("0123456789"), {}, characters=10)
    assert (exact.text, exact.where) == ("0123456789", "")
    inside = text_excerpt(story, {"start": 25, "stop": 28}, characters=10)
    assert inside.text == "…567…"
    assert "from character 25" in inside.where
    long = text_excerpt(story, {"start": 5, "stop": 900}, characters=10)
    assert long.text == "…5678901234…"


def test_picture_excerpts_are_small_and_outlined() -> None:
    plain = image_excerpt(Photo(4000, 3000), {})
    assert plain.image is not None and plain.media_type == "image/jpeg"
    assert pillow.open(io.BytesIO(plain.image)).size == (176, 132)
    tile = {"left": 2000, "top": 1500, "right": 4000, "bottom": 3000}
    outlined = image_excerpt(Photo(4000, 3000), tile)
    assert outlined.image is not None and "outlined" in outlined.where
    pixels = np.asarray(pillow.open(io.BytesIO(outlined.image)).convert("RGB")).astype(int)
    red = pixels[..., 0] - pixels[..., 2] > 60
    assert red[66, 100:170].mean() > 0.9 and not red[:60, :80].any()
    assert not red[80:120, 100:160].any()
    small = image_excerpt(Photo(8, 8), {})
    assert small.image is not None and small.media_type == "image/png"
    assert pillow.open(io.BytesIO(small.image)).size == (8, 8)
    thin = image_excerpt(Photo(100_000, 3), {"left": 9, "top": 0, "right": 10, "bottom": 3})
    assert thin.image is not None


def test_excerpts_of_records_that_cannot_be_read_any_more() -> None:
    def gone(ordinal: int) -> Record:
        raise DataError("r0", "was deleted")

    assert excerpt_reader(gone)(mistake()).where == "cannot be shown: was deleted"
    record = Record(id="r0", fields={"text": Story("short")})
    assert excerpt_reader(lambda ordinal: record)(mistake()).text == "short"


def test_evaluation_in_a_terminal() -> None:
    out = io.StringIO()
    Console(file=out, width=120, color_system=None).print(render(evaluated(["[red]a", "[red]b"])))
    shown = out.getvalue()
    for words in ("accuracy", "macro_f1", "ece", "majority_class", "one_window", "unheard of"):
        assert words in shown
    assert "always '[red]" in shown
    with pytest.raises(TypeError, match="cannot render int"):
        render(1)


class Pictures(Sequence[Record]):
    """Two pictures, of which the second cannot be read."""

    name = HOSTILE

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Record:
        if index:
            raise DataError(f"1 {HOSTILE}", "is torn")
        image = Image.from_pixels(np.zeros((40, 60, 3), np.uint8))
        return Record(id=HOSTILE, fields={"image": image})

    def fingerprint(self) -> str:
        return "0"


def test_a_detectors_page_draws_its_misses_and_escapes_names(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    curve = np.linspace(1, 0, 101)
    score = ClassScore(
        label=HOSTILE, objects=3, ap=0.5, ap50=0.6, ap75=0.4, recall50=0.7, curve=curve,
        scores=curve,
    )  # fmt: skip
    worst = [
        Misses(
            index=index,
            id=f"{index} {HOSTILE}",
            found=(Detection(label=HOSTILE, score=0.9, box=(1.0, 2.0, 11.0, 22.0)),),
            false=(),
            missed=(Annotation(label=HOSTILE, box=(5.0, 5.0, 9.0, 9.0)),),
        )
        for index in range(2)
    ]
    evaluation = DetectionEvaluation(
        labels=(HOSTILE,),
        scores=CocoScores(main={"ap": 0.5, "ap50": 0.6, "ar": 0.7}, classes=(score,), limit=100),
        threshold=0.3, pictures=2, objects=3, windows=2, found=2, false=0, missed=2,
        worst=tuple(worst), unknown_labels={HOSTILE: 1}, without_target=1, failure_count=0,
        failures=(),
        findings=(Finding(code="c", level="note", message=HOSTILE, count=1, unit="rows"),),
    )  # fmt: skip
    write_detections(evaluation, tmp_path, card={"task": HOSTILE}, source=cast(Source, Pictures()))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = parsed(page)
    assert "script" not in found.seen
    assert HOSTILE not in page
    assert found.seen.count("rect") >= 2 and 'width="10.0" height="20.0"' in page
    words = "".join(found.text)
    assert "is torn" in words and "1 missed" in words and "Worst misses" in words
    assert "50.0 %" in words and "at a score of 0.3" in words
    assert json.loads((tmp_path / "metrics.json").read_text())["ap"] == 0.5


def test_a_value_that_a_template_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        pages.page("evaluation/templates/detection.html", title="t", findings=(), provenance={})
