"""Sizes as people write them."""

from __future__ import annotations

import pytest

from anysize.core.errors import ConfigurationError
from anysize.core.memory import format_size, parse_size, peak, resident


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2 << 30), ("2g", 2 << 30), ("1.5 GB", 1_500_000_000), ("512MiB", 512 << 20),
        ("300", 300), ("64kb", 64_000), ("7K", 7168),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "0", "2 gigs", "1e9", "٣GiB"])
def test_not_sizes(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--memory"):
        parse_size(text, "--memory")


def test_format() -> None:
    assert format_size(3 << 29) == "1.50 GiB"
    assert format_size(1536) == "1.5 KiB"


def test_the_system_is_asked() -> None:
    assert 1 << 20 < resident() <= peak()
