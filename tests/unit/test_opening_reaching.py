"""Hub ids without a network: an answer at once."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from anysize.core.errors import BundleError
from anysize.models.opening.reaching import reached

hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")


def test_what_is_not_in_the_cache_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def refuse(place: object, timeout: float) -> socket.socket:
        asked.append(place)
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BundleError, match="HF_HUB_OFFLINE is set"), reached("somebody/nothing"):
        raise AssertionError
    assert not asked
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with pytest.raises(BundleError, match="cannot be reached"), reached("somebody/nothing"):
        raise AssertionError
    assert asked == [("hub.invalid", 80)]


def test_what_is_in_the_cache_is_loaded_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: "/cache/config.json")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("anysize.models.opening.reaching.answers", lambda _: False)
    with reached("somebody/something"):
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


def test_folders_ask_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("anysize.models.opening.reaching.answers", asked.append)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with reached(str(tmp_path)):
        assert not constants.HF_HUB_OFFLINE
    assert not asked
