"""The diarization error rate against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from anysize.core.errors import ConfigurationError, DataError
from anysize.recognition.diarization_error import diarization_error
from anysize.recognition.turns import Turn

REFERENCE = [Turn(0, 10, "a"), Turn(10, 20, "b")]


def test_names_do_not_matter() -> None:
    found = diarization_error(REFERENCE, [Turn(0, 10, "x"), Turn(10, 20, "y")], collar=0)
    assert (found.speech, found.rate, found.speakers) == (20, 0, (2, 2))


def test_one_speaker_for_two_is_confusion_of_the_shorter() -> None:
    reference = [Turn(0, 12, "a"), Turn(12, 20, "b")]
    found = diarization_error(reference, [Turn(0, 20, "x")], collar=0)
    assert (found.missed, found.false_alarm, found.confusion) == (0, 0, 8)
    assert found.rate == pytest.approx(8 / 20)


def test_missed_and_false_alarm_are_apart() -> None:
    # a speaks from 0 to 10; found from 2 to 13, of which 10 to 13 is b, who is missed after it.
    found = diarization_error(REFERENCE, [Turn(2, 13, "x"), Turn(22, 25, "x")], collar=0)
    assert found.missed == pytest.approx(2 + 7)
    assert found.false_alarm == pytest.approx(3)
    assert found.confusion == pytest.approx(3)
    assert found.rate == pytest.approx(15 / 20)


def test_the_matching_is_the_best_one_not_the_first() -> None:
    # x shares 6 with a and 5 with b; y shares 4 with a alone: a-y and b-x are worth 9, a-x only 6.
    reference = [Turn(0, 10, "a"), Turn(10, 15, "b")]
    found = diarization_error(reference, [Turn(0, 6, "x"), Turn(6, 10, "y"), Turn(10, 15, "x")])
    exact = diarization_error(
        reference, [Turn(0, 6, "x"), Turn(6, 10, "y"), Turn(10, 15, "x")], collar=0
    )
    assert exact.confusion == pytest.approx(6)
    assert found.speech == pytest.approx(15 - 4 * 0.25)


def test_overlapping_speech_counts_for_each_speaker() -> None:
    reference = [Turn(0, 10, "a"), Turn(6, 12, "b")]
    found = diarization_error(reference, [Turn(0, 10, "x"), Turn(10, 12, "y")], collar=0)
    assert found.speech == 16
    assert (found.missed, found.false_alarm, found.confusion) == (4, 0, 0)
    both = diarization_error(reference, [Turn(0, 10, "x"), Turn(6, 12, "y")], collar=0)
    assert both.rate == 0


def test_one_speaker_twice_at_once_counts_once() -> None:
    reference = [Turn(0, 6, "a"), Turn(4, 10, "a")]
    assert diarization_error(reference, [Turn(0, 10, "x")], collar=0).rate == 0
    assert diarization_error([Turn(0, 10, "a")], reference, collar=0).rate == 0


def test_the_collar_is_not_scored_on_either_side_of_the_reference_alone() -> None:
    found = [Turn(0.2, 10.2, "x"), Turn(10.2, 20.2, "y")]
    scored = diarization_error(REFERENCE, found, collar=0.25)
    assert scored.speech == pytest.approx(20 - 0.25 - 0.5 - 0.25)
    assert scored.rate == 0
    strict = diarization_error(REFERENCE, found, collar=0)
    assert (strict.missed, strict.confusion) == (pytest.approx(0.2), pytest.approx(0.2))
    assert strict.false_alarm == pytest.approx(0.2)
    # A border of what was found has no collar of its own.
    late = diarization_error(REFERENCE, [Turn(0, 5, "x"), Turn(6, 10, "x"), Turn(10, 20, "y")])
    assert late.missed == pytest.approx(1)


def test_collars_that_overlap_are_joined() -> None:
    reference = [Turn(0, 1, "a"), Turn(1.1, 2, "a"), Turn(2.2, 5, "a")]
    found = diarization_error(reference, [], collar=0.25)
    assert found.speech == pytest.approx(0.5 + 0.4 + (2.8 - 0.5))
    assert found.rate == 1.0


def test_nothing_found_is_all_missed_and_nothing_there_has_no_rate() -> None:
    assert diarization_error(REFERENCE, [], collar=0).rate == 1.0
    nothing = diarization_error([], [Turn(0, 5, "x")], collar=0)
    assert nothing.false_alarm == 5
    with pytest.raises(DataError, match="nothing to score"):
        _ = nothing.rate
    assert diarization_error([], []).speech == 0


def test_recordings_add_up() -> None:
    one = diarization_error(REFERENCE, [], collar=0)
    other = diarization_error(REFERENCE, REFERENCE, collar=0)
    both = one + other
    assert (both.speech, both.rate, both.speakers) == (40, 0.5, (4, 2))
    with pytest.raises(ConfigurationError):
        _ = one + diarization_error(REFERENCE, [], collar=0.1)
    with pytest.raises(ConfigurationError, match="collar"):
        diarization_error(REFERENCE, [], collar=-1)


def test_random_turns_are_scored_as_on_a_fine_grid() -> None:
    scipy = pytest.importorskip("scipy.optimize")
    random = np.random.default_rng(0)
    for _ in range(10):
        drawn = []
        for names in ("abc", "wxyz"):
            starts = random.integers(0, 90, 12) / 10
            stops = starts + random.integers(1, 30, 12) / 10
            drawn.append(
                [
                    Turn(start, stop, names[place % len(names)])
                    for place, (start, stop) in enumerate(
                        zip(starts.tolist(), stops.tolist(), strict=True)
                    )
                ]
            )
        step = 0.1
        middles = np.arange(0, 13, step) + step / 2
        grids = [
            np.array(
                [
                    [
                        any(t.start <= m < t.stop for t in turns if t.speaker == name)
                        for m in middles
                    ]
                    for name in sorted({turn.speaker for turn in turns})
                ]
            )
            for turns in drawn
        ]
        there, given = grids[0].sum(0), grids[1].sum(0)
        common = grids[0].astype(float) @ grids[1].T
        right = common[scipy.linear_sum_assignment(common, maximize=True)].sum()
        found = diarization_error(*drawn, collar=0)
        assert found.speech == pytest.approx(step * there.sum())
        assert found.missed == pytest.approx(step * np.maximum(there - given, 0).sum())
        assert found.false_alarm == pytest.approx(step * np.maximum(given - there, 0).sum())
        wanted = step * (np.minimum(there, given).sum() - right)
        assert found.confusion == pytest.approx(wanted, abs=1e-9)
