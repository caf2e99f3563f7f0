"""Options of speech recognition that would do nothing are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from anysize.core.errors import ConfigurationError
from anysize.tasks.speech.options import SpeechOptions, foreign

OF_WHISPER = ("language", "translate", "voice", "guard")


def test_what_is_as_usual_is_no_wish() -> None:
    assert foreign(SpeechOptions(beams=4, words=True), OF_WHISPER, "others", "mine") == []


@pytest.mark.parametrize(
    "wish", [{"language": "zh"}, {"translate": True}, {"voice": False}, {"guard": False}]
)
def test_what_another_kind_of_network_does_is_refused(wish: dict[str, Any]) -> None:
    (problem,) = foreign(SpeechOptions(**wish), OF_WHISPER, "models of Whisper", "mine")
    name = next(iter(wish))
    assert (
        problem
        == f"{name} is only for models of Whisper, and mine is not one of them: leave it out"
    )


def test_a_bonus_for_tokens_needs_a_beam_search() -> None:
    with pytest.raises(ConfigurationError, match="token_bonus has no effect without beam search"):
        SpeechOptions(token_bonus=0.5)
    assert SpeechOptions(token_bonus=0.5, beams=8).token_bonus == 0.5
