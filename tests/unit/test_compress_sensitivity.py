"""What is remembered of a network's layers holds for its next conversion, which names them anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from anysize.compression.quantization import Graph
from anysize.compression.sensitivity import remembered


class Converted:
    """A network as converted: its layers, as they are called this time."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def layers(self) -> list[str]:
        return list(self._names)


def test_layers_are_remembered_by_their_places(tmp_path: Path) -> None:
    path = tmp_path / "sensitivity.json"
    entries: list[dict[str, Any]] = [
        {"layer": "Multiply_12", "place": 1, "error": 1.5, "changed": 0.5},
        {"layer": "head", "place": 2, "error": 0.2, "changed": 0.0},
        {"layer": "Multiply_11", "place": 0, "error": 0.1, "changed": 0.0},
    ]
    path.write_text(json.dumps(entries), encoding="utf-8")
    graph = cast(Graph, Converted("Multiply_71", "Multiply_72", "head"))
    said: list[str] = []
    found = remembered(graph, path, said.append)
    assert [each.layer for each in found] == ["Multiply_72", "head", "Multiply_71"]
    assert [each.error for each in found] == [1.5, 0.2, 0.1]
    assert not said, "it was measured again"
