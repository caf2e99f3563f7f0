"""Numbers as reports write them."""

from __future__ import annotations

import pytest

from anysize.evaluation.numbers import quantity


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5302.7, "5,303"), (10570.4, "10,570"), (1234567.0, "1,234,567"), (0.012344, "0.01234"),
        (99.996, "100.00"), (0.0, "0"), (-40183.2, "-40,183"), (2.5e-9, "2.5e-09"),
        (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_quantities_have_four_digits_and_no_exponent(value: float, shown: str) -> None:
    assert quantity(value) == shown


def test_a_signed_quantity() -> None:
    assert [quantity(value, signed=True) for value in (40183.2, -0.5)] == ["+40,183", "-0.5000"]
