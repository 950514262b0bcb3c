"""For all tests: one thread each, and a cache of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Two workers with two threads each would fight over two cores. Set before torch is loaded, and
    # inherited by every process that a test starts.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Tables are as wide as the terminal, and tests must not depend on whose terminal that is.
    os.environ["COLUMNS"] = "160"
    # The user's cache is left alone; this one outlives a run, so that the model is fetched once.
    os.environ.setdefault("REDRAFT_CACHE", str(Path(config.rootpath) / ".pytest_cache" / "redraft"))
