"""Memory of a run: everything it started, shared pages once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from regionwise.memory import MemoryWatch, tree_mb

_HOLD = "import sys; held = bytearray(150 << 20); print('held', flush=True); sys.stdin.read()"
_SHARE = (
    "import os, sys; held = bytearray(150 << 20); is_parent = os.fork(); "
    "is_parent and print('held', flush=True); sys.stdin.read()"
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="the system does not say who holds what"
)


@pytest.mark.parametrize("code", [_HOLD, _SHARE])
def test_what_a_child_holds_counts_once(code: str) -> None:
    before = tree_mb(os.getpid())
    assert before is not None
    with (
        MemoryWatch(os.getpid()) as watch,
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child,
    ):
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"held\n"
        during = tree_mb(os.getpid())
        assert during is not None
        child.stdin.close()
    assert 150 <= during - before < 290
    assert watch.peak_mb is not None
    assert watch.peak_mb >= before


def test_without_proc_nothing_is_claimed(tmp_path: Path) -> None:
    assert tree_mb(os.getpid(), tmp_path) is None
