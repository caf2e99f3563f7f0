"""A voice of Piper's format that is made on the spot: 64 samples for each id, and noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PER_ID = 64
RATE = 8000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz .,!?;:'-"


def ids(letters: str = LETTERS) -> dict[str, list[int]]:
    """The ids of a voice that reads these letters."""
    return {one: [number] for number, one in enumerate("_^$" + letters)}


def write_voice(folder: Path, *, speakers: int = 1, table: Any = None, **changes: Any) -> Path:
    """Writes ``voice.onnx`` and its configuration; ``changes`` are entries of the latter.

    A sample is ``id * length_scale / 1000 + noise * noise_scale / 1000``, and of another speaker
    than the first its sign is turned. A ``table`` ``[ids, 64]`` of weights gives the samples of
    each id in its place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "voice.onnx"

    def value(name: str, content: Any, kind: int = TensorProto.FLOAT) -> Any:
        array = np.asarray(content)
        return helper.make_tensor(name, kind, array.shape, array.ravel().tolist())

    nodes = [
        *(
            [
                helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
                helper.make_node("Unsqueeze", ["numbers", "two"], ["columns"]),
                helper.make_node("Mul", ["columns", "ones"], ["spread"]),
            ]
            if table is None
            else [helper.make_node("Gather", ["table", "input"], ["spread"])]
        ),
        helper.make_node("RandomNormalLike", ["spread"], ["drawn"], dtype=TensorProto.FLOAT),
        helper.make_node("Split", ["scales"], ["noise", "length", "noise_w"], num_outputs=3),
        helper.make_node("Mul", ["spread", "length"], ["longer"]),
        helper.make_node("Mul", ["drawn", "noise"], ["noisy"]),
        helper.make_node("Add", ["longer", "noisy"], ["large"]),
        helper.make_node("Div", ["large", "thousand"], ["small"]),
        helper.make_node("Reshape", ["small", "shape"], ["output" if speakers == 1 else "plain"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "ids"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
        nodes += [
            helper.make_node("Gather", ["signs", "sid"], ["sign"]),
            helper.make_node("Mul", ["plain", "sign"], ["output"]),
        ]
    graph = helper.make_graph(
        nodes, "voice", inputs,
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "samples"])],
        [
            value("two", [2], TensorProto.INT64), value("ones", np.ones(PER_ID)),
            value("thousand", 1000.0), value("shape", [1, 1, 1, -1], TensorProto.INT64),
            value("signs", [1.0] + [-1.0] * (speakers - 1)),
            *([] if table is None else [numpy_helper.from_array(table, "table")]),
        ],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, str(path))
    settings: dict[str, Any] = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "text",
        "inference": {"noise_scale": 0.5, "length_scale": 1, "noise_w": 0.8},
        "phoneme_id_map": ids(),
        "num_speakers": speakers,
        "speaker_id_map": {f"speaker {number}": number for number in range(speakers)},
        **changes,
    }
    (folder / "voice.onnx.json").write_text(json.dumps(settings), encoding="utf-8")
    return path
