"""What a configuration may ask for."""

from __future__ import annotations

import pytest

from anysize.core.errors import BundleError
from anysize.models.opening.limits import check_configuration


def test_a_class_that_is_named_like_a_setting_is_no_setting() -> None:
    labels = [*(f"class {number}" for number in range(485)), "CD player", "street blocks"]
    entries = {
        "num_hidden_layers": 2,
        "label2id": {label: number for number, label in enumerate(labels)},
        "id2label": {str(number): label for number, label in enumerate(labels)},
    }
    check_configuration("model", entries, 40)
    with pytest.raises(BundleError, match="num_hidden_layers = 485"):
        check_configuration("model", entries | {"num_hidden_layers": 485}, 40)
