"""Pages of events: what is drawn, what can be listened to, and what is counted."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.recordings import RATE, chirp

from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.modalities.sounds import clip
from anysize.modalities.sounds.excerpt import excerpt_of
from anysize.readers.audio.sound import Sound
from anysize.results.sound_pages import MOST_LISTED, MOST_PLAYED, SoundPages

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")
pytest.importorskip("jinja2")


def result(samples: NDArray[np.float32], events: list[dict[str, Any]] | None) -> Result:
    receipt = Receipt(
        extent=len(samples), unit="samples", windows=1, covered=1.0, dropped=0, merge="timeline",
        fidelity="local", counts={"milliseconds": len(samples) * 1000 // RATE},
    )  # fmt: skip
    details = {} if events is None else {"events": events, "event_rule": {"hold": 0.25}}
    return Result(id="r", prediction=None, score=None, receipt=receipt, details=details)


def event(label: str, start: int, end: int, score: float = 0.5) -> dict[str, Any]:
    return {"label": label, "start": start, "end": end, "score": score, "peak": score}


def drawn(tmp_path: Path, samples: NDArray[np.float32], events: list[dict[str, Any]]) -> str:
    pages = SoundPages(tmp_path)
    record = Record(id="r", fields={"audio": Sound(samples, rate=RATE)})
    pages.add("street/a <b>.wav", record, result(samples, events))
    assert list(pages.words()) == [f"1 pages written in {tmp_path}"]
    (path,) = tmp_path.glob("*.html")
    return path.read_text(encoding="utf-8")


def players(text: str) -> list[bytes]:
    return [
        base64.b64decode(one) for one in re.findall(r'src="data:audio/[a-z]+;base64,([^"]+)"', text)
    ]


def test_events_are_drawn_and_played_from_their_place(tmp_path: Path) -> None:
    # Each second has a pitch of its own.
    time = np.arange(RATE) / RATE
    samples = np.concatenate(
        [0.5 * np.sin(2 * np.pi * 300 * (1 + n) * time) for n in range(9)]
    ).astype(np.float32)
    events = [event("dog & cat", 3250, 3750, 0.8), event("雨", 0, 9000, 0.6)]
    text = drawn(tmp_path, samples, events)
    assert "a &lt;b&gt;.wav" in text and "dog &amp; cat" in text and "雨" in text
    assert "http" not in re.sub(r"data:[^\"]+|http://www.w3.org[^\"]*", "", text)
    first, second = players(text)
    heard, rate = soundfile.read(io.BytesIO(first))
    assert len(heard) / rate == pytest.approx(1.0, abs=0.01)
    middle = heard[rate // 4 : -rate // 4]
    pitch = np.abs(np.fft.rfft(middle)).argmax() * rate / len(middle)
    assert pitch == pytest.approx(1200, abs=5)
    heard, rate = soundfile.read(io.BytesIO(second))
    assert len(heard) / rate == pytest.approx(clip.SECONDS, abs=0.01)
    assert "2 of 2 events have an excerpt" in text
    assert "0:03.2" in text or "0:03.3" in text


def test_pages_stay_small_and_say_what_they_leave_out(tmp_path: Path) -> None:
    samples = chirp(30.0)
    count = MOST_LISTED + 70
    events = [
        event(f"label {place % 25}", 50 * place, 50 * place + 50, place / count)
        for place in range(count)
    ]
    text = drawn(tmp_path, samples, events)
    # Those with the highest scores are the last ones, some of which are not listed.
    assert len(players(text)) <= MOST_PLAYED
    assert "70 more events are not listed" in text
    assert "5 more labels are not drawn" in text
    assert len(text) < 3_000_000


def test_results_without_events_and_recordings_that_are_gone_are_counted(tmp_path: Path) -> None:
    pages = SoundPages(tmp_path)
    record = Record(id="r", fields={"audio": Sound(tmp_path / "gone.wav")})
    pages.add("a", record, result(chirp(1.0), None))
    pages.add("b", record, result(chirp(1.0), []))
    words = list(pages.words())
    assert words[0].startswith("0 pages")
    assert words[1].startswith("1 recordings could not be drawn")
    assert "give --merge timeline" in words[2]


def test_an_excerpt_is_a_picture_and_a_few_seconds() -> None:
    field = Sound(chirp(20.0), rate=RATE)
    found = excerpt_of(field, {})
    assert found.where == "shown are the first 6.0 seconds"
    assert found.image is not None and found.sound is not None
    assert found.image.startswith(b"\x89PNG")
    heard, rate = soundfile.read(io.BytesIO(found.sound))
    assert (len(heard) / rate, rate) == (clip.SECONDS, RATE)
    assert len(found.sound) < 60_000
    later = excerpt_of(field, {"start": 8 * RATE, "stop": 9 * RATE, "rate": RATE})
    assert later.where == "shown are 6.0 seconds from second 8.0 on"
    short = excerpt_of(Sound(np.zeros(9, np.float32), rate=44_100), {})
    assert (short.where, short.image is not None) == ("", True)
