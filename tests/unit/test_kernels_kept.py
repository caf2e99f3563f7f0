"""Kernels for products of ever other lengths are forgotten again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from anysize.models.processor import multiplies_bfloat16

# Prints how many MiB of the heap are in use more after products of 240 lengths than after 120.
PROGRAM = """
import ctypes, sys
from anysize.core import memory
memory.bound_kernels(int(sys.argv[1]), held=int(sys.argv[1]))
import torch

class Figures(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost",
    )]

heap = ctypes.CDLL("libc.so.6").mallinfo2
heap.restype = Figures
used = []
for length in range(1, 241):
    rows = torch.ones(8, length, 32, dtype=torch.bfloat16)
    torch.bmm(rows, rows.transpose(1, 2))
    if length % 120 == 0:
        del rows
        found = heap()
        used.append((found.uordblks + found.hblkhd) >> 20)
print(used[1] - used[0])
"""
CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


@pytest.mark.skipif(sys.platform != "linux", reason="the heap is glibc's")
@pytest.mark.skipif(not multiplies_bfloat16(), reason="the processor has no products of bfloat16")
def test_kernels_for_ever_other_lengths_do_not_add_up() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in CACHES}

    def growth(kept: int) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(kept)], env=clean, capture_output=True, text=True
        )
        if "mallinfo2" in done.stderr:
            pytest.skip("the C library does not say what the heap holds")
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    bounded, usual = growth(32), growth(1024)
    # The second hundred takes the place of the first, where all of them would stay otherwise.
    assert bounded < 4
    assert usual > 20
