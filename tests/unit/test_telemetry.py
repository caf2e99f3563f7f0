"""No verb calls home: nothing connects, forks for it or writes into the home folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import anysize.models  # noqa: F401 (switches them off in this process)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="needs OpenVINO"
)

WATCH = """
import os, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "os.fork", "os.forkpty"):
        print("REFUSED", event, arguments, file=sys.stderr, flush=True)
        os._exit(99)

sys.addaudithook(refuse)
"""

CONVERSION = """
from transformers import BertConfig, BertForSequenceClassification
from anysize.models.network import Network
from anysize.modalities.texts.settings import TextSettings
from anysize.runtimes.openvino import OpenVinoRuntime

config = BertConfig(
    vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=16, num_labels=2,
)
module = BertForSequenceClassification(config).eval()
network = Network(module=module, spec="small", settings=TextSettings(window=32))
OpenVinoRuntime(network).close()
"""

# What OpenVINO and NNCF do, in a program that had imported the package before us.
LATE = """
import openvino_telemetry
import anysize.models

told = openvino_telemetry.Telemetry(
    "OVC", "1", "G-1", "ga4", enable_opt_in_dialog=False, disable_in_ci=True
)
told.send_event("ovc", "conversion", "label")
told.start_session("ovc")
told.force_shutdown(0.1)
"""


@pytest.mark.parametrize("program", [CONVERSION, LATE], ids=["conversion", "late"])
def test_usage_statistics_are_off(tmp_path: Path, program: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", WATCH + program + "print('done')"],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("done\n"), done.stderr
    assert list(tmp_path.rglob("*intel*")) == []
    assert list(tmp_path.rglob("*openvino*")) == []


def test_nncf_takes_its_stand_in() -> None:
    wrapper = pytest.importorskip("nncf.telemetry.wrapper")
    assert not hasattr(wrapper, "Telemetry")
