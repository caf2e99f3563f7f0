"""What packages beside transformers say while they are imported does not reach the user."""

from __future__ import annotations

import logging
import subprocess
import sys

PROGRAM = """
import logging
{before}
import anysize.models

logging.getLogger("torchao").warning("Failed to load _C_cutlass_90a.abi3.so")
logging.getLogger("torchao.kernel").warning("no triton")
logging.getLogger("torch.utils._pytree").warning("register_constant() is deprecated")
logging.getLogger("torchao").error("an error of torchao")
logging.getLogger("anysize.sources.folder").warning("a warning of ours")
"""


def said(before: str = "") -> list[str]:
    program = PROGRAM.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stderr.splitlines()


def test_warnings_of_other_packages_are_kept_back_and_errors_and_ours_are_not() -> None:
    assert said() == ["an error of torchao", "a warning of ours"]


def test_a_level_that_the_program_has_set_stays() -> None:
    level = f"logging.getLogger('torchao').setLevel({logging.WARNING})"
    assert said(level) == [
        "Failed to load _C_cutlass_90a.abi3.so",
        "no triton",
        "an error of torchao",
        "a warning of ours",
    ]
