"""Warnings of the package on standard error."""

from __future__ import annotations

import logging

import pytest

from anysize.cli.output import show_warnings


def test_warnings_are_shown_whatever_a_library_does_to_the_root(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before = root.level
    try:
        show_warnings()
        root.setLevel(logging.ERROR)
        logging.getLogger("anysize").warning("a column is left out")
    finally:
        root.setLevel(before)
    assert "a column is left out" in capsys.readouterr().err
