"""int8 text classification: anysize against ``transformers.pipeline`` and hand-written int8.

MiniLM fine-tuned on rotten_tomatoes, every text of its test split. The peers: the pipeline in
float32 at its best batch size; NNCF and OpenVINO by hand, with length-sorted batches; torchao's
dynamic int8; ONNX Runtime's dynamic int8; ``torch.ao``'s dynamic int8. The systems take turns.

    python -m benchmarks.quantization [--bundle DIR] [--texts 1066] [--rounds 3]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import anysize
from anysize import api
from anysize.models.bundle import files_of
from benchmarks import common
from benchmarks.text_prediction import fine_tuned, pipeline

Labels = Callable[[], list[str]]
BUDGET = 4096


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", help="a fine-tuned bundle; made first where it is not given")
    parser.add_argument("--texts", type=int, default=1066)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(common.machine())
    bundle = arguments.bundle or fine_tuned()
    small = quantized(bundle)
    before, after = (
        sum(path.stat().st_size for path in files_of(each)) for each in (bundle, small)
    )
    print(f"size {after / 1e6:.1f} MB of {before / 1e6:.1f} MB: {after / before:.3f}")

    pairs = common.rotten_tomatoes("test")[: arguments.texts]
    texts, targets = [text for text, _ in pairs], [label for _, label in pairs]
    systems: dict[str, Labels] = {
        f"pipeline float32 batch {batch}": pipeline(bundle, texts, "float32", batch)
        for batch in (1, 8)
    }
    systems |= by_hand(bundle, texts)
    systems["anysize float32"] = ours(bundle, texts)
    systems["anysize int8"] = ours(small, texts)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    labels: dict[str, list[str]] = {}
    for name, run in systems.items():
        run()
        del name
    for _ in range(arguments.rounds):
        for name, run in systems.items():
            start = time.perf_counter()
            labels[name] = run()
            seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        rates = [len(texts) / value for value in times]
        right = np.mean([one == two for one, two in zip(labels[name], targets, strict=True)])
        print(f"{name:<36} {common.spread(rates, 1):>24} texts/s, accuracy {right:.4f}")
    mine = seconds["anysize int8"]
    best = min(
        (name for name in systems if name.startswith("pipeline")),
        key=lambda name: statistics.median(seconds[name]),
    )
    for name in (best, *(name for name in systems if not name.startswith(("pipeline", "anysize")))):
        ratios = [b / a for a, b in zip(mine, seconds[name], strict=True)]
        print(f"anysize int8 against {name}: {common.spread(ratios)} times")


def size(folder: str | Path) -> int:
    """Bytes of everything that predicting needs."""
    return sum(path.stat().st_size for path in files_of(folder))


def quantized(bundle: str) -> Path:
    """The int8 bundle, judged on the test split as a user would have it judged."""
    out = common.scratch("quantization") / "int8"
    shutil.rmtree(out, ignore_errors=True)
    judgement = api.compress_report(
        bundle,
        out,
        data=common.data("rotten_tomatoes"),
        methods=["int8"],
        max_drop=0.005,
        say=print,
    )
    for each in judgement.candidates:
        print(f"judge: {each.to_json()}")
    if judgement.chosen is not None:
        return out
    raise SystemExit("the judge ships nothing")


def ours(bundle: str | Path, texts: list[str]) -> Labels:
    """The library as its users call it; planned and opened once, as the peers are."""
    model = anysize.load(bundle)
    options = anysize.PredictOptions()
    source = model.open(texts, options)
    # As for a larger job of the same kind, which is worth measuring the runtimes for.
    plan = model.plan(source, options, thorough=True)
    print(f"{bundle}: {'; '.join(plan.why)}")
    return common.predicting(model, source, options, plan)


def by_hand(bundle: str, texts: list[str]) -> dict[str, Labels]:
    """The peers that a careful engineer writes: batches sorted by length, no cutting needed."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle)
    systems: dict[str, Labels] = {}
    for name, make in (
        ("NNCF + OpenVINO by hand", nncf_openvino),
        ("ONNX Runtime dynamic int8", onnx_dynamic),
        ("torchao dynamic int8", torchao_dynamic),
        ("torch.ao dynamic int8", torch_dynamic),
    ):
        try:
            forward = make(bundle, tokenizer)
        except (ImportError, AttributeError, RuntimeError) as error:
            print(f"{name} does not run here: {str(error).splitlines()[0]}")
            continue
        systems[name] = common.sorted_batches(forward, tokenizer, texts, BUDGET)
    return systems


def module_of(bundle: str) -> torch.nn.Module:
    import transformers

    return transformers.AutoModelForSequenceClassification.from_pretrained(bundle).eval()


def nncf_openvino(bundle: str, tokenizer: Any) -> Callable[..., Any]:
    import nncf
    import openvino as ov

    sample = dict(tokenizer(["a text", "another text"], return_tensors="pt"))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    names = [name for name in names if name in sample]
    model = ov.convert_model(
        module_of(bundle),
        example_input={name: sample[name] for name in names},
        input=[(name, ov.PartialShape([-1, -1]), np.int64) for name in names],
    )

    def fed(ids: Any, mask: Any) -> dict[str, Any]:
        inputs = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in names:
            inputs["token_type_ids"] = np.zeros_like(ids)
        return inputs

    texts = [text for text, _ in common.rotten_tomatoes("train")[:300]]
    items = [np.array([tokenizer(text, truncation=True)["input_ids"]]) for text in texts]
    dataset = nncf.Dataset([fed(ids, np.ones_like(ids)) for ids in items])
    model = nncf.quantize(model, dataset, model_type=nncf.ModelType.TRANSFORMER)
    compiled = ov.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    return lambda ids, mask: request.infer(fed(ids, mask))[0]


def onnx_dynamic(bundle: str, tokenizer: Any) -> Callable[..., Any]:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder = common.scratch("quantization")
    plain, small = folder / "peer.onnx", folder / "peer-int8.onnx"
    ids = torch.ones(2, 16, dtype=torch.int64)
    free = {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module_of(bundle),
            (ids, ids),
            str(plain),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": free, "attention_mask": free, "logits": {0: "batch"}},
            dynamo=False,
        )
    quantize_dynamic(str(plain), str(small), weight_type=QuantType.QInt8)
    session = onnxruntime.InferenceSession(str(small), providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


def torchao_dynamic(bundle: str, tokenizer: Any) -> Callable[..., Any]:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    module = module_of(bundle)
    quantize_(module, Int8DynamicActivationInt8WeightConfig())
    return torch_forward(module)


def torch_dynamic(bundle: str, tokenizer: Any) -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.ao.quantization.quantize_dynamic(
            module_of(bundle), {torch.nn.Linear}, dtype=torch.qint8
        )
    return torch_forward(module)


def torch_forward(module: torch.nn.Module) -> Callable[..., Any]:
    def forward(ids: Any, mask: Any) -> Any:
        with torch.inference_mode():
            inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            return module(**inputs).logits.numpy()

    return forward


if __name__ == "__main__":
    main()
